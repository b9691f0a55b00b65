//! pgbouncer, spoken to through its admin console.

use super::network::{CONNECT_WITHIN, PASSWORD, TLS};
use super::{ActionSpec, ConnectorSpec, FactEffect, Nature, OutputSpec, ParamSpec, ParamType, Repeat, TargetRule, UndoSpec};

const TARGET: TargetRule = TargetRule::Required("pgbouncer");
const TEXTS: ParamType = ParamType::List(&ParamType::Text);
const DATABASE: ParamSpec =
    ParamSpec::required("database", ParamType::Text, "the pooled database, as the entry of `[databases]` names it");
const WITHIN: ParamSpec = ParamSpec::default(
    "within",
    ParamType::Duration,
    "\"10s\"",
    "how long PAUSE may wait for open transactions; it is then ended by RESUME",
);
const HELD_AT_MOST: ParamSpec = ParamSpec::default(
    "held_at_most",
    ParamType::Duration,
    "\"60s\"",
    "how long clients are held in all, up to the RESUME; refused when the pooler's `query_wait_timeout` is shorter",
);
const PROCESSES: OutputSpec = OutputSpec { name: "processes", doc: "how many processes of the pooler were spoken to" };

pub(super) const ACTIONS: &[ActionSpec] = &[
    ActionSpec {
        name: "pgbouncer.pause",
        summary: "Holds the clients of a pooled database, once no transaction is open and no server connection is left",
        nature: Nature::Mutating,
        target: TARGET,
        params: &[DATABASE, WITHIN, HELD_AT_MOST],
        outputs: &[
            PROCESSES,
            OutputSpec { name: "clients_waiting", doc: "how many clients already waited when the pause had come to its end" },
        ],
        repeat: Repeat::Ensures,
        has_probe: true,
        undo: UndoSpec::Auto("sends RESUME to every process where the database was not paused before"),
        facts: &[FactEffect::Held("{target}")],
    },
    ActionSpec {
        name: "pgbouncer.switch",
        summary: "Routes a pooled database to another server: PAUSE, the entry changed on disk, RELOAD, RESUME",
        nature: Nature::Mutating,
        target: TARGET,
        params: &[
            DATABASE,
            ParamSpec::required("to", ParamType::Target, "the PostgreSQL server to route to"),
            ParamSpec::required(
                "files",
                TEXTS,
                "the files that hold the entry: pgbouncer.ini of every process, or the file they include; relative paths start at \
                 the runbook's folder",
            ),
            ParamSpec::optional(
                "host",
                ParamType::Text,
                "the server's name as the pooler reaches it; the target's when left out",
            ),
            ParamSpec::optional("port", ParamType::Integer, "its port as the pooler reaches it; the target's when left out"),
            ParamSpec::optional("dbname", ParamType::Text, "the database's name at the server; as before when left out"),
            ParamSpec::default(
                "keep_paused",
                ParamType::Boolean,
                "false",
                "leaves clients held, for a `pgbouncer.resume` that comes later",
            ),
            WITHIN,
            HELD_AT_MOST,
        ],
        outputs: &[
            PROCESSES,
            OutputSpec { name: "route", doc: "where the server connections go, as host:port" },
            OutputSpec { name: "paused", doc: "whether clients are still held" },
        ],
        repeat: Repeat::Ensures,
        has_probe: true,
        undo: UndoSpec::Auto("PAUSE, the exact bytes of the files put back, RELOAD, and RESUME where it was not paused before"),
        facts: &[
            FactEffect::Route("{target}", "{to}"),
            FactEffect::Where("keep_paused", "false", &FactEffect::Released("{target}")),
        ],
    },
    ActionSpec {
        name: "pgbouncer.resume",
        summary: "Lets the clients of a paused database go on, and proves where their queries land",
        nature: Nature::Mutating,
        target: TARGET,
        params: &[
            DATABASE,
            ParamSpec::optional(
                "lands_on",
                ParamType::Target,
                "the PostgreSQL server where a query through the pooler must land",
            ),
            WITHIN,
        ],
        outputs: &[PROCESSES],
        repeat: Repeat::Ensures,
        has_probe: true,
        undo: UndoSpec::Auto("sends PAUSE to every process where the database was paused before"),
        facts: &[FactEffect::Route("{target}", "{lands_on}"), FactEffect::Released("{target}")],
    },
];

pub(super) const CONNECTORS: &[ConnectorSpec] = &[ConnectorSpec {
    name: "pgbouncer",
    summary: "A pgbouncer pooler: the admin console of every process of it",
    settings: &[
        ParamSpec::required(
            "addresses",
            TEXTS,
            "the console of every process, as `host:port` or `/socket/folder:port`; none may be left out",
        ),
        ParamSpec::required("user", ParamType::Text, "an account of `admin_users`"),
        PASSWORD,
        ParamSpec::optional(
            "client_user",
            ParamType::Text,
            "an account of the pooled database, with which a query through the pooler proves where clients land",
        ),
        ParamSpec::optional("client_password", ParamType::Secret, "that account's password"),
        ParamSpec::default(
            "identity",
            ParamType::Object(&[ParamSpec::default(
                "config_files",
                TEXTS,
                "[]",
                "what `SHOW CONFIG` may answer for `conffile`, asserted at every process before anything is sent",
            )]),
            "{}",
            "how to tell that it is the right pooler",
        ),
        TLS,
        CONNECT_WITHIN,
    ],
}];
