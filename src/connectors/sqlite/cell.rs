//! Values between JSON and SQLite, and conditions as SQL with bound values.

use rusqlite::types::Value as Cell;
use serde_json::json;

use super::schema::column;
use super::session::Session;
use crate::connectors::ActionError;
use crate::model::{Condition, Value};

/// A JSON value as SQLite holds it.
///
/// # Errors
/// For a list or a map, and for a whole number that SQLite cannot hold exactly.
pub(super) fn from_json(value: &Value) -> Result<Cell, ActionError> {
    match value {
        Value::Null => Ok(Cell::Null),
        Value::Bool(yes) => Ok(Cell::Integer(i64::from(*yes))),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Ok(Cell::Integer(whole)),
            (None, Some(real)) if number.is_f64() => Ok(Cell::Real(real)),
            (None, _) => Err(ActionError::untouched(format!("{number} does not fit into a column: write it as text"))),
        },
        Value::String(text) => Ok(Cell::Text(text.clone())),
        Value::Array(_) | Value::Object(_) => Err(ActionError::untouched("a list or a map is no value of a column")),
    }
}

/// A SQLite value as JSON; bytes as `x'…'`.
pub(super) fn to_json(cell: &Cell) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Integer(whole) => json!(whole),
        Cell::Real(real) => json!(real),
        Cell::Text(text) => json!(text),
        Cell::Blob(bytes) => json!(hex(bytes)),
    }
}

/// A SQLite value as text that is the same in every store; none for NULL.
pub(super) fn to_text(cell: &Cell) -> Option<String> {
    match cell {
        Cell::Null => None,
        Cell::Integer(whole) => Some(whole.to_string()),
        Cell::Real(real) => Some(format!("{real:?}")),
        Cell::Text(text) => Some(text.clone()),
        Cell::Blob(bytes) => Some(hex(bytes)),
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = bytes.iter().fold("x'".to_owned(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    text.push('\'');
    text
}

/// Conditions by column as a WHERE clause that starts with a space, and the values to bind; empty without conditions.
pub(super) fn filter(
    session: &Session,
    table: &str,
    conditions: &[(String, Condition)],
) -> Result<(String, Vec<Cell>), ActionError> {
    let (mut parts, mut bound) = (Vec::new(), Vec::new());
    for (name, condition) in conditions {
        parts.push(clause(&column(session, table, name)?, condition, &mut bound)?);
    }
    if parts.is_empty() {
        return Ok((String::new(), bound));
    }
    Ok((format!(" WHERE {}", parts.join(" AND ")), bound))
}

fn clause(column: &str, condition: &Condition, bound: &mut Vec<Cell>) -> Result<String, ActionError> {
    // SQLite orders every text after every number, so that `'x' > 5`: numbers are compared with numbers only.
    let number = |sign: &str| format!("(typeof({column}) IN ('integer', 'real') AND {column} {sign} ?)");
    let (text, value) = match condition {
        Condition::Equals(value) => (format!("{column} IS ?"), from_json(value)?),
        Condition::Not(value) => (format!("{column} IS NOT ?"), from_json(value)?),
        Condition::Below(bound) => (number("<"), Cell::Real(*bound)),
        Condition::AtMost(bound) => (number("<="), Cell::Real(*bound)),
        Condition::Above(bound) => (number(">"), Cell::Real(*bound)),
        Condition::AtLeast(bound) => (number(">="), Cell::Real(*bound)),
        Condition::Contains(value) => (format!("(typeof({column}) = 'text' AND instr({column}, ?) > 0)"), from_json(value)?),
        Condition::AnyOf(values) => {
            let each = values.iter().map(from_json).collect::<Result<Vec<_>, _>>()?;
            let parts: Vec<_> = each.iter().map(|_| format!("{column} IS ?")).collect();
            bound.extend(each);
            return Ok(if parts.is_empty() { "FALSE".to_owned() } else { format!("({})", parts.join(" OR ")) });
        }
    };
    bound.push(value);
    Ok(text)
}
