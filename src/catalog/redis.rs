//! Redis.

use super::network::{CONNECT_WITHIN, PASSWORD, TLS};
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
        ParamSpec::default(
            "canaries",
            ParamType::Map(&ParamType::Secret),
            "{}",
            "passwords by user, for real writes in sessions of these users; they change nothing",
        ),
        SAVE,
        ParamSpec::default(
            "ignore_replicas",
            TEXTS,
            "[]",
            "connected replicas (`ip:port` as the master shows them) that are not among `nodes` and can never be promoted",
        ),
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

pub(super) const ACTIONS: &[ActionSpec] = &[FREEZE];

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
