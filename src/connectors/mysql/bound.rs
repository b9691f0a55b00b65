//! The values of `:name` parameters, put into a query that can do nothing but read.

use super::name::literal;
use crate::connectors::ActionError;
use crate::model::{Object, Value};

/// A value as the servers read it; sessions are set to a mode in which a text literal is what it seems.
pub(super) fn value(given: &Value) -> Result<String, ActionError> {
    match given {
        Value::Null => Ok("NULL".to_owned()),
        Value::Bool(yes) => Ok(i32::from(*yes).to_string()),
        Value::Number(number) => Ok(number.to_string()),
        Value::String(text) => Ok(literal(text)),
        Value::Array(_) | Value::Object(_) => Err(ActionError::untouched("a list or a map is no value of a column")),
    }
}

/// One look at a statement of a query: its text with the values filled in.
///
/// # Errors
/// For a parameter without a value, a value without a parameter, a second statement, and whatever does more than read.
pub(super) fn question(sql: &str, bind: &Object) -> Result<String, ActionError> {
    let (mut out, mut used, mut words) = (String::with_capacity(sql.len()), Vec::new(), Vec::new());
    let mut rest = sql.trim().trim_end_matches(';').trim_end();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\'' | '"' | '`' => closed(rest, first)?,
            '#' => line(rest),
            '-' if is_comment(rest) => line(rest),
            // A server runs what stands in some comments.
            '/' if rest.starts_with("/*!") || rest.starts_with("/*M!") => {
                return Err(ActionError::untouched("a comment that is run is no part of a query"));
            }
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            ';' => return Err(ActionError::untouched("a query is one statement")),
            ':' if rest[1..].starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') => {
                let name = &rest[1..1 + word(&rest[1..])];
                let given = bind.get(name).ok_or_else(|| ActionError::untouched(format!(":{name} has no value under `bind`")))?;
                out.push_str(&value(given)?);
                used.push(name);
                rest = &rest[1 + name.len()..];
                continue;
            }
            c if c.is_ascii_alphanumeric() || c == '_' => {
                let length = word(rest);
                words.push(rest[..length].to_ascii_uppercase());
                length
            }
            other => other.len_utf8(),
        };
        out.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    if let Some(name) = bind.keys().find(|name| !used.contains(&name.as_str())) {
        return Err(ActionError::untouched(format!("`bind` names {name}, and :{name} is not in the statement")));
    }
    if !words.first().is_some_and(|word| ["SELECT", "SHOW", "WITH"].contains(&word.as_str())) {
        return Err(ActionError::untouched("a query begins with SELECT, SHOW or WITH"));
    }
    if let Some(word) = words.iter().find(|word| ["INTO", "UPDATE", "DELETE", "INSERT", "LOCK", "SHARE"].contains(&word.as_str()))
    {
        return Err(
            ActionError::untouched(format!("`{word}` does more than read")).hint("a column of that name is written in backticks")
        );
    }
    Ok(out)
}

fn word(text: &str) -> usize {
    text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len())
}

/// Two dashes are a comment before a space, a control character or the end; elsewhere they are two signs.
fn is_comment(text: &str) -> bool {
    text.strip_prefix("--").is_some_and(|after| after.chars().next().is_none_or(|c| c.is_whitespace() || c.is_control()))
}

fn line(text: &str) -> usize {
    text.find('\n').unwrap_or(text.len())
}

/// The length of what stands between two quotes, with them.
fn closed(text: &str, quote: char) -> Result<usize, ActionError> {
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = characters.next() {
        if c == '\\' && quote != '`' {
            characters.next();
        } else if c == quote {
            match characters.peek() {
                Some((_, next)) if *next == quote => {
                    characters.next();
                }
                _ => return Ok(at + c.len_utf8()),
            }
        }
    }
    Err(ActionError::untouched(format!("a {quote} of the statement is not closed")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn asked(sql: &str, bind: Value) -> Result<String, ActionError> {
        question(sql, bind.as_object().expect("a map"))
    }

    #[test]
    fn values_stay_values_and_texts_stay_texts() {
        let sql = "SELECT ':a', `:a`, \":a\\\"\", a FROM t -- :a\n WHERE a = :a AND b = :b_2; ";
        let found = asked(sql, json!({ "a": "x' OR 1 = '1\\", "b_2": null })).expect("a query");
        assert_eq!(found, "SELECT ':a', `:a`, \":a\\\"\", a FROM t -- :a\n WHERE a = 'x'' OR 1 = ''1\\\\' AND b = NULL");
    }

    #[test]
    fn what_does_more_than_read_is_no_query() {
        assert_eq!(asked("SELECT 1--\t:a", json!({})).expect("a comment"), "SELECT 1--\t:a");
        for bad in [
            "DELETE FROM t",
            "SELECT 1; DELETE FROM t",
            "SELECT 1 INTO OUTFILE '/tmp/x'",
            "SELECT 1 /*! INTO OUTFILE '/tmp/x' */",
            "SELECT a FROM t FOR UPDATE",
            "WITH x AS (SELECT 1) DELETE FROM t",
            "SELECT 'open",
            "SELECT :missing",
            "",
        ] {
            assert!(asked(bad, json!({})).is_err(), "{bad}");
        }
        assert!(asked("SELECT 1", json!({ "unused": 1 })).is_err());
        assert!(asked("select `update`, 'delete' from t", json!({})).is_ok());
    }
}
