//! The type of one parameter or output.

/// One key of an action's `with`, or of a target's settings.
#[derive(Clone, Copy, Debug)]
pub struct ParamSpec {
    /// The key.
    pub name: &'static str,
    /// The type of its value.
    pub kind: ParamType,
    /// Whether it must be there.
    pub presence: Presence,
    /// One sentence for a person: meaning and unit.
    pub doc: &'static str,
}

impl ParamSpec {
    /// A key that must be there.
    pub const fn required(name: &'static str, kind: ParamType, doc: &'static str) -> Self {
        Self { name, kind, presence: Presence::Required, doc }
    }

    /// A key that may be left out.
    pub const fn optional(name: &'static str, kind: ParamType, doc: &'static str) -> Self {
        Self { name, kind, presence: Presence::Optional, doc }
    }

    /// A key that may be left out and then has this value, written as JSON.
    pub const fn default(name: &'static str, kind: ParamType, json: &'static str, doc: &'static str) -> Self {
        Self { name, kind, presence: Presence::Default(json), doc }
    }
}

/// Whether a key must be there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Presence {
    /// It must.
    Required,
    /// It may be left out.
    Optional,
    /// It may be left out and then has this value, written as JSON.
    Default(&'static str),
}

/// The type of a parameter's value.
#[derive(Clone, Copy, Debug)]
pub enum ParamType {
    /// Any text.
    Text,
    /// Text that a shell or a database reads as a program. A template in it is an error: values are data and never
    /// program text.
    Program,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// `90s`, `10m`, `1h30m`.
    Duration,
    /// `99.9999%`.
    Percent,
    /// A secret by reference (`env`, `file`, `command`); plain text is refused.
    Secret,
    /// Plain text, or a secret by reference.
    TextOrSecret,
    /// The name of a target of this runbook.
    Target,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A list of this.
    List(&'static ParamType),
    /// A map from any key to this.
    Map(&'static ParamType),
    /// A map with these keys.
    Object(&'static [ParamSpec]),
    /// A condition: a plain value, or one of `equals`, `not`, `below`, `at_most`, `above`, `at_least`, `contains`, `any_of`.
    Condition,
    /// Anything.
    Any,
}

/// One output of an action.
#[derive(Debug)]
pub struct OutputSpec {
    /// The name.
    pub name: &'static str,
    /// One sentence for a person: meaning and unit.
    pub doc: &'static str,
}
