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

const FILE: ActionSpec = ActionSpec {
    name: "ssh.file",
    summary: "Replaces a file at a host: atomically, and only if it is what was captured",
    nature: Nature::Mutating,
    target: TARGET,
    params: &[
        ParamSpec::required("path", ParamType::Text, "the file, as an absolute path; a symbolic link stays one"),
        ParamSpec::required("content", ParamType::Text, "the whole new text"),
        ParamSpec::optional("mode", ParamType::Text, "the permissions in octal, such as `\"0640\"`; as before when left out"),
        ParamSpec::optional("owner", ParamType::Text, "`user` or `user:group`; as before when left out"),
        ParamSpec::default("create", ParamType::Boolean, "false", "whether the file may be missing before; undo then removes it"),
    ],
    outputs: &[
        OutputSpec { name: "changed", doc: "whether the file was replaced; false when it was as wanted already" },
        OutputSpec { name: "old", doc: "the digest of the file before" },
        OutputSpec { name: "new", doc: "the digest of the file now" },
    ],
    repeat: Repeat::Ensures,
    has_probe: true,
    undo: UndoSpec::Auto(
        "puts back the kept bytes, mode and owner, if the file is still what this step wrote, and reads them back",
    ),
    facts: &[],
};

const UNITS: &[ParamSpec] =
    &[ParamSpec::required("units", TEXTS, "the units, `.service` when a name has no suffix; name a timer beside its service")];
const UNIT_OUTPUTS: &[OutputSpec] = &[
    OutputSpec { name: "units", doc: "how many units there are" },
    OutputSpec { name: "changed", doc: "how many of them were not as wanted before; null when it was found after a crash" },
];

const STOP: ActionSpec = ActionSpec {
    name: "systemd.stop",
    summary: "Stops units, and proves that they are down and have left no process",
    nature: Nature::Mutating,
    target: TARGET,
    params: UNITS,
    outputs: UNIT_OUTPUTS,
    repeat: Repeat::Ensures,
    has_probe: true,
    undo: UndoSpec::Auto("starts the units that ran before, and no others"),
    facts: &[],
};

const START: ActionSpec = ActionSpec {
    name: "systemd.start",
    summary: "Starts units, and proves that they are active",
    undo: UndoSpec::Auto("stops the units that did not run before, and no others"),
    ..STOP
};

const MASK: ActionSpec = ActionSpec {
    name: "systemd.mask",
    summary: "Masks units until the next boot and stops them, so that nothing can start them",
    undo: UndoSpec::Auto("unmasks the units that were not masked before, and starts those that ran"),
    ..STOP
};

const CRON_USER: ParamSpec = ParamSpec::optional(
    "user",
    ParamType::Text,
    "whose crontab; the account's (behind sudo: root's) when neither `user` nor `file` is given",
);
const CRON_FILE: ParamSpec = ParamSpec::optional("file", ParamType::Text, "a file such as `/etc/cron.d/shop`, instead of `user`");
const CRON_OUTPUTS: &[OutputSpec] = &[
    OutputSpec { name: "lines", doc: "how many lines were switched" },
    OutputSpec { name: "running", doc: "the jobs of these lines that run still, as `pid … since …`" },
    OutputSpec { name: "waited_ms", doc: "how long the wait for running jobs took, in milliseconds" },
];

const DISABLE: ActionSpec = ActionSpec {
    name: "cron.disable",
    summary: "Makes lines of a cron table comments that carry the run, and waits for the jobs of them that run now",
    nature: Nature::Mutating,
    target: TARGET,
    params: &[
        CRON_USER,
        CRON_FILE,
        ParamSpec::required("pattern", ParamType::Text, "a text that a line contains; at least one line must"),
        ParamSpec::default(
            "running",
            ParamType::OneOf(&["wait", "report"]),
            "\"wait\"",
            "what to do about a job that was started before: wait for its end, or only say so",
        ),
        ParamSpec::default("within", ParamType::Duration, "\"10m\"", "how long a running job may take; the step fails then"),
    ],
    outputs: CRON_OUTPUTS,
    repeat: Repeat::Ensures,
    has_probe: true,
    undo: UndoSpec::Auto("makes the lines of this step lines again, byte by byte; what others changed in between stays"),
    facts: &[],
};

const ENABLE: ActionSpec = ActionSpec {
    name: "cron.enable",
    summary: "Makes lines that `cron.disable` has made comments lines of a cron table again",
    params: &[
        CRON_USER,
        CRON_FILE,
        ParamSpec::required("pattern", ParamType::Text, "a text that a line contains"),
        ParamSpec::default(
            "owner",
            ParamType::OneOf(&["any", "run"]),
            "\"any\"",
            "whose comments: of this run only, or of every run of Pointsman",
        ),
    ],
    undo: UndoSpec::Auto("makes the same lines comments again, each under the tag that it had"),
    ..DISABLE
};

const PROCESS: ActionSpec = ActionSpec {
    name: "process.stop",
    summary: "Ends the processes of a pattern or a pid file, and proves that none is left and none comes back",
    nature: Nature::Mutating,
    target: TARGET,
    params: &[
        ParamSpec::optional("pattern", ParamType::Text, "an extended regular expression that matches their command lines"),
        ParamSpec::optional("user", ParamType::Text, "only processes of this user"),
        ParamSpec::optional("pid_file", ParamType::Text, "a file that holds the process id, instead of `pattern`"),
        ParamSpec::default("grace", ParamType::Duration, "\"10s\"", "how long they may take to end after SIGTERM"),
        ParamSpec::default("kill", ParamType::Boolean, "true", "whether SIGKILL follows; the step fails otherwise"),
    ],
    outputs: &[
        OutputSpec { name: "stopped", doc: "how many there were" },
        OutputSpec { name: "killed", doc: "how many needed SIGKILL; null when it was found after a crash" },
    ],
    repeat: Repeat::Ensures,
    has_probe: true,
    undo: UndoSpec::Undeclared,
    facts: &[],
};

const ACL: ActionSpec = ActionSpec {
    name: "network.acl",
    summary: "Lets nobody through to TCP ports any more, by IPv4 and IPv6, and cuts the connections that are open",
    nature: Nature::Mutating,
    target: TARGET,
    params: &[
        ParamSpec::required("ports", ParamType::List(&ParamType::Integer), "the TCP ports"),
        ParamSpec::default(
            "direction",
            ParamType::OneOf(&["in", "out"]),
            "\"in\"",
            "`in`: nobody reaches these ports of the host; `out`: the host reaches these ports nowhere",
        ),
        ParamSpec::default(
            "peers",
            TEXTS,
            "[]",
            "addresses or networks that are cut off, of both families; everybody when empty",
        ),
        ParamSpec::default("except", TEXTS, "[]", "addresses or networks that get through all the same"),
        ParamSpec::default(
            "canary",
            TEXTS,
            "[]",
            "`host:port` places that Pointsman must no longer reach from where it runs, and that it reaches before",
        ),
    ],
    outputs: &[
        OutputSpec { name: "table", doc: "the name of the table in nftables" },
        OutputSpec { name: "cut", doc: "how many connections were open before" },
    ],
    repeat: Repeat::Ensures,
    has_probe: true,
    undo: UndoSpec::Auto("deletes the step's own table and nothing else"),
    facts: &[],
};

pub(super) const ACTIONS: &[ActionSpec] = &[COMMAND, CHECK, FILE, STOP, START, MASK, DISABLE, ENABLE, PROCESS, ACL];

/// What it takes to log in at a host; connectors that act on a remote host have it under `ssh`.
pub(super) const SETTINGS: &[ParamSpec] = &[
    ParamSpec::required("host", ParamType::Text, "the name or address"),
    ParamSpec::default("port", ParamType::Integer, "22", "the port"),
    ParamSpec::required("user", ParamType::Text, "the account to log in as"),
    ParamSpec::optional("key", ParamType::Text, "a file with the private key; a relative path starts at the runbook's folder"),
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
];

pub(super) const CONNECTORS: &[ConnectorSpec] =
    &[ConnectorSpec { name: "ssh", summary: "A host over SSH; its key must be known", settings: SETTINGS }];
