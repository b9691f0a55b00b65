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
    facts: &[FactEffect::Route("{target}/{backend}", "{to}")],
};

pub(super) const ACTIONS: &[ActionSpec] = &[MAINTENANCE, SWITCH];

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
