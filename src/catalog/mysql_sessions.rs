//! What goes on at a MySQL or MariaDB server beside its data: sessions and events.

use super::sessions::{CUT, GONE_WITHIN, RECONNECTS};
use super::{ActionSpec, Nature, OutputSpec, ParamSpec, ParamType, Repeat, TargetRule, UndoSpec};

const TARGET: TargetRule = TargetRule::Required("mysql");
const TEXTS: ParamType = ParamType::List(&ParamType::Text);

const KILL: ActionSpec = ActionSpec {
    name: "mysql.kill_sessions",
    summary: "Ends sessions by user, client host or database, and waits until they are gone",
    nature: Nature::Mutating,
    target: TARGET,
    params: &[
        ParamSpec::default(
            "users",
            TEXTS,
            "[]",
            "names that log in, or patterns with `*`; at least one of `users`, `hosts`, `databases` is needed, and all count",
        ),
        ParamSpec::default("hosts", TEXTS, "[]", "the clients' addresses without the port, or patterns with `*`"),
        ParamSpec::default("databases", TEXTS, "[]", "the databases that the sessions are in, or patterns with `*`"),
        ParamSpec::default("except", TEXTS, "[]", "names or patterns of users whose sessions stay"),
        ParamSpec::default(
            "idle_only",
            ParamType::Boolean,
            "false",
            "only sessions that do nothing and have no open transaction that changed something",
        ),
        ParamSpec::optional(
            "older_than",
            ParamType::Duration,
            "only sessions that have been doing what they do, or nothing, for this long, in whole seconds",
        ),
        RECONNECTS,
        GONE_WITHIN,
    ],
    outputs: &[CUT],
    repeat: Repeat::Ensures,
    has_probe: true,
    undo: UndoSpec::NotNeeded,
    facts: &[],
};

const DISABLE: ActionSpec = ActionSpec {
    name: "mysql.disable_events",
    summary: "Turns events off, or the scheduler of the whole server, and waits for those that run now",
    nature: Nature::Mutating,
    target: TARGET,
    params: &[
        ParamSpec::default("events", TEXTS, "[]", "`database.event`, or patterns with `*`; each must match an event"),
        ParamSpec::default("scheduler", ParamType::Boolean, "false", "turns the event scheduler of the whole server as well"),
        ParamSpec::default(
            "running",
            ParamType::OneOf(&["wait", "report"]),
            "\"wait\"",
            "what to do about a run that was started before: wait for its end, or only say so",
        ),
        ParamSpec::default("within", ParamType::Duration, "\"10m\"", "how long a run may take; the step fails then"),
        ParamSpec::default(
            "binlog",
            ParamType::Boolean,
            "false",
            "whether the change of an event is written to the binary log, so that replicas follow it",
        ),
    ],
    outputs: &[
        OutputSpec { name: "events", doc: "how many events are meant" },
        OutputSpec { name: "changed", doc: "how many of them were turned" },
    ],
    repeat: Repeat::Ensures,
    has_probe: true,
    undo: UndoSpec::Auto("gives every event and the scheduler exactly the state they had, and reads them again"),
    facts: &[],
};

const ENABLE: ActionSpec =
    ActionSpec { name: "mysql.enable_events", summary: "Turns events on, or the scheduler of the whole server", ..DISABLE };

pub(super) const ACTIONS: &[ActionSpec] = &[KILL, DISABLE, ENABLE];
