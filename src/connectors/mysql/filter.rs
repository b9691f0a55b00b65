//! Conditions by column as a WHERE clause that compares only what the server does not turn into something else.

use super::bound::value;
use super::figure::Column;
use super::name::quoted;
use crate::connectors::ActionError;
use crate::model::{Condition, Value};

/// Conditions by column as a WHERE clause; there is at least one.
pub(super) fn filter(columns: &[Column], conditions: &[(String, Condition)]) -> Result<String, ActionError> {
    let mut parts = Vec::new();
    for (name, condition) in conditions {
        let column = columns.iter().find(|column| column.name.eq_ignore_ascii_case(name));
        let column = column.ok_or_else(|| ActionError::untouched(format!("there is no column `{name}`")))?;
        parts.push(clause(column, condition)?);
    }
    if parts.is_empty() {
        return Err(ActionError::untouched("without a condition every row would be meant"));
    }
    Ok(format!(" WHERE {}", parts.join(" AND ")))
}

fn clause(column: &Column, condition: &Condition) -> Result<String, ActionError> {
    let name = quoted(&column.name);
    let number = |sign: &str, bound: &f64| {
        if column.is_number() {
            Ok(format!("{name} {sign} {bound}"))
        } else {
            Err(ActionError::untouched(format!(
                "`{}` is of type {}: only a number is below or above one",
                column.name, column.kind
            )))
        }
    };
    let equal = |given: &Value| Ok::<_, ActionError>(format!("{name} <=> {}", same_kind(column, given)?));
    match condition {
        Condition::Equals(given) => equal(given),
        Condition::Not(given) => Ok(format!("NOT ({})", equal(given)?)),
        Condition::Below(bound) => number("<", bound),
        Condition::AtMost(bound) => number("<=", bound),
        Condition::Above(bound) => number(">", bound),
        Condition::AtLeast(bound) => number(">=", bound),
        Condition::Contains(given) => Ok(format!("LOCATE({}, {name}) > 0", same_kind(column, given)?)),
        Condition::AnyOf(values) => {
            let parts = values.iter().map(equal).collect::<Result<Vec<_>, _>>()?;
            Ok(if parts.is_empty() { "FALSE".to_owned() } else { format!("({})", parts.join(" OR ")) })
        }
    }
}

/// A value that the server compares without turning one kind into the other: to it `'tea' = 0` is true.
fn same_kind(column: &Column, given: &Value) -> Result<String, ActionError> {
    let fits = match given {
        Value::Null => true,
        Value::Bool(_) | Value::Number(_) => column.is_number(),
        Value::String(text) => !column.is_number() || is_decimal(text),
        Value::Array(_) | Value::Object(_) => false,
    };
    if fits {
        return value(given);
    }
    Err(ActionError::untouched(format!("`{}` is of type {}, and {given} is not", column.name, column.kind))
        .hint("the server would turn one into the other, and then different values are equal"))
}

fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.chars().all(|c| c.is_ascii_digit() || c == '.')
        && digits.matches('.').count() <= 1
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_text_is_never_compared_with_a_number() {
        let columns = ["varchar", "bigint"].map(|kind| Column { name: kind.to_owned(), kind: kind.to_owned(), precision: 0 });
        let meant = |column: &str, condition: Value| {
            filter(&columns, &[(column.to_owned(), Condition::parse(&condition).expect("a condition"))])
        };
        assert!(meant("varchar", json!(0)).is_err() && meant("bigint", json!("tea")).is_err());
        assert!(meant("varchar", json!({ "below": 5 })).is_err() && meant("nosuch", json!(1)).is_err());
        assert_eq!(
            meant("bigint", json!("18446744073709551615")).expect("a clause"),
            " WHERE `bigint` <=> '18446744073709551615'"
        );
        assert_eq!(meant("varchar", json!({ "not": null })).expect("a clause"), " WHERE NOT (`varchar` <=> NULL)");
        assert!(filter(&columns, &[]).is_err());
    }
}
