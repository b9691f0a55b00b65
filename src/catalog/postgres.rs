//! PostgreSQL.

use super::network::{CONNECT_WITHIN, PASSWORD, TLS};
use super::sessions::CUT;
use super::{ActionSpec, ConnectorSpec, FactEffect, Nature, OutputSpec, ParamSpec, ParamType, Repeat, TargetRule, UndoSpec};

const TARGET: TargetRule = TargetRule::Required("postgres");
const TEXTS: ParamType = ParamType::List(&ParamType::Text);
const ROLES: ParamSpec = ParamSpec::required(
    "roles",
    TEXTS,
    "names or patterns of the application's roles; the groups that they are members of, and PUBLIC, are handled with them",
);
const SCHEMAS: ParamSpec = ParamSpec::default("schemas", TEXTS, "[\"public\"]", "names or patterns of schemas");
const TABLES: ParamSpec = ParamSpec::default(
    "tables",
    TEXTS,
    "[\"*\"]",
    "names or patterns, as `name` or `schema.name`; partitions and the sequences of a table belong to it",
);
const EXCEPT: ParamSpec = ParamSpec::default("except", TEXTS, "[]", "names or patterns to leave alone");
const CANARIES: ParamSpec = ParamSpec::default(
    "canaries",
    ParamType::List(&ParamType::Object(&[
        ParamSpec::required("user", ParamType::Text, "the account, which is the application's own"),
        ParamSpec::optional("password", ParamType::Secret, "its password"),
        ParamSpec::optional(
            "via",
            ParamType::Text,
            "`host:port` or `host:port/database` of a pooler; the target's address when left out",
        ),
        ParamSpec::optional("table", ParamType::Text, "the table to try; every table in scope when left out"),
    ])),
    "[]",
    "accounts that try to write on the application's own way; none of their writes can touch a row",
);

const FREEZE: ActionSpec = ActionSpec {
    name: "postgres.freeze_writes",
    summary: "Takes the grants of writes away, ends sessions, waits for open transactions, and reads the fence",
    nature: Nature::Mutating,
    target: TARGET,
    params: &[
        ROLES,
        SCHEMAS,
        TABLES,
        EXCEPT,
        ParamSpec::default(
            "barrier_within",
            ParamType::Duration,
            "\"10s\"",
            "how long open transactions may take to end before the freeze gives up",
        ),
        ParamSpec::default(
            "long_transactions",
            ParamType::OneOf(&["wait", "terminate"]),
            "\"wait\"",
            "`terminate` ends sessions of the roles that still hold write locks after `barrier_within`, and waits once more",
        ),
        ParamSpec::default(
            "cut",
            ParamType::OneOf(&["all", "writers", "none"]),
            "\"all\"",
            "which sessions of the roles are ended once writes are denied; `none` behind a paused pooler",
        ),
        ParamSpec::default(
            "login",
            ParamType::OneOf(&["keep", "deny"]),
            "\"keep\"",
            "`deny` makes the roles NOLOGIN until the thaw; with `keep` they may read on",
        ),
        CANARIES,
        ParamSpec::default(
            "accept_bypasses",
            TEXTS,
            "[]",
            "ways past the freeze that are signed for: a kind, or `kind/name` with a pattern; all others refuse the freeze",
        ),
    ],
    outputs: &[
        OutputSpec { name: "fence", doc: "the position in the log at which no write was open, as text such as `0/16B3748`" },
        OutputSpec { name: "tables", doc: "how many tables are frozen" },
        CUT,
        OutputSpec { name: "barrier_ms", doc: "how long the wait for open transactions took, in milliseconds" },
    ],
    repeat: Repeat::Ensures,
    has_probe: true,
    undo: UndoSpec::Auto("gives back exactly the grants and logins of the snapshot, and proves that both differences are empty"),
    facts: &[FactEffect::WritesDenied("{target}")],
};

const ALLOW: ActionSpec = ActionSpec {
    name: "postgres.allow_writes",
    summary: "Gives roles the writes on tables and their sequences, and proves that they are accepted",
    nature: Nature::Mutating,
    target: TARGET,
    params: &[
        ROLES,
        SCHEMAS,
        TABLES,
        EXCEPT,
        ParamSpec::default(
            "privileges",
            ParamType::List(&ParamType::OneOf(&["insert", "update", "delete", "truncate"])),
            "[\"insert\", \"update\", \"delete\"]",
            "what is given on the tables",
        ),
        ParamSpec::default("login", ParamType::OneOf(&["keep", "allow"]), "\"keep\"", "`allow` lets roles log in that may not"),
        CANARIES,
    ],
    outputs: &[
        OutputSpec { name: "tables", doc: "how many tables were looked at" },
        OutputSpec { name: "granted", doc: "how many grants were missing and are given now" },
    ],
    repeat: Repeat::Ensures,
    has_probe: true,
    undo: UndoSpec::Auto("restores exactly the grants and logins of the snapshot"),
    facts: &[FactEffect::WritesAllowed("{target}")],
};

pub(super) const ACTIONS: &[ActionSpec] = &[FREEZE, ALLOW];

pub(super) const CONNECTORS: &[ConnectorSpec] = &[ConnectorSpec {
    name: "postgres",
    summary: "One database of a PostgreSQL server",
    settings: &[
        ParamSpec::required("url", ParamType::Text, "`postgres://user@host:port/database`, without a password"),
        PASSWORD,
        TLS,
        CONNECT_WITHIN,
        ParamSpec::default(
            "identity",
            ParamType::Object(&[
                ParamSpec::optional(
                    "system_identifier",
                    ParamType::Text,
                    "what `SELECT system_identifier FROM pg_control_system()` must answer, asserted in every session before it acts",
                ),
                ParamSpec::optional("in_recovery", ParamType::Boolean, "whether the server must be a standby"),
            ]),
            "{}",
            "how to tell that it is the right server",
        ),
    ],
}];
