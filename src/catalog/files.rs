//! Files that applications read, replaced atomically.

use super::{
    ActionSpec, ConnectorSpec, FactEffect, Nature, OutputSpec, ParamSpec, ParamType, Repeat, TargetRule, UndoSpec, http,
};

pub(super) const ACTIONS: &[ActionSpec] = &[ActionSpec {
    name: "switch.file",
    summary: "Replaces a configuration file that applications read: atomically, and only if it is what was captured",
    nature: Nature::Mutating,
    target: TargetRule::Required("file"),
    params: &[
        ParamSpec::optional(
            "set",
            ParamType::Map(&ParamType::Any),
            "keys of a JSON file and their new values, by dotted path such as `database.path`; the other keys stay",
        ),
        ParamSpec::optional("content", ParamType::Text, "the whole new text, instead of `set`"),
        ParamSpec::default(
            "expect_old",
            ParamType::Map(&ParamType::Condition),
            "{}",
            "conditions on keys of the JSON file before the switch; the file is left alone when one is not met",
        ),
        ParamSpec::optional("expect_old_text", ParamType::Condition, "a condition on the whole text before the switch"),
        ParamSpec::default("create", ParamType::Boolean, "false", "whether the file may be missing before; undo then removes it"),
        ParamSpec::optional("to", ParamType::Text, "where the traffic goes then, as interlocks name it: mostly a target"),
        ParamSpec::optional(
            "applied_by",
            ParamType::Object(&[
                ParamSpec::optional(
                    "command",
                    ParamType::List(&ParamType::Text),
                    "a read-only program that exits 0 once the application reports the new state",
                ),
                ParamSpec::optional("http", ParamType::Object(http::LOOK), "a request whose answer reports the new state"),
                ParamSpec::default("every", ParamType::Duration, "\"200ms\"", "the pause between two askings"),
                ParamSpec::default("within", ParamType::Duration, "\"30s\"", "how long the application may take"),
            ]),
            "how to ask the application whether it has taken up the new file",
        ),
    ],
    outputs: &[
        OutputSpec { name: "changed", doc: "whether the file was replaced; false when it was as wanted already" },
        OutputSpec { name: "old", doc: "the digest of the file before" },
        OutputSpec { name: "new", doc: "the digest of the file now" },
    ],
    repeat: Repeat::Ensures,
    has_probe: true,
    undo: UndoSpec::Auto("puts back the kept bytes, if the file is still what this step wrote, and reads them back"),
    facts: &[FactEffect::Route("{target}", "{to}")],
}];

pub(super) const CONNECTORS: &[ConnectorSpec] = &[ConnectorSpec {
    name: "file",
    summary: "A file on this host",
    settings: &[ParamSpec::required("path", ParamType::Text, "the file; a relative path starts at the runbook's folder")],
}];
