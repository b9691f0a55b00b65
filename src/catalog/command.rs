//! Local programs.

use super::{ActionSpec, Nature, OutputSpec, ParamSpec, ParamType, Repeat, TargetRule, UndoSpec};

pub(super) const ACTIONS: &[ActionSpec] = &[ActionSpec {
    name: "command",
    summary: "Runs a local program, given as an argument list",
    nature: Nature::Mutating,
    target: TargetRule::None,
    params: &[
        ParamSpec::optional("argv", ParamType::List(&ParamType::Text), "the program and its arguments; no shell reads them"),
        ParamSpec::optional(
            "shell",
            ParamType::Text,
            "a shell line, as an explicit opt-in; templates are refused in it, values arrive as environment variables",
        ),
        ParamSpec::default("env", ParamType::Map(&ParamType::TextOrSecret), "{}", "environment variables for the program"),
        ParamSpec::optional("cwd", ParamType::Text, "the folder to run in; the runbook's own when left out"),
        ParamSpec::optional("stdin", ParamType::Text, "what the program reads; nothing when left out"),
        ParamSpec::default("exit_codes", ParamType::List(&ParamType::Integer), "[0]", "the exit codes that mean success"),
        ParamSpec::optional("stdout", ParamType::Condition, "a condition on what it prints, without the last line break"),
        ParamSpec::optional(
            "prove",
            ParamType::List(&ParamType::Text),
            "a read-only program that must exit 0 for the effect to count as proven",
        ),
        ParamSpec::optional(
            "probe",
            ParamType::List(&ParamType::Text),
            "a read-only program for after a crash: exit 0 applied, 1 not applied, else unknown",
        ),
    ],
    outputs: &[
        OutputSpec { name: "exit_code", doc: "the exit code" },
        OutputSpec { name: "stdout", doc: "what it printed, redacted, at most 64 KiB" },
        OutputSpec { name: "stderr", doc: "what it complained, redacted, at most 64 KiB" },
    ],
    repeat: Repeat::Unknown,
    has_probe: false,
    undo: UndoSpec::Undeclared,
    facts: &[],
}];
