//! Local programs: one that acts, and one that only looks.

use super::{ActionSpec, Nature, OutputSpec, ParamSpec, ParamType, Repeat, TargetRule, UndoSpec};

const ARGV: ParamSpec =
    ParamSpec::optional("argv", ParamType::List(&ParamType::Text), "the program and its arguments; no shell reads them");
const SHELL: ParamSpec = ParamSpec::optional(
    "shell",
    ParamType::Program,
    "a shell line, as an explicit opt-in; templates are refused in it, values arrive as environment variables",
);
const ENV: ParamSpec =
    ParamSpec::default("env", ParamType::Map(&ParamType::TextOrSecret), "{}", "environment variables for the program");
const CWD: ParamSpec = ParamSpec::optional("cwd", ParamType::Text, "the folder to run in; the runbook's own when left out");
const STDIN: ParamSpec = ParamSpec::optional("stdin", ParamType::Text, "what the program reads; nothing when left out");
const EXIT_CODES: ParamSpec =
    ParamSpec::default("exit_codes", ParamType::List(&ParamType::Integer), "[0]", "the exit codes that mean success");
const STDOUT: ParamSpec =
    ParamSpec::optional("stdout", ParamType::Condition, "a condition on what it prints, without the last line break");

const OUTPUTS: &[OutputSpec] = &[
    OutputSpec { name: "exit_code", doc: "the exit code" },
    OutputSpec { name: "stdout", doc: "what it printed, redacted, at most 64 KiB" },
    OutputSpec { name: "stderr", doc: "what it complained, redacted, at most 64 KiB" },
];

pub(super) const ACTIONS: &[ActionSpec] = &[
    ActionSpec {
        name: "command",
        summary: "Runs a local program, given as an argument list",
        nature: Nature::Mutating,
        target: TargetRule::None,
        params: &[
            ARGV,
            SHELL,
            ENV,
            CWD,
            STDIN,
            EXIT_CODES,
            STDOUT,
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
        outputs: OUTPUTS,
        repeat: Repeat::Unknown,
        has_probe: false,
        undo: UndoSpec::Undeclared,
        facts: &[],
    },
    ActionSpec {
        name: "command.check",
        summary: "Runs a local program that only looks, and holds its answer to conditions",
        nature: Nature::ReadOnly,
        target: TargetRule::None,
        params: &[ARGV, SHELL, ENV, CWD, STDIN, EXIT_CODES, STDOUT],
        outputs: OUTPUTS,
        repeat: Repeat::Ensures,
        has_probe: false,
        undo: UndoSpec::NotNeeded,
        facts: &[],
    },
];
