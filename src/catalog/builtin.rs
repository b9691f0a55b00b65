//! Actions of the engine itself: approvals, holds, windows, manual work, waits, notices, and checks over two stores.

use super::{ActionSpec, FactEffect, Nature, OutputSpec, ParamSpec, ParamType, Repeat, TargetRule, UndoSpec, http};

const ON_DEADLINE: ParamType = ParamType::OneOf(&["hold", "reject", "rollback"]);

pub(super) const ACTIONS: &[ActionSpec] = &[
    ActionSpec {
        name: "gate.approval",
        summary: "Waits until persons of the roster have approved; one rejection closes the gate",
        nature: Nature::Approval,
        target: TargetRule::None,
        params: &[
            ParamSpec::required("approvers", ParamType::Map(&ParamType::Integer), "how many persons of each role must approve"),
            ParamSpec::default(
                "not",
                ParamType::List(&ParamType::OneOf(&["starter", "author"])),
                "[]",
                "who may not approve although they have the role",
            ),
            ParamSpec::optional("deadline", ParamType::Duration, "how long after the request the decision may take"),
            ParamSpec::default("on_deadline", ON_DEADLINE, "\"hold\"", "what happens at the deadline; it never approves"),
            ParamSpec::optional(
                "signature",
                ParamType::OneOf(&["required", "accepted"]),
                "whether only signed approvals count; `required` where the roster names `allowed_signers`",
            ),
            ParamSpec::required("prompt", ParamType::Text, "what is being decided, in words"),
        ],
        outputs: &[OutputSpec { name: "approved_by", doc: "the persons who approved, in order" }],
        repeat: Repeat::Ensures,
        has_probe: false,
        undo: UndoSpec::NotNeeded,
        facts: &[],
    },
    ActionSpec {
        name: "gate.hold",
        summary: "Waits for a length of time, also across restarts",
        nature: Nature::Hold,
        target: TargetRule::None,
        params: &[ParamSpec::required("duration", ParamType::Duration, "how long")],
        outputs: &[],
        repeat: Repeat::Ensures,
        has_probe: false,
        undo: UndoSpec::NotNeeded,
        facts: &[],
    },
    ActionSpec {
        name: "gate.window",
        summary: "Waits until the runbook's window is open; a window that has closed fails the step",
        nature: Nature::Window,
        target: TargetRule::None,
        params: &[],
        outputs: &[],
        repeat: Repeat::Ensures,
        has_probe: false,
        undo: UndoSpec::NotNeeded,
        facts: &[],
    },
    ActionSpec {
        name: "manual.task",
        summary: "Asks a person to do something and to report it",
        nature: Nature::Manual,
        target: TargetRule::None,
        params: &[
            ParamSpec::required("prompt", ParamType::Text, "what to do, in words"),
            ParamSpec::optional("role", ParamType::Text, "the role that may report it; anybody of the roster when left out"),
            ParamSpec::default(
                "form",
                ParamType::Map(&ParamType::OneOf(&["text", "integer", "boolean"])),
                "{}",
                "the fields of the report and their types",
            ),
            ParamSpec::optional("deadline", ParamType::Duration, "how long after the request the report may take"),
            ParamSpec::default("on_deadline", ON_DEADLINE, "\"hold\"", "what happens at the deadline; it never reports success"),
        ],
        outputs: &[
            OutputSpec { name: "answers", doc: "the fields of the form as they were answered" },
            OutputSpec { name: "reported_by", doc: "the person who reported" },
        ],
        repeat: Repeat::Ensures,
        has_probe: false,
        undo: UndoSpec::Undeclared,
        facts: &[],
    },
    ActionSpec {
        name: "wait.until",
        summary: "Asks again and again, read-only, until the answer is as expected",
        nature: Nature::ReadOnly,
        target: TargetRule::None,
        params: &[
            ParamSpec::optional("http", ParamType::Object(http::LOOK), "a request and what its answer must be"),
            ParamSpec::optional(
                "command",
                ParamType::Object(&[
                    ParamSpec::required("argv", ParamType::List(&ParamType::Text), "a read-only program that exits 0"),
                    ParamSpec::optional("stdout", ParamType::Condition, "a condition on what it prints"),
                ]),
                "a program and what it must answer",
            ),
            ParamSpec::optional(
                "file",
                ParamType::Object(&[
                    ParamSpec::required("path", ParamType::Text, "the file, which must exist"),
                    ParamSpec::optional("text", ParamType::Condition, "a condition on its text"),
                    ParamSpec::default(
                        "json",
                        ParamType::Map(&ParamType::Condition),
                        "{}",
                        "conditions on its JSON, by dotted path",
                    ),
                ]),
                "a file and what must stand in it",
            ),
            POLL[0],
            POLL[1],
        ],
        outputs: &[
            OutputSpec { name: "asked", doc: "how many times it asked" },
            OutputSpec { name: "waited_ms", doc: "how long it waited, in milliseconds" },
            OutputSpec { name: "answer", doc: "the last answer" },
        ],
        repeat: Repeat::Ensures,
        has_probe: false,
        undo: UndoSpec::NotNeeded,
        facts: &[],
    },
    ActionSpec {
        name: "check.tables",
        summary: "Compares exact counts, bounds and sums of tables in two stores",
        nature: Nature::ReadOnly,
        target: TargetRule::None,
        params: &[
            ParamSpec::required("source", ParamType::Target, "the store that is right"),
            ParamSpec::required("target", ParamType::Target, "the store that is compared with it"),
            ParamSpec::required(
                "tables",
                ParamType::List(&ParamType::Text),
                "names or patterns such as `order*`, looked up on both sides",
            ),
            ParamSpec::default(
                "measures",
                ParamType::List(&ParamType::Text),
                "[\"count\"]",
                "`count`, `min(col)`, `max(col)`, `sum(col)`; exact, never estimated",
            ),
            ParamSpec::default("agree", ParamType::Percent, "\"100%\"", "the share of rows that must agree"),
            ParamSpec::default(
                "until",
                ParamType::OneOf(&["once", "stable"]),
                "\"once\"",
                "`stable` asks again until both sides agree twice in a row with the same figures",
            ),
            ParamSpec::optional("within", ParamType::Duration, "how long `until: stable` may ask again"),
            ParamSpec::default("every", ParamType::Duration, "\"1s\"", "the pause between two askings"),
            ParamSpec::default("max_concurrent", ParamType::Integer, "4", "how many tables are measured at the same time"),
        ],
        outputs: &[
            OutputSpec { name: "tables", doc: "how many tables were compared" },
            OutputSpec { name: "rows", doc: "how many rows the source holds in them" },
            OutputSpec { name: "different", doc: "how many rows disagree by count" },
            OutputSpec { name: "findings", doc: "one entry per table and measure that differs" },
        ],
        repeat: Repeat::Ensures,
        has_probe: false,
        undo: UndoSpec::NotNeeded,
        facts: &[FactEffect::Agree("{source}", "{target}")],
    },
];

pub(super) const POLL: [ParamSpec; 2] = [
    ParamSpec::default("every", ParamType::Duration, "\"1s\"", "the pause between two askings"),
    ParamSpec::required("within", ParamType::Duration, "how long it may take"),
];
