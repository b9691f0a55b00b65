//! Redis.

use super::network::{CONNECT_WITHIN, PASSWORD, TLS};
use super::waiting::{EVERY, NO_PROGRESS, WITHIN};
use super::{ActionSpec, ConnectorSpec, FactEffect, Nature, OutputSpec, ParamSpec, ParamType, Repeat, TargetRule, UndoSpec};

const TARGET: TargetRule = TargetRule::Required("redis");
const TEXTS: ParamType = ParamType::List(&ParamType::Text);
const SAVE: ParamSpec = ParamSpec::default(
    "save",
    ParamType::OneOf(&["if_possible", "required", "never"]),
    "\"if_possible\"",
    "whether the node writes its ACL file, so that the rules survive a restart; `required` refuses a node without one",
);
const EXCEPT: ParamSpec = ParamSpec::default(
    "except",
    TEXTS,
    "[]",
    "names or patterns to leave alone, such as the user of a sync; they are listed as still writing",
);

const CANARIES: ParamSpec = ParamSpec::default(
    "canaries",
    ParamType::Map(&ParamType::Secret),
    "{}",
    "passwords by user, for real writes in sessions of these users; they change nothing",
);

const IGNORE_REPLICAS: ParamSpec = ParamSpec::default(
    "ignore_replicas",
    TEXTS,
    "[]",
    "connected replicas (`ip:port` as the master shows them) that are not among `nodes` and can never be promoted",
);

const FREEZE: ActionSpec = ActionSpec {
    name: "redis.freeze_writes",
    summary: "Takes the right to write from users on every node, at once for open sessions",
    nature: Nature::Mutating,
    target: TARGET,
    params: &[
        ParamSpec::required("users", TEXTS, "names or patterns such as `app*`; each must match a user"),
        EXCEPT,
        ParamSpec::default(
            "deny",
            TEXTS,
            "[\"@write\"]",
            "commands or categories to deny; a list that still has to be drained needs `[lpush, rpush]` or the like",
        ),
        CANARIES,
        SAVE,
        IGNORE_REPLICAS,
    ],
    outputs: &[
        OutputSpec { name: "fence", doc: "`<replication id>:<offset>` of the master after the last write" },
        OutputSpec { name: "users", doc: "the users that are frozen" },
        OutputSpec { name: "nodes", doc: "at how many nodes" },
        OutputSpec {
            name: "unblocked",
            doc: "how many clients were waiting in a denied blocking command and got an empty answer",
        },
        OutputSpec { name: "survives_restart", doc: "whether every node wrote its ACL file; null after a crash" },
        OutputSpec { name: "rules", doc: "the rules before, by node and user, for `redis.allow_writes`" },
    ],
    repeat: Repeat::Ensures,
    has_probe: true,
    undo: UndoSpec::Auto("gives every user its rules and selectors back, word by word, and reads them again"),
    facts: &[FactEffect::WritesDenied("{target}")],
};

const ALLOW: ActionSpec = ActionSpec {
    name: "redis.allow_writes",
    summary: "Gives users the right to write on every node: what a freeze saved, or rules that the step names",
    nature: Nature::Mutating,
    target: TARGET,
    params: &[
        ParamSpec::optional(
            "rules",
            ParamType::Any,
            "the output `rules` of a freeze of the same target; instead of `users` and `allow`",
        ),
        ParamSpec::default("users", TEXTS, "[]", "names or patterns; each must match a user"),
        EXCEPT,
        ParamSpec::default("allow", TEXTS, "[]", "commands or categories to allow, such as `[\"@write\"]`"),
        CANARIES,
        SAVE,
    ],
    outputs: &[
        OutputSpec { name: "users", doc: "the users that may write" },
        OutputSpec { name: "changed", doc: "how many users were changed, counted at every node" },
        OutputSpec { name: "survives_restart", doc: "whether every node wrote its ACL file; null after a crash" },
    ],
    repeat: Repeat::Ensures,
    has_probe: true,
    undo: UndoSpec::Auto("gives every user the rules back that it had before, word by word, and reads them again"),
    facts: &[FactEffect::WritesAllowed("{target}")],
};

const DRAIN: ActionSpec = ActionSpec {
    name: "redis.drain",
    summary: "Waits until queues hold nothing pending, stay so, and nobody can feed them",
    nature: Nature::ReadOnly,
    target: TARGET,
    params: &[
        ParamSpec::required("keys", TEXTS, "lists, sorted sets and streams"),
        ParamSpec::default("groups", TEXTS, "[]", "the consumer groups of the streams that count; every group when empty"),
        ParamSpec::required("producers", TEXTS, "users, by name or pattern, that must be unable to put anything in"),
        ParamSpec::optional("fed_by", ParamType::Target, "the Redis of the producers; the step's own target when left out"),
        ParamSpec::default("stable_for", ParamType::Duration, "\"1s\"", "how long they must stay empty"),
        EVERY,
        WITHIN,
        NO_PROGRESS,
    ],
    outputs: &[
        OutputSpec { name: "drained", doc: "how many pending entries went away while it waited" },
        OutputSpec { name: "waited_ms", doc: "how long it waited, in milliseconds" },
    ],
    repeat: Repeat::Ensures,
    has_probe: false,
    undo: UndoSpec::NotNeeded,
    facts: &[],
};

const WAIT_REPLICA: ActionSpec = ActionSpec {
    name: "redis.wait_replica",
    summary: "Waits until a replica has applied everything up to a fence, with its link up",
    nature: Nature::ReadOnly,
    target: TARGET,
    params: &[
        ParamSpec::required("at_least", ParamType::Text, "the fence, such as `{{ steps.freeze-old.outputs.fence }}`"),
        EVERY,
        WITHIN,
        NO_PROGRESS,
    ],
    outputs: &[
        OutputSpec { name: "applied", doc: "`<replication id>:<offset>` that it has applied" },
        OutputSpec { name: "waited_ms", doc: "how long it waited, in milliseconds" },
    ],
    repeat: Repeat::Ensures,
    has_probe: false,
    undo: UndoSpec::NotNeeded,
    facts: &[FactEffect::CaughtUp("{target}")],
};

const PROMOTE: ActionSpec = ActionSpec {
    name: "redis.promote",
    summary: "Makes a replica a master",
    nature: Nature::Mutating,
    target: TARGET,
    params: &[],
    outputs: &[OutputSpec { name: "position", doc: "`<replication id>:<offset>` where its own history begins" }],
    repeat: Repeat::Ensures,
    has_probe: true,
    undo: UndoSpec::Auto("makes it a replica of the same master again; what was written to it meanwhile is lost"),
    facts: &[],
};

const CHECK: ActionSpec = ActionSpec {
    name: "redis.check",
    summary: "Runs one command that only reads, and holds its answer to a condition",
    nature: Nature::ReadOnly,
    target: TARGET,
    params: &[
        ParamSpec::required("command", TEXTS, "the command and its words, such as `[GET, \"shop:environment\"]`"),
        ParamSpec::optional("field", ParamType::Text, "a field of the answer: of INFO, or of names and values that alternate"),
        ParamSpec::optional("expect", ParamType::Condition, "a condition on the answer, or on its field"),
    ],
    outputs: &[OutputSpec { name: "answer", doc: "the answer, or its field; null when there is none" }],
    repeat: Repeat::Ensures,
    has_probe: false,
    undo: UndoSpec::NotNeeded,
    facts: &[],
};

/// It gives no fact that interlocks could rest on: nothing keeps writes away after it has expired.
const PAUSE: ActionSpec = ActionSpec {
    name: "redis.pause_writes",
    summary: "Lets writes wait at every node for a limited time; it ends by itself, and is no freeze that interlocks believe",
    nature: Nature::Mutating,
    target: TARGET,
    params: &[
        ParamSpec::required(
            "for",
            ParamType::Duration,
            "how long at most, up to 10 minutes; a later step of this action extends it, and none shortens it",
        ),
        IGNORE_REPLICAS,
    ],
    outputs: &[
        OutputSpec {
            name: "holds_until",
            doc: "it ends then and not earlier, by the clock of Pointsman's host; null after a crash",
        },
        OutputSpec { name: "fence", doc: "`<replication id>:<offset>` of the master after the last write" },
        OutputSpec { name: "nodes", doc: "at how many nodes" },
    ],
    repeat: Repeat::Ensures,
    has_probe: true,
    undo: UndoSpec::Auto("ends the pause at every node that was not paused before, and proves that commands go on"),
    facts: &[],
};

const CHECK_KEYS: ActionSpec = ActionSpec {
    name: "check.keys",
    summary: "Compares the keys of two Redis servers by pattern: how many, and whether they are the same names",
    nature: Nature::ReadOnly,
    target: TargetRule::None,
    params: &[
        ParamSpec::required("source", ParamType::Target, "the server that is right"),
        ParamSpec::required("target", ParamType::Target, "the server that is compared with it"),
        ParamSpec::default("patterns", TEXTS, "[\"*\"]", "glob patterns as SCAN reads them; each must match a key on both sides"),
        ParamSpec::default(
            "may_be_empty",
            TEXTS,
            "[]",
            "patterns among them that may match nothing, as long as that is so on both sides",
        ),
        ParamSpec::default(
            "dbsize",
            ParamType::OneOf(&["compare", "ignore"]),
            "\"compare\"",
            "whether DBSIZE, which no pattern can miss, is held to `agree` too",
        ),
        ParamSpec::default("agree", ParamType::Percent, "\"100%\"", "the share of keys that must be on both sides"),
    ],
    outputs: &[
        OutputSpec { name: "patterns", doc: "how many patterns were compared" },
        OutputSpec { name: "keys", doc: "how many keys the source holds in them" },
        OutputSpec { name: "different", doc: "how many keys are on one side alone" },
        OutputSpec { name: "findings", doc: "one entry per pattern that differs" },
    ],
    repeat: Repeat::Ensures,
    has_probe: false,
    undo: UndoSpec::NotNeeded,
    facts: &[FactEffect::Agree("{source}", "{target}")],
};

pub(super) const ACTIONS: &[ActionSpec] = &[FREEZE, PAUSE, ALLOW, DRAIN, WAIT_REPLICA, PROMOTE, CHECK, CHECK_KEYS];

pub(super) const CONNECTORS: &[ConnectorSpec] = &[ConnectorSpec {
    name: "redis",
    summary: "A Redis server (7.0 or later), with its replicas",
    settings: &[
        ParamSpec::required("url", ParamType::Text, "`redis://user@host:port/db`; without a password"),
        PASSWORD,
        TLS,
        CONNECT_WITHIN,
        ParamSpec::default(
            "nodes",
            TEXTS,
            "[]",
            "`host:port` of every replica and failover candidate; same user, password and TLS",
        ),
        ParamSpec::default(
            "identity",
            ParamType::Object(&[
                ParamSpec::optional("role", ParamType::OneOf(&["master", "replica"]), "the role of the node behind `url`"),
                ParamSpec::optional("run_id", ParamType::Text, "its run id; a restart makes a new one"),
                ParamSpec::optional(
                    "replication_id",
                    ParamType::Text,
                    "the replication id of every node; a promotion makes a new one",
                ),
                ParamSpec::optional(
                    "marker",
                    ParamType::Object(&[
                        ParamSpec::required("key", ParamType::Text, "the key"),
                        ParamSpec::required("value", ParamType::Text, "what it holds"),
                    ]),
                    "a key of the data set that says which one it is; it survives restarts and promotions",
                ),
            ]),
            "{}",
            "how to tell that it is the right server, asserted in every session before it acts",
        ),
    ],
}];
