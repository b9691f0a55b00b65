//! The effects of a step on facts, with the names filled in: what interlocks and the time inside the freeze reason about.

use std::fmt;

use super::{Param, PlannedStep, PlannedUndo};
use crate::catalog::{self, FactEffect};
use crate::model::{TargetName, Value};

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
    /// This target has applied what its source wrote before the freeze.
    CaughtUp(String),
    /// The second has its sequences past those of the first.
    Sequences(String, String),
    /// The second follows the first.
    Follows(String, String),
    /// This entry keeps its clients out, or waiting.
    Held(String),
    /// This entry lets its clients go on.
    Released(String),
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WritesDenied(target) => write!(f, "writes({target}) = denied"),
            Self::WritesAllowed(target) => write!(f, "writes({target}) = allowed"),
            Self::Drained(queue) => write!(f, "drained({queue})"),
            Self::Agree(a, b) => write!(f, "agree({a}, {b})"),
            Self::Route(entry, to) => write!(f, "route({entry}) = {to}"),
            Self::CaughtUp(target) => write!(f, "caught_up({target})"),
            Self::Sequences(a, b) => write!(f, "sequences({a}, {b})"),
            Self::Follows(source, follower) => write!(f, "follows({source}, {follower})"),
            Self::Held(entry) => write!(f, "held({entry})"),
            Self::Released(entry) => write!(f, "held({entry}) = no"),
        }
    }
}

/// The keys of `with` that say which writes of a target are meant. Two steps with the same of these mean the same writes.
const SCOPE: &[&str] = &["accounts", "databases", "except", "operations", "roles", "schemas", "tables", "users"];

impl PlannedStep {
    /// What the step makes true when it succeeds. An effect that names a key which the step leaves out is none.
    pub fn facts(&self) -> Vec<Fact> {
        facts(&self.action, self.target.as_ref(), &self.with)
    }

    /// What the undo that the author wrote makes true; none where the undo is the action's own, or says nothing of facts.
    pub fn facts_of_undo(&self) -> Vec<Fact> {
        match &self.undo {
            PlannedUndo::Action { action, target, with } => facts(action, target.as_ref(), with),
            PlannedUndo::NotNeeded | PlannedUndo::Auto | PlannedUndo::Nothing { .. } | PlannedUndo::Impossible { .. } => {
                Vec::new()
            }
        }
    }

    /// Which writes of its target it means, as a text that is the same where the same are meant.
    pub fn scope_of_writes(&self) -> String {
        let said = SCOPE.iter().filter_map(|key| {
            let value = parameter(&self.with, key).filter(|value| *value != Value::Null && *value != Value::Array(Vec::new()))?;
            Some(format!("{key}: {value}"))
        });
        said.collect::<Vec<_>>().join(", ")
    }
}

fn facts(action: &str, target: Option<&TargetName>, with: &Param) -> Vec<Fact> {
    let Some(spec) = catalog::action(action) else { return Vec::new() };
    spec.facts.iter().filter_map(|effect| fact(effect, target, with)).collect()
}

fn fact(effect: &FactEffect, target: Option<&TargetName>, with: &Param) -> Option<Fact> {
    let fill = |pattern: &str| fill(pattern, target, with);
    Some(match effect {
        FactEffect::WritesDenied(target) => Fact::WritesDenied(fill(target)?),
        FactEffect::WritesAllowed(target) => Fact::WritesAllowed(fill(target)?),
        FactEffect::Drained(queue) => Fact::Drained(fill(queue)?),
        FactEffect::Agree(a, b) => Fact::Agree(fill(a)?, fill(b)?),
        FactEffect::Route(entry, to) => Fact::Route(fill(entry)?, fill(to)?),
        FactEffect::CaughtUp(target) => Fact::CaughtUp(fill(target)?),
        FactEffect::Sequences(a, b) => Fact::Sequences(fill(a)?, fill(b)?),
        FactEffect::Follows(source, follower) => Fact::Follows(fill(source)?, fill(follower)?),
        FactEffect::Held(entry) => Fact::Held(fill(entry)?),
        FactEffect::Released(entry) => Fact::Released(fill(entry)?),
        FactEffect::Where(key, value, effect) => {
            let wanted: Value = serde_json::from_str(value).ok()?;
            return if parameter(with, key)? == wanted { fact(effect, target, with) } else { None };
        }
    })
}

fn fill(pattern: &str, target: Option<&TargetName>, with: &Param) -> Option<String> {
    let mut filled = String::new();
    let mut rest = pattern;
    while let Some(open) = rest.find('{') {
        filled.push_str(&rest[..open]);
        let close = rest[open..].find('}')? + open;
        let word = &rest[open + 1..close];
        match parameter(with, word) {
            Some(Value::String(text)) => filled.push_str(&text),
            Some(Value::Null) => return None,
            Some(other) => filled.push_str(&other.to_string()),
            None => filled.push_str(target.filter(|_| word == "target")?.as_str()),
        }
        rest = &rest[close + 1..];
    }
    filled.push_str(rest);
    Some(filled)
}

/// The parameter with this name, as a person would see it.
pub(super) fn parameter(with: &Param, name: &str) -> Option<Value> {
    match with {
        Param::Map(entries) => entries.iter().find(|(key, _)| key == name).map(|(_, param)| param.shown()),
        Param::Value(Value::Object(map)) => map.get(name).cloned(),
        Param::Value(_) | Param::Template(_) | Param::Secret(_) | Param::List(_) => None,
    }
}
