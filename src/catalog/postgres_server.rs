//! PostgreSQL: a standby that becomes a server of its own, sessions that are ended, rows that are deleted.

use super::rows::{DELETED, TO_DELETE, WHERE};
use super::sessions::{CUT, GONE_WITHIN, RECONNECTS};
use super::{ActionSpec, FactEffect, Nature, OutputSpec, ParamSpec, ParamType, Repeat, TargetRule, UndoSpec};

const TARGET: TargetRule = TargetRule::Required("postgres");
const TEXTS: ParamType = ParamType::List(&ParamType::Text);

const PROMOTE: ActionSpec = ActionSpec {
    name: "postgres.promote",
    summary: "Makes a physical standby that has replayed everything a server of its own, which takes writes",
    nature: Nature::Mutating,
    target: TARGET,
    params: &[
        ParamSpec::optional("fence", ParamType::Text, "the last log position of the primary, which must be replayed before"),
        ParamSpec::default("within", ParamType::Duration, "\"60s\"", "how long replaying, and then the promotion, may take"),
    ],
    outputs: &[
        OutputSpec { name: "replayed", doc: "the log position up to which it had replayed" },
        OutputSpec { name: "timeline", doc: "the timeline that it writes on now" },
    ],
    repeat: Repeat::Ensures,
    has_probe: true,
    undo: UndoSpec::Impossible("it writes on a timeline of its own now: only a new copy, or pg_rewind, makes it a standby again"),
    facts: &[FactEffect::WritesAllowed("{target}")],
};

const KILL: ActionSpec = ActionSpec {
    name: "postgres.kill_sessions",
    summary: "Ends the sessions of some roles, and waits until they are gone; nobody is kept from coming back",
    nature: Nature::Mutating,
    target: TARGET,
    params: &[
        ParamSpec::required("roles", TEXTS, "names or patterns of the roles that the sessions logged in as"),
        ParamSpec::default("databases", TEXTS, "[]", "names or patterns of databases; the target's own when left out"),
        ParamSpec::default("except", TEXTS, "[]", "names or patterns of roles whose sessions stay"),
        ParamSpec::optional(
            "older_than",
            ParamType::Duration,
            "only sessions that have been doing what they do, or nothing, for at least this long",
        ),
        ParamSpec::default("idle_only", ParamType::Boolean, "false", "only sessions with no statement and no transaction open"),
        RECONNECTS,
        GONE_WITHIN,
    ],
    outputs: &[CUT, OutputSpec { name: "sessions", doc: "whose they were: pid, start, role, database, application, state" }],
    repeat: Repeat::Ensures,
    has_probe: true,
    undo: UndoSpec::NotNeeded,
    facts: &[],
};

const DELETE: ActionSpec = ActionSpec {
    name: "postgres.delete",
    summary: "Deletes the rows that conditions choose; rolled back when their number is not as expected",
    nature: Nature::Mutating,
    target: TARGET,
    params: &[
        ParamSpec::required("table", ParamType::Text, "the table, as `schema.table`; in `public` when no schema is named"),
        WHERE,
        TO_DELETE,
    ],
    outputs: DELETED,
    repeat: Repeat::Unknown,
    has_probe: true,
    undo: UndoSpec::Undeclared,
    facts: &[],
};

pub(super) const ACTIONS: &[ActionSpec] = &[PROMOTE, KILL, DELETE];
