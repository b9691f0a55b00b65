//! SQLite databases.

use super::rows::{ANSWER, BIND, EXPECT, ROWS};
use super::waiting::{EVERY, NO_PROGRESS, WITHIN};
use super::{ActionSpec, ConnectorSpec, FactEffect, Nature, OutputSpec, ParamSpec, ParamType, Repeat, TargetRule, UndoSpec};

const TARGET: TargetRule = TargetRule::Required("sqlite");
const TEXTS: ParamType = ParamType::List(&ParamType::Text);
const TABLES: ParamSpec =
    ParamSpec::default("tables", TEXTS, "[\"*\"]", "names or patterns such as `order*`; each must match something");
const EXCEPT: ParamSpec = ParamSpec::default("except", TEXTS, "[]", "names or patterns to leave alone");
const OPERATIONS: ParamSpec = ParamSpec::default(
    "operations",
    ParamType::List(&ParamType::OneOf(&["insert", "update", "delete"])),
    "[\"insert\", \"update\", \"delete\"]",
    "which writes; a queue that still has to be drained needs `[insert]`",
);
const QUERY: &[ParamSpec] = &[
    ParamSpec::required("sql", ParamType::Program, "one SELECT; templates are refused in it, values arrive through `bind`"),
    BIND,
    EXPECT,
    ROWS,
];

const FREEZE: ActionSpec = ActionSpec {
    name: "sqlite.freeze_writes",
    summary: "Refuses writes to tables by triggers, after every open write transaction has ended",
    nature: Nature::Mutating,
    target: TARGET,
    params: &[
        TABLES,
        EXCEPT,
        OPERATIONS,
        ParamSpec::optional(
            "fence",
            ParamType::Object(&[
                ParamSpec::required("table", ParamType::Text, "the table"),
                ParamSpec::required("column", ParamType::Text, "the column that only grows, such as the id of a change log"),
            ]),
            "what to read as the last position before the freeze",
        ),
        ParamSpec::default(
            "barrier_within",
            ParamType::Duration,
            "\"10s\"",
            "how long open write transactions may take to end before the freeze gives up",
        ),
    ],
    outputs: &[
        OutputSpec { name: "fence", doc: "the greatest value of the fence column when writes stopped; null without `fence`" },
        OutputSpec { name: "tables", doc: "how many tables are frozen" },
        OutputSpec { name: "barrier_ms", doc: "how long the wait for open write transactions took, in milliseconds" },
    ],
    repeat: Repeat::Ensures,
    has_probe: true,
    undo: UndoSpec::Auto("drops the triggers of this step and proves by a canary that writes are accepted again"),
    facts: &[FactEffect::WritesDenied("{target}")],
};

const ALLOW: ActionSpec = ActionSpec {
    name: "sqlite.allow_writes",
    summary: "Removes freeze triggers, and proves that writes are accepted",
    nature: Nature::Mutating,
    target: TARGET,
    params: &[
        TABLES,
        EXCEPT,
        ParamSpec::default(
            "owner",
            ParamType::OneOf(&["run", "anybody"]),
            "\"anybody\"",
            "whose freeze: of this run only, or of every run of Pointsman",
        ),
    ],
    outputs: &[
        OutputSpec { name: "tables", doc: "how many tables were looked at" },
        OutputSpec { name: "removed", doc: "how many triggers were removed" },
    ],
    repeat: Repeat::Ensures,
    has_probe: true,
    undo: UndoSpec::Auto("creates the removed triggers again, word by word, and proves by a canary that writes are refused"),
    facts: &[FactEffect::WritesAllowed("{target}")],
};

const DRAIN: ActionSpec = ActionSpec {
    name: "sqlite.drain",
    summary: "Waits until a queue table has no pending rows, stays so, and nobody can feed it",
    nature: Nature::ReadOnly,
    target: TARGET,
    params: &[
        ParamSpec::required("table", ParamType::Text, "the queue table"),
        ParamSpec::default(
            "pending",
            ParamType::Map(&ParamType::Condition),
            "{}",
            "conditions by column that make a row pending, such as `{ done: 0 }`; every row when empty",
        ),
        ParamSpec::default("stable_for", ParamType::Duration, "\"1s\"", "how long it must stay empty"),
        ParamSpec::optional("fed_by", ParamType::Target, "the database of the producers; the step's own target when left out"),
        ParamSpec::optional(
            "producers",
            TEXTS,
            "the tables whose frozen inserts prove that nobody feeds the queue; the queue table itself when left out",
        ),
        EVERY,
        WITHIN,
        NO_PROGRESS,
    ],
    outputs: &[
        OutputSpec { name: "drained", doc: "how many pending rows went away while it waited" },
        OutputSpec { name: "waited_ms", doc: "how long it waited, in milliseconds" },
    ],
    repeat: Repeat::Ensures,
    has_probe: false,
    undo: UndoSpec::NotNeeded,
    facts: &[FactEffect::Drained("{target}/{table}")],
};

const WAIT_FENCE: ActionSpec = ActionSpec {
    name: "sqlite.wait_fence",
    summary: "Waits until the position that a target has applied is at or past a fence",
    nature: Nature::ReadOnly,
    target: TARGET,
    params: &[
        ParamSpec::required("table", ParamType::Text, "the table that holds the applied position"),
        ParamSpec::required("column", ParamType::Text, "its column; the greatest value counts"),
        ParamSpec::default("where", ParamType::Map(&ParamType::Condition), "{}", "conditions by column that choose the rows"),
        ParamSpec::required("at_least", ParamType::Any, "the fence, such as `{{ steps.freeze-old.outputs.fence }}`"),
        EVERY,
        WITHIN,
        NO_PROGRESS,
    ],
    outputs: &[
        OutputSpec { name: "applied", doc: "the applied position that was read" },
        OutputSpec { name: "waited_ms", doc: "how long it waited, in milliseconds" },
    ],
    repeat: Repeat::Ensures,
    has_probe: false,
    undo: UndoSpec::NotNeeded,
    facts: &[FactEffect::CaughtUp("{target}")],
};

pub(super) const ACTIONS: &[ActionSpec] = &[
    FREEZE,
    ALLOW,
    DRAIN,
    WAIT_FENCE,
    ActionSpec {
        name: "sqlite.query",
        summary: "Reads rows, and holds them to conditions",
        nature: Nature::ReadOnly,
        target: TARGET,
        params: QUERY,
        outputs: ANSWER,
        repeat: Repeat::Ensures,
        has_probe: false,
        undo: UndoSpec::NotNeeded,
        facts: &[],
    },
    ActionSpec {
        name: "sqlite.execute",
        summary: "Runs one statement that changes rows; rolled back when it changes another number of rows than expected",
        nature: Nature::Mutating,
        target: TARGET,
        params: &[
            ParamSpec::required(
                "sql",
                ParamType::Program,
                "one statement; templates are refused in it, values arrive through `bind`",
            ),
            BIND,
            ParamSpec::required("rows", ParamType::Condition, "how many rows it must change, exactly or as a bound"),
            ParamSpec::optional("prove", ParamType::Object(QUERY), "a query whose answer proves the effect"),
            ParamSpec::optional(
                "probe",
                ParamType::Object(QUERY),
                "a query for after a crash: as expected is applied, any other answer is not applied",
            ),
        ],
        outputs: &[OutputSpec { name: "rows", doc: "how many rows it changed" }],
        repeat: Repeat::Unknown,
        has_probe: false,
        undo: UndoSpec::Undeclared,
        facts: &[],
    },
];

pub(super) const CONNECTORS: &[ConnectorSpec] = &[ConnectorSpec {
    name: "sqlite",
    summary: "A SQLite database file; it must exist",
    settings: &[
        ParamSpec::required("path", ParamType::Text, "the file; a relative path starts at the runbook's folder"),
        ParamSpec::default(
            "identity",
            ParamType::Object(&[ParamSpec::optional(
                "application_id",
                ParamType::Integer,
                "what `PRAGMA application_id` must answer, asserted in every session before it acts",
            )]),
            "{}",
            "how to tell that it is the right database",
        ),
        ParamSpec::default("busy_timeout", ParamType::Duration, "\"5s\"", "how long a statement waits for a lock"),
    ],
}];
