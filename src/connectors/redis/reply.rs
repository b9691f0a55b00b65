//! What a Redis server answers, as text, lists and JSON; never with an assumption about how it was sent.

use redis::Value as Reply;
use serde_json::json;

use crate::model::{Object, Value};

/// The answer as text, where it is one.
pub(super) fn text(reply: &Reply) -> Option<String> {
    match reply {
        Reply::SimpleString(text) => Some(text.clone()),
        Reply::BulkString(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Reply::VerbatimString { text, .. } => Some(text.clone()),
        Reply::Okay => Some("OK".to_owned()),
        Reply::Int(number) => Some(number.to_string()),
        Reply::Double(number) => Some(number.to_string()),
        _ => None,
    }
}

/// What the server said when it refused something, in its own words.
pub(super) fn error(error: &redis::ServerError) -> String {
    format!("{} {}", error.code(), error.details().unwrap_or_default()).trim().to_owned()
}

/// The elements of an array; none of anything else.
pub(super) fn items(reply: &Reply) -> &[Reply] {
    match reply {
        Reply::Array(items) | Reply::Set(items) => items,
        _ => &[],
    }
}

/// The elements of an array as texts.
pub(super) fn texts(reply: &Reply) -> Vec<String> {
    items(reply).iter().filter_map(text).collect()
}

/// A whole number.
pub(super) fn number(reply: &Reply) -> Option<i64> {
    match reply {
        Reply::Int(number) => Some(*number),
        other => text(other)?.trim().parse().ok(),
    }
}

/// A list of names and values, alternating, as the older protocol sends a map.
pub(super) fn field<'a>(reply: &'a Reply, name: &str) -> Option<&'a Reply> {
    items(reply).chunks_exact(2).find(|pair| text(&pair[0]).as_deref() == Some(name)).map(|pair| &pair[1])
}

/// For conditions and outputs.
pub(super) fn to_json(reply: &Reply) -> Value {
    match reply {
        Reply::Nil => Value::Null,
        Reply::Int(number) => json!(number),
        Reply::Double(number) => json!(number),
        Reply::Boolean(flag) => json!(flag),
        Reply::Array(items) | Reply::Set(items) => Value::Array(items.iter().map(to_json).collect()),
        Reply::Map(pairs) => {
            let object: Object = pairs.iter().map(|(k, v)| (text(k).unwrap_or_default(), to_json(v))).collect();
            Value::Object(object)
        }
        Reply::ServerError(error) => json!({ "error": self::error(error) }),
        other => text(other).map_or(Value::Null, Value::String),
    }
}

/// `name:value` lines of INFO.
pub(super) fn info(text: &str) -> std::collections::HashMap<String, String> {
    text.lines().filter_map(|line| line.trim().split_once(':')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
}

/// A command as a person would type it into redis-cli.
pub(super) fn shown(words: &[&str]) -> String {
    let word = |word: &&str| {
        if !word.is_empty() && word.chars().all(|c| !c.is_whitespace() && !c.is_control() && !matches!(c, '"' | '\'' | '\\')) {
            (*word).to_owned()
        } else {
            format!("{word:?}")
        }
    };
    words.iter().map(word).collect::<Vec<_>>().join(" ")
}
