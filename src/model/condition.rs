//! A typed condition on one value: `5`, `{ below: 0.01 }`, `{ matches_any: [200, 204] }`.
//!
//! A value that is absent never meets a condition.

use super::Value;

/// What a value must be.
#[derive(Clone, PartialEq, Debug)]
pub enum Condition {
    /// Equal, also by type.
    Equals(Value),
    /// Not equal; the value must still be there.
    Not(Value),
    /// A number below this one.
    Below(f64),
    /// A number at or below this one.
    AtMost(f64),
    /// A number above this one.
    Above(f64),
    /// A number at or above this one.
    AtLeast(f64),
    /// A text that contains this one, or a list with this item.
    Contains(Value),
    /// One of these.
    AnyOf(Vec<Value>),
}

/// The words that open a condition, in the order in which help texts name them.
pub const WORDS: [&str; 8] = ["equals", "not", "below", "at_most", "above", "at_least", "contains", "any_of"];

impl Condition {
    /// Reads a condition: a map with exactly one of [`WORDS`], or a plain value, which means `equals`.
    pub fn parse(value: &Value) -> Result<Self, String> {
        let Value::Object(map) = value else { return Ok(Self::Equals(value.clone())) };
        let mut entries = map.iter();
        let (Some((word, operand)), None) = (entries.next(), entries.next()) else {
            return Err(format!("a condition has exactly one of {}", WORDS.join(", ")));
        };
        let number = || operand.as_f64().ok_or_else(|| format!("`{word}` needs a number"));
        match word.as_str() {
            "equals" => Ok(Self::Equals(operand.clone())),
            "not" => Ok(Self::Not(operand.clone())),
            "below" => number().map(Self::Below),
            "at_most" => number().map(Self::AtMost),
            "above" => number().map(Self::Above),
            "at_least" => number().map(Self::AtLeast),
            "contains" => Ok(Self::Contains(operand.clone())),
            "any_of" => operand.as_array().cloned().map(Self::AnyOf).ok_or_else(|| "`any_of` needs a list".to_owned()),
            _ => Err(format!("`{word}` is no condition: write one of {}", WORDS.join(", "))),
        }
    }

    /// Whether `found` meets the condition; the error says what was asked and what was found.
    pub fn check(&self, found: Option<&Value>) -> Result<(), String> {
        let Some(found) = found else { return Err(format!("expected {self}, found nothing")) };
        let number = |test: fn(f64, f64) -> bool, bound: f64| found.as_f64().is_some_and(|n| test(n, bound));
        let met = match self {
            Self::Equals(value) => same(found, value),
            Self::Not(value) => !same(found, value),
            Self::Below(bound) => number(|n, b| n < b, *bound),
            Self::AtMost(bound) => number(|n, b| n <= b, *bound),
            Self::Above(bound) => number(|n, b| n > b, *bound),
            Self::AtLeast(bound) => number(|n, b| n >= b, *bound),
            Self::Contains(item) => match (found, item) {
                (Value::String(text), Value::String(part)) => text.contains(part.as_str()),
                (Value::Array(items), _) => items.iter().any(|candidate| same(candidate, item)),
                _ => false,
            },
            Self::AnyOf(values) => values.iter().any(|value| same(found, value)),
        };
        if met { Ok(()) } else { Err(format!("expected {self}, found {found}")) }
    }
}

/// Equality in which `1` and `1.0` are one number.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => x == y || (!(x.is_i64() && y.is_i64()) && x.as_f64() == y.as_f64()),
        _ => a == b,
    }
}

impl std::fmt::Display for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Equals(value) => write!(f, "{value}"),
            Self::Not(value) => write!(f, "anything but {value}"),
            Self::Below(bound) => write!(f, "below {bound}"),
            Self::AtMost(bound) => write!(f, "at most {bound}"),
            Self::Above(bound) => write!(f, "above {bound}"),
            Self::AtLeast(bound) => write!(f, "at least {bound}"),
            Self::Contains(item) => write!(f, "to contain {item}"),
            Self::AnyOf(values) => write!(f, "one of {}", Value::Array(values.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn absent_never_passes() {
        for condition in [json!(1), json!({"not": 1}), json!({"below": 5}), json!({"any_of": [null]})] {
            let condition = Condition::parse(&condition).expect("a condition");
            assert!(condition.check(None).is_err(), "{condition} passed on nothing");
        }
    }

    #[test]
    fn conditions_compare_by_type() {
        let check = |condition: Value, found: Value| Condition::parse(&condition).expect("a condition").check(Some(&found));
        assert!(check(json!(200), json!(200)).is_ok());
        assert!(check(json!(200), json!("200")).is_err());
        assert!(check(json!({"below": 0.01}), json!(0)).is_ok());
        assert!(check(json!({"contains": "ok"}), json!("all ok")).is_ok());
        assert!(Condition::parse(&json!({"bellow": 1})).is_err());
    }
}
