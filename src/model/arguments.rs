//! What an action is called with: checked values, with secrets filled in.
//!
//! Because secrets may be inside, the type prints nothing of itself.

use super::{Condition, Object, Percent, Span, Value};

/// The resolved parameters of one call, or the settings of one target.
#[derive(Clone, PartialEq, Default)]
pub struct Arguments(Object);

/// A parameter that is missing or of another kind than the catalog promised.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("parameter `{name}`: {problem}")]
pub struct ArgumentError {
    /// The parameter.
    pub name: String,
    /// What is wrong with it, without its value.
    pub problem: String,
}

impl Arguments {
    /// Wraps values that are resolved already.
    pub const fn new(values: Object) -> Self {
        Self(values)
    }

    /// The value of `name`, if it was given and is not null.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// A text that must be there.
    pub fn text(&self, name: &str) -> Result<&str, ArgumentError> {
        self.opt_text(name)?.ok_or_else(|| wrong(name, "is missing"))
    }

    /// A text that may be there.
    pub fn opt_text(&self, name: &str) -> Result<Option<&str>, ArgumentError> {
        self.get(name).map(|value| value.as_str().ok_or_else(|| wrong(name, "must be text"))).transpose()
    }

    /// A whole number that may be there.
    pub fn opt_integer(&self, name: &str) -> Result<Option<i64>, ArgumentError> {
        self.get(name).map(|value| value.as_i64().ok_or_else(|| wrong(name, "must be a whole number"))).transpose()
    }

    /// A yes or no, `false` when not given.
    pub fn flag(&self, name: &str) -> Result<bool, ArgumentError> {
        self.get(name).map_or(Ok(false), |value| value.as_bool().ok_or_else(|| wrong(name, "must be true or false")))
    }

    /// A duration that may be there.
    pub fn opt_span(&self, name: &str) -> Result<Option<Span>, ArgumentError> {
        self.opt_text(name)?.map(|text| Span::parse(text).map_err(|problem| wrong(name, problem))).transpose()
    }

    /// A percentage that may be there.
    pub fn opt_percent(&self, name: &str) -> Result<Option<Percent>, ArgumentError> {
        self.opt_text(name)?.map(|text| Percent::parse(text).map_err(|problem| wrong(name, problem))).transpose()
    }

    /// A list of texts, empty when not given.
    pub fn texts(&self, name: &str) -> Result<Vec<String>, ArgumentError> {
        let Some(value) = self.get(name) else { return Ok(Vec::new()) };
        let items = value.as_array().ok_or_else(|| wrong(name, "must be a list"))?;
        items.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(|| wrong(name, "must be a list of texts"))).collect()
    }

    /// A map, empty when not given.
    pub fn map(&self, name: &str) -> Result<Object, ArgumentError> {
        self.get(name)
            .map_or_else(|| Ok(Object::new()), |value| value.as_object().cloned().ok_or_else(|| wrong(name, "must be a map")))
    }

    /// Named conditions, empty when not given.
    pub fn conditions(&self, name: &str) -> Result<Vec<(String, Condition)>, ArgumentError> {
        self.map(name)?
            .iter()
            .map(|(key, value)| Ok((key.clone(), Condition::parse(value).map_err(|p| wrong(name, format!("{key}: {p}")))?)))
            .collect()
    }

    /// The names that were given.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl std::fmt::Debug for Arguments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Arguments({})", self.names().collect::<Vec<_>>().join(", "))
    }
}

fn wrong(name: &str, problem: impl Into<String>) -> ArgumentError {
    ArgumentError { name: name.to_owned(), problem: problem.into() }
}
