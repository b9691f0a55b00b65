//! Actions of the engine itself: approvals, holds, windows, manual work, waits, notices, and checks over two stores.

use super::{ActionSpec, FactEffect, Nature, OutputSpec, ParamSpec, ParamType, Repeat, TargetRule, UndoSpec, http};

const ON_DEADLINE: ParamType = ParamType::OneOf(&["hold", "reject", "rollback"]);
const GATE_DEADLINE: ParamType = ParamType::OneOf(&["hold", "reject", "rollback", "escalate"]);
const NOT: ParamSpec = ParamSpec::default(
    "not",
    ParamType::List(&ParamType::OneOf(&["starter", "author", "editor"])),
    "[]",
    "who may not approve although they have the role: who started the run, the runbook's `owner`, who edited it last (by git); their deputies may not either",
);
const SIGNATURE: ParamSpec = ParamSpec::optional(
    "signature",
    ParamType::OneOf(&["required", "accepted"]),
    "whether only signed approvals count; `required` where the roster names `allowed_signers`",
);
const DEADLINE: ParamSpec =
    ParamSpec::optional("deadline", ParamType::Duration, "how long after the request the decision may take");
const AT_DEADLINE: ParamSpec =
    ParamSpec::default("on_deadline", GATE_DEADLINE, "\"hold\"", "what happens at the deadline; it never approves");
const ESCALATE_TO: ParamSpec =
    ParamSpec::optional("escalate_to", ParamType::Text, "with `on_deadline: escalate`: the role that may then fill any place");
const APPROVED_BY: OutputSpec = OutputSpec { name: "approved_by", doc: "the persons who approved, in order" };

/// A wait of the engine: nothing is sent to anybody, so there is nothing to look for after a crash and nothing to undo.
const fn wait(
    name: &'static str,
    summary: &'static str,
    nature: Nature,
    params: &'static [ParamSpec],
    outputs: &'static [OutputSpec],
) -> ActionSpec {
    ActionSpec {
        name,
        summary,
        nature,
        target: TargetRule::None,
        params,
        outputs,
        repeat: Repeat::Ensures,
        has_probe: false,
        undo: UndoSpec::NotNeeded,
        facts: &[],
    }
}

pub(super) const ACTIONS: &[ActionSpec] = &[
    wait(
        "gate.approval",
        "Waits until persons of the roster have approved; one rejection closes the gate",
        Nature::Approval,
        &[
            ParamSpec::required("approvers", ParamType::Map(&ParamType::Integer), "how many persons of each role must approve"),
            NOT,
            DEADLINE,
            AT_DEADLINE,
            ESCALATE_TO,
            SIGNATURE,
            ParamSpec::optional(
                "evidence_within",
                ParamType::Duration,
                "how long ago the steps before the gate may have ended; older evidence opens nothing",
            ),
            ParamSpec::optional(
                "rehearsed_within",
                ParamType::Duration,
                "how long ago the same steps were run under a profile and succeeded, at most; without such a run it opens for nobody",
            ),
            ParamSpec::optional(
                "break_glass",
                ParamType::Object(&[
                    ParamSpec::required("role", ParamType::Text, "the role that may open the gate in an emergency"),
                    ParamSpec::default("persons", ParamType::Integer, "2", "how many of them open it at once; two at least"),
                    ParamSpec::optional("delay", ParamType::Duration, "after how long it opens for one of them"),
                ]),
                "who may open the gate without its quorum, in an emergency; without it nobody may",
            ),
            ParamSpec::required("prompt", ParamType::Text, "what is being decided, in words"),
        ],
        &[APPROVED_BY],
    ),
    wait(
        "gate.poll",
        "Asks every role for go or no-go; one no-go closes the gate",
        Nature::Approval,
        &[
            ParamSpec::required(
                "roles",
                ParamType::List(&ParamType::Text),
                "the roles; one person of each says go, and no person twice",
            ),
            NOT,
            DEADLINE,
            AT_DEADLINE,
            ESCALATE_TO,
            SIGNATURE,
            ParamSpec::required("prompt", ParamType::Text, "what is polled, in words"),
        ],
        &[APPROVED_BY],
    ),
    wait(
        "gate.roll_call",
        "Waits until one person of every role has said that they are there, before the window opens",
        Nature::Approval,
        &[
            ParamSpec::required(
                "roles",
                ParamType::List(&ParamType::Text),
                "the roles that have to be there; no person counts twice",
            ),
            DEADLINE,
            AT_DEADLINE,
            ESCALATE_TO,
            SIGNATURE,
            ParamSpec::default("prompt", ParamType::Text, "\"Are you there?\"", "what is asked, in words"),
        ],
        &[APPROVED_BY],
    ),
    wait(
        "gate.hold",
        "Waits for a length of time, also across restarts",
        Nature::Hold,
        &[ParamSpec::required("duration", ParamType::Duration, "how long")],
        &[],
    ),
    wait(
        "gate.window",
        "Waits until the runbook's window is open; a window that has closed fails the step",
        Nature::Window,
        &[],
        &[],
    ),
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
