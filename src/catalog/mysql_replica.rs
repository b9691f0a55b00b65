//! Replication between MySQL or MariaDB servers: waiting, stopping, promoting, turning round.

use super::waiting::{EVERY, NO_PROGRESS, WITHIN};
use super::{ActionSpec, FactEffect, Nature, OutputSpec, ParamSpec, ParamType, Repeat, TargetRule, UndoSpec};

const TARGET: TargetRule = TargetRule::Required("mysql");
const CHANNEL: ParamSpec = ParamSpec::default(
    "channel",
    ParamType::Text,
    "\"\"",
    "the connection (MariaDB) or channel (MySQL) of a server with several sources; the unnamed one when left out",
);

const WAIT: ActionSpec = ActionSpec {
    name: "mysql.wait_replica",
    summary: "Waits until a replica has applied everything up to a fence; a replica that cannot get there fails at once",
    nature: Nature::ReadOnly,
    target: TARGET,
    params: &[
        ParamSpec::required(
            "fence",
            ParamType::Text,
            "the last position of the source, such as `{{ steps.freeze-old.outputs.fence }}`",
        ),
        CHANNEL,
        EVERY,
        WITHIN,
        NO_PROGRESS,
    ],
    outputs: &[
        OutputSpec { name: "applied", doc: "the position that was applied, as GTIDs" },
        OutputSpec { name: "waited_ms", doc: "how long it waited, in milliseconds" },
    ],
    repeat: Repeat::Ensures,
    has_probe: false,
    undo: UndoSpec::NotNeeded,
    facts: &[FactEffect::CaughtUp("{target}")],
};

const PASSWORD: ParamSpec = ParamSpec::required(
    "password",
    ParamType::Secret,
    "the password of the account by which the replica reads; no server tells it, and the way back needs it",
);

const STOP: ActionSpec = ActionSpec {
    name: "mysql.stop_replica",
    summary: "Stops both threads of a replica; its settings stay",
    nature: Nature::Mutating,
    target: TARGET,
    params: &[CHANNEL],
    outputs: &[OutputSpec { name: "applied", doc: "the position that was applied, as GTIDs" }],
    repeat: Repeat::Ensures,
    has_probe: true,
    undo: UndoSpec::Auto("starts the threads that ran before, where nobody changed how it follows, and proves that they run"),
    facts: &[],
};

const PROMOTE: ActionSpec = ActionSpec {
    name: "mysql.promote",
    summary: "Lets a replica apply what has arrived, and then follow nobody any more",
    nature: Nature::Mutating,
    target: TARGET,
    params: &[
        ParamSpec::optional("fence", ParamType::Text, "the last position of the source, which must be applied before"),
        ParamSpec::default("writable", ParamType::Boolean, "false", "whether to switch `read_only` off as well"),
        PASSWORD,
        CHANNEL,
        ParamSpec::default("within", ParamType::Duration, "\"60s\"", "how long what has arrived may take to be applied"),
    ],
    outputs: &[OutputSpec { name: "applied", doc: "the server's position, as GTIDs" }],
    repeat: Repeat::Ensures,
    has_probe: true,
    undo: UndoSpec::Auto("sets `read_only` and every setting of the replica as they were, starts it, and proves that it runs"),
    facts: &[FactEffect::Where("writable", "true", &FactEffect::WritesAllowed("{target}"))],
};

const REPLICATE: ActionSpec = ActionSpec {
    name: "mysql.replicate_from",
    summary: "Makes a server follow another one, and waits until it has caught up",
    nature: Nature::Mutating,
    target: TARGET,
    params: &[
        ParamSpec::required("source", ParamType::Target, "the server to follow"),
        ParamSpec::optional("host", ParamType::Text, "its address as the replica reaches it; that of the target when left out"),
        ParamSpec::optional("port", ParamType::Integer, "its port as the replica reaches it; that of the target when left out"),
        ParamSpec::required("user", ParamType::Text, "the account at the source by which the replica reads"),
        PASSWORD,
        ParamSpec::default(
            "tls",
            ParamType::OneOf(&["off", "on", "verify"]),
            "\"off\"",
            "how the replica protects its connection; `verify` checks the certificate of the source",
        ),
        ParamSpec::optional("ca", ParamType::Text, "a PEM file with the authority to trust, on the replica's host"),
        CHANNEL,
        ParamSpec::default("within", ParamType::Duration, "\"60s\"", "how long it may take to catch up"),
    ],
    outputs: &[
        OutputSpec { name: "position", doc: "the position of the source that was reached, as GTIDs" },
        OutputSpec { name: "waited_ms", doc: "how long it took, in milliseconds" },
    ],
    repeat: Repeat::Ensures,
    has_probe: true,
    undo: UndoSpec::Auto("stops the replication of this step and removes its settings"),
    facts: &[FactEffect::Follows("{source}", "{target}")],
};

pub(super) const ACTIONS: &[ActionSpec] = &[WAIT, STOP, PROMOTE, REPLICATE];
