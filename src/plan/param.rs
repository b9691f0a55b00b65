//! A parameter as the plan stores it: values, late templates, and secrets by reference.
//!
//! The four are told apart by type, so that a value which happens to contain `{{` stays text for ever.

use serde::{Deserialize, Serialize};

use super::Template;
use crate::model::{Object, SecretRef, Value};

/// A parameter tree.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Param {
    /// A finished value.
    Value(Value),
    /// A text that only the run can finish.
    Template(Template),
    /// A secret by its place.
    Secret(SecretRef),
    /// A list with something unfinished or secret in it.
    List(Vec<Param>),
    /// A map, in written order.
    Map(Vec<(String, Param)>),
}

impl Param {
    /// An empty map.
    pub const fn empty() -> Self {
        Self::Map(Vec::new())
    }

    /// For the record and for people: secrets shown by their place, templates as written.
    pub fn shown(&self) -> Value {
        match self {
            Self::Value(value) => value.clone(),
            Self::Template(template) => Value::String(template.text().to_owned()),
            Self::Secret(place) => Value::String(format!("({place})")),
            Self::List(items) => Value::Array(items.iter().map(Self::shown).collect()),
            Self::Map(entries) => Value::Object(entries.iter().map(|(key, param)| (key.clone(), param.shown())).collect()),
        }
    }

    /// Calls `visit` for every template in the tree.
    pub fn each_template<'a>(&'a self, visit: &mut impl FnMut(&'a Template)) {
        match self {
            Self::Value(_) | Self::Secret(_) => {}
            Self::Template(template) => visit(template),
            Self::List(items) => items.iter().for_each(|item| item.each_template(visit)),
            Self::Map(entries) => entries.iter().for_each(|(_, item)| item.each_template(visit)),
        }
    }

    /// Calls `visit` for every secret in the tree.
    pub fn each_secret<'a>(&'a self, visit: &mut impl FnMut(&'a SecretRef)) {
        match self {
            Self::Value(_) | Self::Template(_) => {}
            Self::Secret(place) => visit(place),
            Self::List(items) => items.iter().for_each(|item| item.each_secret(visit)),
            Self::Map(entries) => entries.iter().for_each(|(_, item)| item.each_secret(visit)),
        }
    }

    /// The values with every secret filled in by `read`. Templates must be resolved before.
    ///
    /// # Errors
    /// The first error of `read`.
    pub fn filled<E>(&self, read: &mut impl FnMut(&SecretRef) -> Result<String, E>) -> Result<Value, E> {
        Ok(match self {
            Self::Value(value) => value.clone(),
            Self::Template(template) => unreachable!("invariant: `{}` is resolved before secrets are filled in", template.text()),
            Self::Secret(place) => Value::String(read(place)?),
            Self::List(items) => Value::Array(items.iter().map(|item| item.filled(read)).collect::<Result<_, E>>()?),
            Self::Map(entries) => {
                let mut object = Object::new();
                for (key, param) in entries {
                    object.insert(key.clone(), param.filled(read)?);
                }
                Value::Object(object)
            }
        })
    }
}
