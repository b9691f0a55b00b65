//! The parameters of a step without those that are as the catalog has them anyway: what a person has to read.

use super::{Param, PlannedStep};
use crate::catalog::{self, ParamSpec, ParamType, Presence};
use crate::model::{Object, Value};

impl PlannedStep {
    /// The parameters that the author chose, secrets shown by their place and late templates as written.
    pub fn chosen(&self) -> Object {
        chosen(&self.action, &self.with)
    }
}

/// The parameters of a call of `action` that differ from the defaults of the catalog, also inside of maps.
pub fn chosen(action: &str, with: &Param) -> Object {
    let shown = match with.shown() {
        Value::Object(shown) => shown,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Object::new(),
    };
    catalog::action(action).map_or(shown.clone(), |spec| without_defaults(shown, spec.params))
}

fn without_defaults(entries: Object, specs: &[ParamSpec]) -> Object {
    let mut kept = Object::new();
    for (key, value) in entries {
        let Some(spec) = specs.iter().find(|spec| spec.name == key) else {
            kept.insert(key, value);
            continue;
        };
        let value = match (spec.kind, value) {
            (ParamType::Object(inner), Value::Object(entries)) => Value::Object(without_defaults(entries, inner)),
            (_, value) => value,
        };
        let is_default = match spec.presence {
            Presence::Default(json) => serde_json::from_str::<Value>(json).is_ok_and(|default| default == value),
            Presence::Required | Presence::Optional => false,
        };
        if !is_default {
            kept.insert(key, value);
        }
    }
    kept
}
