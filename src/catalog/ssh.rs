//! Hosts over SSH: programs, files, units, cron tables, processes, network rules.

use super::{ActionSpec, ConnectorSpec, Nature, OutputSpec, ParamSpec, ParamType, Repeat, TargetRule, UndoSpec, network};

const TARGET: TargetRule = TargetRule::Required("ssh");
const TEXTS: ParamType = ParamType::List(&ParamType::Text);
const ARGV: ParamSpec = ParamSpec::required("argv", TEXTS, "the program and its arguments; no shell reads them");
const ENV: ParamSpec = ParamSpec::default(
    "env",
    ParamType::Map(&ParamType::TextOrSecret),
    "{}",
    "environment variables for the program; they travel over stdin and stand in no process list",
);
const CWD: ParamSpec = ParamSpec::optional("cwd", ParamType::Text, "the folder to run in; the account's home when left out");
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

const COMMAND: ActionSpec = ActionSpec {
    name: "ssh.command",
    summary: "Runs a program at a host; it outlives a lost connection, and is found again with its end",
    nature: Nature::Mutating,
    target: TARGET,
    params: &[
        ARGV,
        ENV,
        CWD,
        STDIN,
        EXIT_CODES,
        STDOUT,
        ParamSpec::optional("prove", TEXTS, "a read-only program that must exit 0 for the effect to count as proven"),
        ParamSpec::optional(
            "probe",
            TEXTS,
            "a read-only program for after a crash: exit 0 applied, 1 not applied, else unknown; the recorded end when left out",
        ),
    ],
    outputs: OUTPUTS,
    repeat: Repeat::Unknown,
    has_probe: true,
    undo: UndoSpec::Undeclared,
    facts: &[],
};

const CHECK: ActionSpec = ActionSpec {
    name: "ssh.check",
    summary: "Runs a program at a host that only looks, and holds its answer to conditions",
    nature: Nature::ReadOnly,
    target: TARGET,
    params: &[ARGV, ENV, CWD, STDIN, EXIT_CODES, STDOUT],
    outputs: OUTPUTS,
    repeat: Repeat::Ensures,
    has_probe: false,
    undo: UndoSpec::NotNeeded,
    facts: &[],
};

pub(super) const ACTIONS: &[ActionSpec] = &[COMMAND, CHECK];

pub(super) const CONNECTORS: &[ConnectorSpec] = &[ConnectorSpec {
    name: "ssh",
    summary: "A host over SSH; its key must be known",
    settings: &[
        ParamSpec::required("host", ParamType::Text, "the name or address"),
        ParamSpec::default("port", ParamType::Integer, "22", "the port"),
        ParamSpec::required("user", ParamType::Text, "the account to log in as"),
        ParamSpec::optional(
            "key",
            ParamType::Text,
            "a file with the private key; a relative path starts at the runbook's folder",
        ),
        ParamSpec::optional("passphrase", ParamType::Secret, "the passphrase of that key"),
        ParamSpec::default("agent", ParamType::Boolean, "false", "log in with the keys of an ssh agent, instead of `key`"),
        ParamSpec::optional("agent_socket", ParamType::Text, "the agent's socket; `SSH_AUTH_SOCK` when left out"),
        ParamSpec::optional("known_hosts", ParamType::Text, "a file of known hosts; an unknown or changed key is refused"),
        ParamSpec::optional("host_key", ParamType::Text, "the host's key, `SHA256:…` or a key line, instead of `known_hosts`"),
        network::CONNECT_WITHIN,
        ParamSpec::default("sudo", ParamType::Boolean, "false", "put `sudo -n --` before every program"),
        ParamSpec::default("max_sessions", ParamType::Integer, "4", "how many sessions with the host may be open at once"),
        ParamSpec::optional(
            "run_dir",
            ParamType::Text,
            "the folder at the host that tells how programs ended; `.pointsman` in the account's home when left out",
        ),
    ],
}];
