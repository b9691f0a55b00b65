//! MySQL and MariaDB: one connector, the dialects told apart by the server.

use super::network::{CONNECT_WITHIN, PASSWORD, TLS};
use super::{ActionSpec, ConnectorSpec, FactEffect, Nature, OutputSpec, ParamSpec, ParamType, Repeat, TargetRule, UndoSpec};

const TARGET: TargetRule = TargetRule::Required("mysql");
const TEXTS: ParamType = ParamType::List(&ParamType::Text);
const DATABASES: ParamSpec =
    ParamSpec::required("databases", TEXTS, "names or patterns with `*`; each must match something; never the server's own");
const BINLOG: ParamSpec = ParamSpec::default(
    "binlog",
    ParamType::Boolean,
    "false",
    "whether REVOKE and GRANT are written to the binary log, so that replicas follow them",
);
const CANARY: ParamType = ParamType::List(&ParamType::Object(&[
    ParamSpec::required("account", ParamType::Text, "the name that logs in, such as `shop_app`"),
    ParamSpec::optional("password", ParamType::Secret, "its password"),
    ParamSpec::optional("via", ParamType::Text, "`host:port` of another way to the server, such as a proxy"),
    ParamSpec::required("table", ParamType::Text, "a table that it may write to, `database.table`"),
    ParamSpec::optional("column", ParamType::Text, "the column that is written; the first one when left out"),
]));

const FREEZE: ActionSpec = ActionSpec {
    name: "mysql.freeze_writes",
    summary: "Takes the right to write from accounts, cuts their sessions, waits for every open write, then reads the fence",
    nature: Nature::Mutating,
    target: TARGET,
    params: &[
        ParamSpec::default(
            "accounts",
            TEXTS,
            "[]",
            "`user@host` as the server has them, or patterns with `*`; each must match something",
        ),
        DATABASES,
        ParamSpec::default(
            "server",
            ParamType::Boolean,
            "false",
            "makes the whole server read-only as well (`read_only`, with MySQL `super_read_only`)",
        ),
        ParamSpec::default(
            "canaries",
            CANARY,
            "[]",
            "writes that touch no row, sent as the application: accepted before, refused under the freeze",
        ),
        ParamSpec::default(
            "barrier_within",
            ParamType::Duration,
            "\"10s\"",
            "how long open writes may take to end before the freeze gives up",
        ),
        ParamSpec::default(
            "cut_sessions",
            ParamType::Boolean,
            "true",
            "ends the accounts' sessions, which keep their privileges otherwise; `false` waits until they are gone by themselves",
        ),
        ParamSpec::default(
            "transactions",
            ParamType::OneOf(&["end", "wait"]),
            "\"end\"",
            "what happens to open transactions that changed something: rolled back by the cut, or waited for",
        ),
        ParamSpec::default(
            "events",
            ParamType::OneOf(&["stop", "leave"]),
            "\"stop\"",
            "stops the event scheduler where an event may write; with `leave` each such event has to be accepted by name",
        ),
        ParamSpec::default("except_events", TEXTS, "[]", "`database.event`, or patterns, that write nothing"),
        ParamSpec::default(
            "accept_bypasses",
            TEXTS,
            "[]",
            "ways past the freeze that are accepted, by the names that the inspection gives them, or patterns",
        ),
        BINLOG,
    ],
    outputs: &[
        OutputSpec {
            name: "fence",
            doc: "the GTIDs behind which nothing of the accounts is, as text; null without a binary log",
        },
        OutputSpec { name: "fenced_at", doc: "the server's clock at that moment, UTC" },
        OutputSpec { name: "accounts", doc: "how many accounts are frozen" },
        OutputSpec { name: "sessions_cut", doc: "how many sessions were cut" },
        OutputSpec { name: "barrier_ms", doc: "how long the wait for open writes took, in milliseconds" },
    ],
    repeat: Repeat::Ensures,
    has_probe: true,
    undo: UndoSpec::Auto(
        "gives back exactly the privileges that were there, turns the switches back and proves that nothing is missing or left over",
    ),
    facts: &[FactEffect::WritesDenied("{target}")],
};

const ALLOW: ActionSpec = ActionSpec {
    name: "mysql.allow_writes",
    summary: "Gives accounts the right to write, lets the server accept writes, and proves that they are accepted",
    nature: Nature::Mutating,
    target: TARGET,
    params: &[
        ParamSpec::default(
            "accounts",
            TEXTS,
            "[]",
            "`user@host` as the server has them, or patterns with `*`; each must match something",
        ),
        ParamSpec::default(
            "databases",
            TEXTS,
            "[]",
            "names or patterns with `*`, where the accounts get the privileges; each must match something",
        ),
        ParamSpec::default(
            "privileges",
            ParamType::List(&ParamType::OneOf(&[
                "insert",
                "update",
                "delete",
                "create",
                "drop",
                "alter",
                "index",
                "trigger",
                "event",
                "create view",
                "create routine",
                "alter routine",
            ])),
            "[\"insert\", \"update\", \"delete\"]",
            "what is given on the databases, where the account does not hold it itself",
        ),
        ParamSpec::default(
            "server",
            ParamType::Boolean,
            "false",
            "switches `read_only` off (with MySQL `super_read_only` too); without it a read-only server is refused",
        ),
        ParamSpec::default(
            "canaries",
            CANARY,
            "[]",
            "writes that touch no row, sent as the application: accepted once the step is done, as before after its undo",
        ),
        ParamSpec::default(
            "cut_sessions",
            ParamType::Boolean,
            "true",
            "ends the accounts' open sessions, which stay refused until their next `USE` otherwise; the undo always ends them",
        ),
        ParamSpec::default(
            "within",
            ParamType::Duration,
            "\"10s\"",
            "how long sessions may take to end, and the undo may wait for locks",
        ),
        BINLOG,
    ],
    outputs: &[
        OutputSpec { name: "accounts", doc: "how many accounts may write" },
        OutputSpec { name: "granted", doc: "how many privileges were missing and are given now" },
        OutputSpec { name: "sessions_cut", doc: "how many sessions were cut" },
    ],
    repeat: Repeat::Ensures,
    has_probe: true,
    undo: UndoSpec::Auto(
        "takes back exactly what was given, cuts the accounts' sessions, turns the switches back, and proves that nothing is missing or left over",
    ),
    facts: &[FactEffect::WritesAllowed("{target}")],
};

pub(super) const ACTIONS: &[ActionSpec] = &[FREEZE, ALLOW];

pub(super) const CONNECTORS: &[ConnectorSpec] = &[ConnectorSpec {
    name: "mysql",
    summary: "A MySQL or MariaDB server",
    settings: &[
        ParamSpec::required(
            "url",
            ParamType::TextOrSecret,
            "`mysql://user@host:port/database`, without password and options; the port is 3306 when left out",
        ),
        PASSWORD,
        TLS,
        CONNECT_WITHIN,
        ParamSpec::default(
            "identity",
            ParamType::Object(&[
                ParamSpec::optional("server_id", ParamType::Integer, "what `@@server_id` must answer"),
                ParamSpec::optional("server_uuid", ParamType::Text, "what `@@server_uuid` must answer; MariaDB has none"),
            ]),
            "{}",
            "how to tell that it is the right server, asserted in every session before it acts",
        ),
    ],
}];
