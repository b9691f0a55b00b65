//! The effects of a step on facts, with the names filled in: what interlocks and the time inside the freeze reason about.

use std::fmt;

use super::{Param, PlannedStep};
use crate::catalog::{self, FactEffect};
use crate::model::Value;

/// Something that a step makes true of the world.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fact {
    /// Writes to this target are refused.
    WritesDenied(String),
    /// Writes to this target are accepted.
    WritesAllowed(String),
    /// This queue is empty and nobody feeds it.
    Drained(String),
    /// Two stores hold the same.
    Agree(String, String),
    /// Traffic of the first goes to the second.
    Route(String, String),
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WritesDenied(target) => write!(f, "writes({target}) = denied"),
            Self::WritesAllowed(target) => write!(f, "writes({target}) = allowed"),
            Self::Drained(queue) => write!(f, "drained({queue})"),
            Self::Agree(a, b) => write!(f, "agree({a}, {b})"),
            Self::Route(entry, to) => write!(f, "route({entry}) = {to}"),
        }
    }
}

impl PlannedStep {
    /// What the step makes true when it succeeds. An effect that names a key which the step leaves out is none.
    pub fn facts(&self) -> Vec<Fact> {
        let Some(spec) = catalog::action(&self.action) else { return Vec::new() };
        let fill = |pattern: &str| self.fill(pattern);
        spec.facts
            .iter()
            .filter_map(|effect| {
                Some(match effect {
                    FactEffect::WritesDenied(target) => Fact::WritesDenied(fill(target)?),
                    FactEffect::WritesAllowed(target) => Fact::WritesAllowed(fill(target)?),
                    FactEffect::Drained(queue) => Fact::Drained(fill(queue)?),
                    FactEffect::Agree(a, b) => Fact::Agree(fill(a)?, fill(b)?),
                    FactEffect::Route(entry, to) => Fact::Route(fill(entry)?, fill(to)?),
                })
            })
            .collect()
    }

    fn fill(&self, pattern: &str) -> Option<String> {
        let mut filled = String::new();
        let mut rest = pattern;
        while let Some(open) = rest.find('{') {
            filled.push_str(&rest[..open]);
            let close = rest[open..].find('}')? + open;
            let word = &rest[open + 1..close];
            match self.parameter(word) {
                Some(Value::String(text)) => filled.push_str(&text),
                Some(Value::Null) => return None,
                Some(other) => filled.push_str(&other.to_string()),
                None => filled.push_str(self.target.as_ref().filter(|_| word == "target")?.as_str()),
            }
            rest = &rest[close + 1..];
        }
        filled.push_str(rest);
        Some(filled)
    }

    /// The parameter with this name, as a person would see it.
    fn parameter(&self, name: &str) -> Option<Value> {
        match &self.with {
            Param::Map(entries) => entries.iter().find(|(key, _)| key == name).map(|(_, param)| param.shown()),
            Param::Value(Value::Object(map)) => map.get(name).cloned(),
            Param::Value(_) | Param::Template(_) | Param::Secret(_) | Param::List(_) => None,
        }
    }
}
