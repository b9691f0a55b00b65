//! nginx, switched by a file that it includes.

use super::{
    ActionSpec, ConnectorSpec, FactEffect, Nature, OutputSpec, ParamSpec, ParamType, Repeat, TargetRule, UndoSpec, http, ramp,
    ssh,
};

const TARGET: TargetRule = TargetRule::Required("nginx");
const TEXTS: ParamType = ParamType::List(&ParamType::Text);
const TO: ParamSpec =
    ParamSpec::required("to", ParamType::Text, "where the traffic goes then, as interlocks name it: mostly a target");
const OLD_WORKERS: ParamSpec = ParamSpec::default(
    "old_workers_within",
    ParamType::Duration,
    "\"0s\"",
    "how long to wait for old workers, which keep the old route until their connections end; how many are left is reported",
);
const ASK: ParamSpec = ParamSpec::optional(
    "ask",
    ParamType::Object(&[
        ParamSpec::optional("http", ParamType::Object(http::LOOK), "a request through nginx whose answer shows the new side"),
        ParamSpec::optional("command", TEXTS, "a read-only program that exits 0 once the new side answers"),
        ParamSpec::default("every", ParamType::Duration, "\"200ms\"", "the pause between two askings"),
        ParamSpec::default("within", ParamType::Duration, "\"10s\"", "how long it may take"),
    ]),
    "how to ask through nginx who answers",
);
const UNDO: UndoSpec = UndoSpec::Auto("puts the kept bytes back, tests them, and reloads until new workers have them");
const LEFT: OutputSpec = OutputSpec { name: "old_workers", doc: "how many old workers were left with the old route" };
const SIDE: OutputSpec = OutputSpec { name: "to", doc: "the new side" };

pub(super) const ACTIONS: &[ActionSpec] = &[
    ActionSpec {
        name: "nginx.switch",
        summary: "Replaces the included file by another upstream: tested, reloaded, and proven by the workers and by asking",
        nature: Nature::Mutating,
        target: TARGET,
        params: &[
            TO,
            ParamSpec::optional("upstream", ParamType::Text, "the name of the upstream that the file then holds"),
            ParamSpec::default("servers", TEXTS, "[]", "its servers, such as `10.9.1.5:80 max_fails=2`; never none"),
            ParamSpec::optional("content", ParamType::Text, "the whole new text, instead of `upstream` and `servers`"),
            OLD_WORKERS,
            ASK,
        ],
        outputs: &[SIDE, LEFT],
        repeat: Repeat::Ensures,
        has_probe: true,
        undo: UNDO,
        facts: &[FactEffect::Route("{target}", "{to}")],
    },
    ActionSpec {
        name: "nginx.split",
        summary: "Moves clients to another upstream in shares of 0.01 % and more, by `split_clients`, behind a gate",
        nature: Nature::Mutating,
        target: TARGET,
        params: &[
            TO,
            ParamSpec::required("variable", ParamType::Text, "the variable that `proxy_pass` uses, such as `$shop_side`"),
            ParamSpec::default(
                "key",
                ParamType::Text,
                "\"$remote_addr\"",
                "what decides about a client: the same key stays on one side",
            ),
            ParamSpec::required("old", ParamType::Text, "the value of the variable for the old side"),
            ParamSpec::optional("new", ParamType::Text, "the value for the new side; `to` when left out"),
            ramp::RAMP,
            ramp::DWELL,
            ramp::GATE,
            OLD_WORKERS,
            ASK,
        ],
        outputs: &[SIDE, OutputSpec { name: "stages", doc: "one entry per share: the samples of its gate" }, LEFT],
        repeat: Repeat::Ensures,
        has_probe: true,
        undo: UNDO,
        facts: &[FactEffect::Route("{target}", "{to}")],
    },
];

pub(super) const CONNECTORS: &[ConnectorSpec] = &[ConnectorSpec {
    name: "nginx",
    summary: "nginx on this host or on one behind SSH, by a file that its configuration includes",
    settings: &[
        ParamSpec::required("include", ParamType::Text, "the file; a relative path starts at the runbook's folder"),
        ParamSpec::optional("config", ParamType::Text, "the main configuration, for the test; nginx's own when left out"),
        ParamSpec::default("pid_file", ParamType::Text, "\"/run/nginx.pid\"", "where the master writes its process number"),
        ParamSpec::default("test", TEXTS, "[]", "the program that tests the configuration; `nginx -t` when left out"),
        ParamSpec::default("reload", TEXTS, "[]", "the program that reloads; a SIGHUP to the master when left out"),
        ParamSpec::optional(
            "ssh",
            ParamType::Object(ssh::SETTINGS),
            "the host where nginx runs, with the keys of a target of `ssh`; every path is then one of that host, and absolute",
        ),
    ],
}];
