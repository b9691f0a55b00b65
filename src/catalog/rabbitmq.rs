//! RabbitMQ.

use super::network::{CONNECT_WITHIN, PASSWORD, TLS};
use super::waiting::{EVERY, WITHIN};
use super::{ActionSpec, ConnectorSpec, FactEffect, Nature, OutputSpec, ParamSpec, ParamType, Repeat, TargetRule, UndoSpec};

const TARGET: TargetRule = TargetRule::Required("rabbitmq");
const TEXTS: ParamType = ParamType::List(&ParamType::Text);
const ACCEPT: ParamSpec = ParamSpec::default(
    "accept",
    TEXTS,
    "[]",
    "ways past the freeze that may stay: `user:<name>`, `shovel:<name>`, `federation:<policy>`; any other is refused",
);
const CLOSE_WITHIN: ParamSpec = ParamSpec::default(
    "close_within",
    ParamType::Duration,
    "\"15s\"",
    "how long connections may take to close; the broker cuts a client that does not answer after 5 to 10 s",
);
const USER: ParamSpec = ParamSpec::required("user", ParamType::Text, "the user's name");
const USER_PASSWORD: ParamSpec =
    ParamSpec::optional("password", ParamType::Secret, "its password; without one no canary is sent as this user");
const EXCHANGE: ParamSpec = ParamSpec::default(
    "exchange",
    ParamType::Text,
    "\"amq.default\"",
    "an exchange that it may publish to, for the canary; no queue gets the message",
);

const FREEZE: ActionSpec = ActionSpec {
    name: "rabbitmq.freeze_writes",
    summary: "Takes from users the right to publish in a virtual host, and closes their connections",
    nature: Nature::Mutating,
    target: TARGET,
    params: &[
        ParamSpec::required(
            "users",
            ParamType::List(&ParamType::Object(&[USER, USER_PASSWORD, EXCHANGE])),
            "the users that publish; a worker that has to go on acknowledging may be among them",
        ),
        ACCEPT,
        CLOSE_WITHIN,
    ],
    outputs: &[
        OutputSpec { name: "users", doc: "how many users are frozen" },
        OutputSpec { name: "closed", doc: "how many connections were closed" },
    ],
    repeat: Repeat::Ensures,
    has_probe: true,
    undo: UndoSpec::Auto(
        "sets the saved permissions again, compares them word by word, and proves by a canary that writes are accepted",
    ),
    facts: &[FactEffect::WritesDenied("{target}")],
};

const DRAIN: ActionSpec = ActionSpec {
    name: "rabbitmq.drain",
    summary: "Waits until queues hold nothing, ready or unacknowledged, stay so, and nobody can feed them",
    nature: Nature::ReadOnly,
    target: TARGET,
    params: &[
        ParamSpec::required("queues", TEXTS, "names or patterns such as `orders*`; each must mean a queue"),
        ParamSpec::default("except", TEXTS, "[]", "names or patterns to leave alone, such as a queue of dead letters"),
        ParamSpec::default(
            "producers",
            TEXTS,
            "[]",
            "users that must be frozen, connections and all; every other user must not be able to write, or be accepted",
        ),
        ParamSpec::default(
            "accept",
            TEXTS,
            "[]",
            "what can write and does not write into these queues: `user:`, `shovel:`, `federation:`, `queue:`, `exchange:` with a name",
        ),
        ParamSpec::default("stable_for", ParamType::Duration, "\"2s\"", "how long they must stay empty"),
        ParamSpec::default(
            "quorum_stable_for",
            ParamType::Duration,
            "\"15s\"",
            "the same where a quorum queue is among them, whose own count is as old as its tick of 5 s",
        ),
        EVERY,
        WITHIN,
        ParamSpec::default(
            "no_progress_for",
            ParamType::Duration,
            "\"30s\"",
            "it fails when nothing went for this long, and names the queues",
        ),
    ],
    outputs: &[
        OutputSpec { name: "drained", doc: "how many messages went away while it waited" },
        OutputSpec { name: "waited_ms", doc: "how long it waited, in milliseconds" },
    ],
    repeat: Repeat::Ensures,
    has_probe: false,
    undo: UndoSpec::NotNeeded,
    facts: &[FactEffect::Drained("{target}")],
};

const ALLOW: ActionSpec = ActionSpec {
    name: "rabbitmq.allow_writes",
    summary: "Gives users the right to publish in a virtual host, and proves that they can",
    nature: Nature::Mutating,
    target: TARGET,
    params: &[
        ParamSpec::required(
            "users",
            ParamType::List(&ParamType::Object(&[
                USER,
                ParamSpec::required(
                    "write",
                    ParamType::Text,
                    "the expression over exchanges that it may publish to, such as `.*`",
                ),
                USER_PASSWORD,
                EXCHANGE,
            ])),
            "the users; what they may configure and read stays as it is",
        ),
        CLOSE_WITHIN,
    ],
    outputs: &[OutputSpec { name: "users", doc: "how many users may write" }],
    repeat: Repeat::Ensures,
    has_probe: true,
    undo: UndoSpec::Auto("sets the saved permissions again, closes the users' connections, and compares word by word"),
    facts: &[FactEffect::WritesAllowed("{target}")],
};

const CHECK_SHOVELS: ActionSpec = ActionSpec {
    name: "rabbitmq.check_shovels",
    summary: "Waits until shovels run",
    nature: Nature::ReadOnly,
    target: TARGET,
    params: &[
        ParamSpec::required("names", TEXTS, "names or patterns such as `to-cloud*`; each must mean a shovel"),
        ParamSpec::default("every", ParamType::Duration, "\"500ms\"", "the pause between two askings"),
        ParamSpec::default("within", ParamType::Duration, "\"10s\"", "how long it may take"),
    ],
    outputs: &[OutputSpec { name: "running", doc: "how many shovels run" }],
    repeat: Repeat::Ensures,
    has_probe: false,
    undo: UndoSpec::NotNeeded,
    facts: &[],
};

const CLOSE_CONNECTIONS: ActionSpec = ActionSpec {
    name: "rabbitmq.close_connections",
    summary: "Closes the connections of users in a virtual host, and sees that none comes back",
    nature: Nature::Mutating,
    target: TARGET,
    params: &[
        ParamSpec::required(
            "users",
            TEXTS,
            "names or patterns such as `shop*`; each must mean a user. Pointsman's own account is never among them",
        ),
        ParamSpec::default("except", TEXTS, "[]", "names or patterns to leave alone"),
        CLOSE_WITHIN,
        ParamSpec::default(
            "quiet_for",
            ParamType::Duration,
            "\"5s\"",
            "how long no connection may come back; clients that connect again by themselves fail the step",
        ),
    ],
    outputs: &[
        OutputSpec { name: "users", doc: "how many users were meant" },
        OutputSpec { name: "closed", doc: "how many connections were closed" },
    ],
    repeat: Repeat::Ensures,
    has_probe: true,
    undo: UndoSpec::NotNeeded,
    facts: &[],
};

const CHECK_QUEUES: ActionSpec = ActionSpec {
    name: "rabbitmq.check_queues",
    summary: "Holds depth, consumers and state of queues to conditions, counted and not from statistics",
    nature: Nature::ReadOnly,
    target: TARGET,
    params: &[
        ParamSpec::required("queues", TEXTS, "names or patterns such as `orders*`; each must mean a queue"),
        ParamSpec::default("except", TEXTS, "[]", "names or patterns to leave alone"),
        ParamSpec::required(
            "expect",
            ParamType::Map(&ParamType::Condition),
            "conditions that every queue must meet: `ready`, `unacknowledged`, `messages`, `consumers`, `state`, `type`",
        ),
        ParamSpec::default("every", ParamType::Duration, "\"500ms\"", "the pause between two askings"),
        ParamSpec::default("within", ParamType::Duration, "\"0s\"", "how long to wait for it; asked once when left out"),
    ],
    outputs: &[OutputSpec { name: "queues", doc: "one entry per queue: what it holds, its consumers, its state" }],
    repeat: Repeat::Ensures,
    has_probe: false,
    undo: UndoSpec::NotNeeded,
    facts: &[],
};

pub(super) const ACTIONS: &[ActionSpec] = &[FREEZE, ALLOW, CLOSE_CONNECTIONS, DRAIN, CHECK_QUEUES, CHECK_SHOVELS];

pub(super) const CONNECTORS: &[ConnectorSpec] = &[ConnectorSpec {
    name: "rabbitmq",
    summary: "One virtual host of a RabbitMQ broker, over the management API and AMQP",
    settings: &[
        ParamSpec::required("url", ParamType::Text, "the management API, such as `http://mq-old:15672`; one broker, no balancer"),
        ParamSpec::required(
            "amqp",
            ParamType::Text,
            "AMQP of the same broker: `amqp://host:port`, or `amqps://host:port` with `tls`",
        ),
        ParamSpec::required("user", ParamType::Text, "the account that Pointsman uses; it needs the tag `administrator`"),
        PASSWORD,
        ParamSpec::default("vhost", ParamType::Text, "\"/\"", "the virtual host"),
        TLS,
        CONNECT_WITHIN,
        ParamSpec::default(
            "identity",
            ParamType::Object(&[
                ParamSpec::optional("cluster_name", ParamType::Text, "what `rabbitmqctl cluster_status` calls the cluster"),
                ParamSpec::optional("node", ParamType::Text, "the node that answers, such as `rabbit@mq-old`"),
            ]),
            "{}",
            "how to tell that it is the right broker, asserted before anything is done",
        ),
    ],
}];
