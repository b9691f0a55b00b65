//! HAProxy, spoken to through its runtime API.

use super::{
    ActionSpec, ConnectorSpec, FactEffect, Nature, OutputSpec, ParamSpec, ParamType, Repeat, TargetRule, UndoSpec, network, ramp,
};

const TARGET: TargetRule = TargetRule::Required("haproxy");
const TEXTS: ParamType = ParamType::List(&ParamType::Text);
const BACKEND: ParamSpec = ParamSpec::required("backend", ParamType::Text, "the backend, or a `listen` section");
const UNDO: UndoSpec =
    UndoSpec::Auto("sets state and weight of every server in every process to what was captured, and reads them back");
const PROCESSES: OutputSpec = OutputSpec { name: "processes", doc: "how many processes were changed" };
const CUT: OutputSpec = OutputSpec { name: "cut", doc: "how many sessions were ended" };

const MAINTENANCE: ActionSpec = ActionSpec {
    name: "haproxy.maintenance",
    summary: "Closes a backend, or some of its servers, in every process: no new traffic at all",
    nature: Nature::Mutating,
    target: TARGET,
    params: &[
        BACKEND,
        ParamSpec::default("servers", TEXTS, "[]", "servers of it; the whole backend when left out, and that empties it"),
        ParamSpec::default("cut", ParamType::Boolean, "false", "whether sessions that are open are ended too"),
    ],
    outputs: &[
        OutputSpec { name: "servers", doc: "how many servers are closed" },
        PROCESSES,
        OutputSpec { name: "sessions", doc: "how many sessions were left when it was closed" },
        CUT,
    ],
    repeat: Repeat::Ensures,
    has_probe: true,
    undo: UNDO,
    facts: &[FactEffect::Where("servers", "[]", &FactEffect::Held("{target}/{backend}"))],
};

const DRAIN: ActionSpec = ActionSpec {
    name: "haproxy.drain",
    summary: "Sends no new clients to servers of a backend, in every process, and waits until their sessions are gone",
    nature: Nature::Mutating,
    target: TARGET,
    params: &[
        BACKEND,
        ParamSpec::required("servers", TEXTS, "servers of it; one in maintenance stays in maintenance"),
        ParamSpec::default(
            "may_empty",
            ParamType::Boolean,
            "false",
            "whether the backend may be left without a server that takes new clients",
        ),
        ParamSpec::default("stable_for", ParamType::Duration, "\"2s\"", "how long no session may be there, and none may come"),
        ParamSpec::default("every", ParamType::Duration, "\"500ms\"", "the pause between two countings"),
        ParamSpec::required("within", ParamType::Duration, "how long it may take; then it fails, and the servers stay drained"),
        ParamSpec::default(
            "no_progress_for",
            ParamType::Duration,
            "\"30s\"",
            "it fails when there were never fewer sessions for this long",
        ),
    ],
    outputs: &[
        OutputSpec { name: "servers", doc: "how many servers are drained" },
        PROCESSES,
        OutputSpec { name: "sessions", doc: "how many sessions there were at the beginning" },
        OutputSpec { name: "came", doc: "how many came while it waited: clients that persist on the servers" },
        OutputSpec { name: "waited_ms", doc: "how long it waited, in milliseconds" },
    ],
    repeat: Repeat::Ensures,
    has_probe: true,
    undo: UNDO,
    facts: &[],
};

const SWITCH: ActionSpec = ActionSpec {
    name: "haproxy.switch",
    summary: "Sends the traffic of a backend to other servers of it, by absolute weights, in every process",
    nature: Nature::Mutating,
    target: TARGET,
    params: &[
        BACKEND,
        ParamSpec::required("to", ParamType::Text, "the new side, as interlocks name it: mostly a target, or the server itself"),
        ParamSpec::default("servers", TEXTS, "[]", "the servers of the new side; the server named as `to` when left out"),
        ParamSpec::default("from", TEXTS, "[]", "the servers of the old side; all others that are no backups when left out"),
        ramp::RAMP,
        ramp::DWELL,
        ramp::COUNTING_GATE,
        ParamSpec::default(
            "persistent",
            ParamType::OneOf(&["keep", "cut"]),
            "\"keep\"",
            "whether clients that persist on the old side stay there: weight 0 keeps them, `cut` closes it and ends their sessions",
        ),
    ],
    outputs: &[
        OutputSpec { name: "to", doc: "the new side" },
        PROCESSES,
        OutputSpec { name: "stages", doc: "one entry per share: the samples of its gate" },
        OutputSpec { name: "old_sessions", doc: "how many sessions the old side still had at the end" },
        CUT,
    ],
    repeat: Repeat::Ensures,
    has_probe: true,
    undo: UNDO,
    facts: &[FactEffect::Route("{target}/{backend}", "{to}"), FactEffect::Released("{target}/{backend}")],
};

const MAP: ActionSpec = ActionSpec {
    name: "haproxy.map",
    summary: "Gives an entry of a map another value, at once or in shares finer than weights, in every process",
    nature: Nature::Mutating,
    target: TARGET,
    params: &[
        ParamSpec::required("map", ParamType::Text, "the map's file, as the configuration names it"),
        ParamSpec::required(
            "key",
            ParamType::Text,
            "the key of the entry; one that is not there is added, and undo takes it away",
        ),
        ParamSpec::required("to", ParamType::Text, "the new side, as interlocks name it: mostly a target"),
        ParamSpec::optional("value", ParamType::Text, "the new value, such as the name of a backend"),
        ParamSpec::optional(
            "parts",
            ParamType::Integer,
            "instead of `value`: the entry becomes the share of so many parts, which the configuration compares with a number \
             below it; with 10000 the smallest share is 0.01%",
        ),
        ramp::RAMP,
        ramp::DWELL,
        ramp::COUNTING_GATE,
        ParamSpec::optional(
            "backend",
            ParamType::Text,
            "the backend of the new side, whose counters a gate with `stat` asks for",
        ),
    ],
    outputs: &[
        OutputSpec { name: "to", doc: "the new side" },
        OutputSpec { name: "value", doc: "what the entry holds now" },
        PROCESSES,
        OutputSpec { name: "stages", doc: "one entry per share: its value, and the samples of its gate" },
    ],
    repeat: Repeat::Ensures,
    has_probe: true,
    undo: UndoSpec::Auto("puts the entry back in every process, or takes it away where there was none, and reads it back"),
    facts: &[FactEffect::Route("{target}/{key}", "{to}")],
};

const FRONTEND: ParamSpec = ParamSpec::required("frontend", ParamType::Text, "the frontend, or a `listen` section");
const ADDRESSES: ParamSpec = ParamSpec::default(
    "addresses",
    TEXTS,
    "[]",
    "where its clients connect (`host:port`): the proof connects there too, because another process may listen on the same port",
);
const FRONTEND_OUTPUTS: &[OutputSpec] =
    &[PROCESSES, OutputSpec { name: "sessions", doc: "how many sessions the frontend had then; they live on" }];
const FRONTEND_UNDO: UndoSpec =
    UndoSpec::Auto("opens or closes the frontend in every process as it was captured, and reads it back");

const DISABLE_FRONTEND: ActionSpec = ActionSpec {
    name: "haproxy.disable_frontend",
    summary: "Closes a frontend in every process: new connections are refused",
    nature: Nature::Mutating,
    target: TARGET,
    params: &[FRONTEND, ADDRESSES],
    outputs: FRONTEND_OUTPUTS,
    repeat: Repeat::Ensures,
    has_probe: true,
    undo: FRONTEND_UNDO,
    facts: &[],
};

const ENABLE_FRONTEND: ActionSpec = ActionSpec {
    name: "haproxy.enable_frontend",
    summary: "Opens a frontend in every process: new connections are taken",
    nature: Nature::Mutating,
    target: TARGET,
    params: &[FRONTEND, ADDRESSES],
    outputs: FRONTEND_OUTPUTS,
    repeat: Repeat::Ensures,
    has_probe: true,
    undo: FRONTEND_UNDO,
    facts: &[],
};

const CHECK: ActionSpec = ActionSpec {
    name: "haproxy.check",
    summary: "Holds state, sessions and rates of a frontend, a backend or a server to conditions, in every process",
    nature: Nature::ReadOnly,
    target: TARGET,
    params: &[
        ParamSpec::required("proxy", ParamType::Text, "the frontend, backend or `listen` section"),
        ParamSpec::optional("server", ParamType::Text, "a server of it"),
        ParamSpec::optional(
            "side",
            ParamType::OneOf(&["frontend", "backend"]),
            "which half is meant where no server is; the backend when left out",
        ),
        ParamSpec::required(
            "expect",
            ParamType::Map(&ParamType::Condition),
            "conditions that every process must meet: `status`, `sessions`, `queued`, `sessions_per_second`, \
             `requests_per_second`, `open_servers`, of a server `state` and `weight`, or any column of `show stat`",
        ),
        ParamSpec::default("every", ParamType::Duration, "\"1s\"", "the pause between two askings"),
        ParamSpec::default("within", ParamType::Duration, "\"0s\"", "how long to wait for it; asked once when left out"),
    ],
    outputs: &[OutputSpec { name: "processes", doc: "what each process answered, by condition" }],
    repeat: Repeat::Ensures,
    has_probe: false,
    undo: UndoSpec::NotNeeded,
    facts: &[],
};

pub(super) const ACTIONS: &[ActionSpec] = &[MAINTENANCE, DRAIN, SWITCH, MAP, DISABLE_FRONTEND, ENABLE_FRONTEND, CHECK];

pub(super) const CONNECTORS: &[ConnectorSpec] = &[ConnectorSpec {
    name: "haproxy",
    summary: "HAProxy processes that share a configuration, by their runtime APIs",
    settings: &[
        ParamSpec::optional("address", ParamType::Text, "the one process: `tcp://host:port` or `unix:///path/of/the.sock`"),
        ParamSpec::default("addresses", TEXTS, "[]", "every process, where there are several: each has a state of its own"),
        ParamSpec::default(
            "identity",
            ParamType::Object(&[
                ParamSpec::optional("description", ParamType::Text, "what `show info` answers as description"),
                ParamSpec::default("nodes", TEXTS, "[]", "what `show info` answers as node, one per address and in their order"),
                ParamSpec::optional("version", ParamType::Text, "how the version begins, such as `2.6.`"),
            ]),
            "{}",
            "how to tell that these are the right processes, asserted in every session before it acts",
        ),
        network::CONNECT_WITHIN,
    ],
}];
