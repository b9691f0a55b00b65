//! PostgreSQL: logical replication and what it does not carry, and questions.

use super::rows::{ANSWER, EXPECT, ROWS};
use super::waiting::{EVERY, WITHIN};
use super::{ActionSpec, FactEffect, Nature, OutputSpec, ParamSpec, ParamType, Repeat, TargetRule, UndoSpec};

const TARGET: TargetRule = TargetRule::Required("postgres");
const TEXTS: ParamType = ParamType::List(&ParamType::Text);
const SOURCE: ParamSpec = ParamSpec::required("source", ParamType::Target, "the server that the data comes from");
const SUBSCRIPTION: ParamSpec =
    ParamSpec::required("subscription", ParamType::Text, "the subscription, in the database of the step's target");

pub(super) const ACTIONS: &[ActionSpec] = &[
    ActionSpec {
        name: "postgres.wait_subscription",
        summary: "Waits until a subscriber has applied and flushed everything in front of a fence",
        nature: Nature::ReadOnly,
        target: TARGET,
        params: &[
            SUBSCRIPTION,
            SOURCE,
            ParamSpec::required("fence", ParamType::Text, "the log position, such as `{{ steps.freeze-old.outputs.fence }}`"),
            EVERY,
            WITHIN,
            ParamSpec::default(
                "no_progress_for",
                ParamType::Duration,
                "\"30s\"",
                "it fails when nothing was received or applied for this long",
            ),
        ],
        outputs: &[
            OutputSpec { name: "applied", doc: "the position that the subscriber has flushed" },
            OutputSpec { name: "waited_ms", doc: "how long it waited, in milliseconds" },
        ],
        repeat: Repeat::Ensures,
        has_probe: false,
        undo: UndoSpec::NotNeeded,
        facts: &[FactEffect::CaughtUp("{target}")],
    },
    ActionSpec {
        name: "postgres.carry_sequences",
        summary: "Sets sequences past their values at the source, because logical replication does not carry them",
        nature: Nature::Mutating,
        target: TARGET,
        params: &[
            SOURCE,
            ParamSpec::default(
                "sequences",
                TEXTS,
                "[\"*\"]",
                "names or patterns such as `public.*`; each must match something at the source",
            ),
            ParamSpec::default("except", TEXTS, "[]", "names or patterns to leave alone"),
            ParamSpec::default(
                "margin",
                ParamType::Integer,
                "1000",
                "how many values to leave free between the source's last value and the target's next",
            ),
        ],
        outputs: &[
            OutputSpec { name: "sequences", doc: "how many sequences are at or past their source" },
            OutputSpec { name: "set", doc: "how many had to be set" },
        ],
        repeat: Repeat::Ensures,
        has_probe: true,
        undo: UndoSpec::Auto("sets every sequence that this step set to the value that it had before"),
        facts: &[FactEffect::Sequences("{source}", "{target}")],
    },
    ActionSpec {
        name: "postgres.query",
        summary: "Reads rows in a read-only transaction, and holds them to conditions",
        nature: Nature::ReadOnly,
        target: TARGET,
        params: &[
            ParamSpec::required(
                "sql",
                ParamType::Program,
                "one SELECT; templates are refused in it, values arrive through `bind`",
            ),
            ParamSpec::default(
                "bind",
                ParamType::List(&ParamType::Any),
                "[]",
                "the values of `$1`, `$2` and so on, as texts: write `$1::bigint` where the statement needs another type",
            ),
            EXPECT,
            ROWS,
        ],
        outputs: ANSWER,
        repeat: Repeat::Ensures,
        has_probe: false,
        undo: UndoSpec::NotNeeded,
        facts: &[],
    },
];
