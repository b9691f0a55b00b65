//! Conditions by column as a WHERE clause, whose values are literals of the column's own type.

use super::name::{literal, quoted};
use crate::connectors::ActionError;
use crate::model::{Condition, Value};

/// A column of a table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Column {
    pub(super) name: String,
    /// `int4`, `text`, …
    pub(super) kind: String,
    /// The server's own: `N` for numbers, `S` for texts, `B` for truth.
    pub(super) category: String,
}

/// Conditions by column as a WHERE clause; there is at least one.
pub(super) fn filter(columns: &[Column], conditions: &[(String, Condition)]) -> Result<String, ActionError> {
    let mut parts = Vec::new();
    for (name, condition) in conditions {
        let column = columns.iter().find(|column| column.name == *name);
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
    let refused = |what: &str| Err(ActionError::untouched(format!("`{}` is of type {}: {what}", column.name, column.kind)));
    let number = |sign: &str, bound: &f64| {
        if column.category == "N" { Ok(format!("{name} {sign} {bound}")) } else { refused("only a number is below or above one") }
    };
    let equal = |given: &Value| Ok::<_, ActionError>(format!("{name} IS NOT DISTINCT FROM {}", same_kind(column, given)?));
    match condition {
        Condition::Equals(given) => equal(given),
        Condition::Not(given) => Ok(format!("NOT ({})", equal(given)?)),
        Condition::Below(bound) => number("<", bound),
        Condition::AtMost(bound) => number("<=", bound),
        Condition::Above(bound) => number(">", bound),
        Condition::AtLeast(bound) => number(">=", bound),
        Condition::Contains(Value::String(part)) if column.category == "S" => {
            Ok(format!("pg_catalog.strpos({name}::text, {}) > 0", literal(part)))
        }
        Condition::Contains(_) => refused("only a text contains one"),
        Condition::AnyOf(values) => {
            let parts = values.iter().map(equal).collect::<Result<Vec<_>, _>>()?;
            Ok(if parts.is_empty() { "false".to_owned() } else { format!("({})", parts.join(" OR ")) })
        }
    }
}

/// A literal that takes the column's type. A text is read by that type, and refused by the server where it is none of it.
fn same_kind(column: &Column, given: &Value) -> Result<String, ActionError> {
    match given {
        Value::Null => Ok("NULL".to_owned()),
        Value::String(text) => Ok(literal(text)),
        Value::Number(number) if column.category == "N" => Ok(number.to_string()),
        Value::Bool(truth) if column.category == "B" => Ok(truth.to_string()),
        Value::Number(_) | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            Err(ActionError::untouched(format!("`{}` is of type {}, and {given} is not", column.name, column.kind)))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_literals_and_kinds_are_not_mixed() {
        let column = |name: &str, category: &str| Column { name: name.into(), kind: name.into(), category: category.into() };
        let columns = [column("text", "S"), column("int8", "N"), column("bool", "B")];
        let meant = |column: &str, condition: Value| {
            filter(&columns, &[(column.to_owned(), Condition::parse(&condition).expect("a condition"))])
        };
        assert!(meant("text", json!(0)).is_err() && meant("text", json!({ "below": 5 })).is_err());
        assert!(meant("nosuch", json!(1)).is_err() && meant("int8", json!({ "contains": "1" })).is_err());
        assert_eq!(meant("text", json!("it's \\")).expect("a clause"), " WHERE \"text\" IS NOT DISTINCT FROM E'it''s \\\\'");
        assert_eq!(
            meant("int8", json!("9007199254740993")).expect("a clause"),
            " WHERE \"int8\" IS NOT DISTINCT FROM E'9007199254740993'"
        );
        assert_eq!(meant("bool", json!({ "not": null })).expect("a clause"), " WHERE NOT (\"bool\" IS NOT DISTINCT FROM NULL)");
        assert!(filter(&columns, &[]).is_err());
    }
}
