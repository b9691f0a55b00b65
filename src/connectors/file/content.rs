//! Old text + what the step asks for → new text. Pure: no file is touched here.

use crate::connectors::ActionError;
use crate::connectors::dotted::look;
use crate::model::{Arguments, Condition, Object, Value};

/// What the file shall hold.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Wanted {
    /// These keys of a JSON file; the others stay.
    Keys(Vec<(String, Value)>),
    /// This text.
    Text(String),
}

/// What the file must hold before.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Before {
    keys: Vec<(String, Condition)>,
    text: Option<Condition>,
}

impl Wanted {
    pub(super) fn of(params: &Arguments) -> Result<Self, ActionError> {
        let keys = params.map("set")?;
        match (params.opt_text("content")?, keys.is_empty()) {
            (Some(text), true) => Ok(Self::Text(text.to_owned())),
            (None, false) => Ok(Self::Keys(keys.into_iter().collect())),
            (Some(_), false) => Err(ActionError::untouched("give either `set` or `content`, not both")),
            (None, true) => Err(ActionError::untouched("give `set` with keys of a JSON file, or `content` with the whole text")),
        }
    }

    /// The new text. A JSON file keeps its other keys and their order.
    pub(super) fn new_text(&self, old: Option<&str>) -> Result<String, ActionError> {
        let keys = match self {
            Self::Text(text) => return Ok(text.clone()),
            Self::Keys(keys) => keys,
        };
        let mut document = old.map_or_else(|| Ok(Value::Object(Object::new())), parse)?;
        for (path, value) in keys {
            set(&mut document, path, value.clone())?;
        }
        let mut text = serde_json::to_string_pretty(&document).map_err(|e| ActionError::untouched(e.to_string()))?;
        text.push('\n');
        Ok(text)
    }

    /// Whether `text` holds what is wanted, as an application would read it.
    pub(super) fn holds_in(&self, text: &str) -> bool {
        match self {
            Self::Text(wanted) => wanted == text,
            Self::Keys(keys) => {
                parse(text).is_ok_and(|document| keys.iter().all(|(path, value)| look(&document, path) == Some(value)))
            }
        }
    }

    /// For people: what changes, with the old values of the keys.
    pub(super) fn changes(&self, old: Option<&str>) -> Vec<String> {
        let document = old.and_then(|old| parse(old).ok()).unwrap_or_default();
        match self {
            Self::Text(text) => vec![format!("the whole text, {} bytes", text.len())],
            Self::Keys(keys) => keys
                .iter()
                .map(|(path, value)| {
                    let before = look(&document, path).map_or_else(|| "not set".to_owned(), |old| format!("was {old}"));
                    format!("{path} = {value} ({before})")
                })
                .collect(),
        }
    }
}

impl Before {
    pub(super) fn of(params: &Arguments) -> Result<Self, ActionError> {
        let text = params.get("expect_old_text").map(Condition::parse).transpose().map_err(ActionError::untouched)?;
        Ok(Self { keys: params.conditions("expect_old")?, text })
    }

    /// Whether the old text is as expected; the error says what is not.
    pub(super) fn check(&self, old: &str) -> Result<(), String> {
        if let Some(condition) = &self.text {
            condition.check(Some(&Value::from(old))).map_err(|why| format!("the text before the switch: {why}"))?;
        }
        if self.keys.is_empty() {
            return Ok(());
        }
        let document = parse(old).map_err(|error| error.message)?;
        for (path, condition) in &self.keys {
            condition.check(look(&document, path)).map_err(|why| format!("`{path}` before the switch: {why}"))?;
        }
        Ok(())
    }
}

fn parse(text: &str) -> Result<Value, ActionError> {
    serde_json::from_str(text).map_err(|error| ActionError::untouched(format!("the file is no JSON: {error}")))
}

fn set(document: &mut Value, path: &str, new: Value) -> Result<(), ActionError> {
    let mut place = document;
    for part in path.split('.') {
        place = match place {
            Value::Object(map) => map.entry(part).or_insert(Value::Object(Object::new())),
            Value::Array(items) => {
                let at = part.parse::<usize>().ok();
                at.and_then(|at| items.get_mut(at))
                    .ok_or_else(|| ActionError::untouched(format!("`{path}`: the list has no place `{part}`")))?
            }
            other => return Err(ActionError::untouched(format!("`{path}`: `{part}` would stand inside {other}"))),
        };
    }
    *place = new;
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_set_and_the_others_stay_in_order() {
        let wanted = Wanted::Keys(vec![("db.path".to_owned(), json!("new.db")), ("ports.1".to_owned(), json!(2))]);
        let old = r#"{"z": 1, "db": {"path": "old.db", "pool": 9}, "ports": [1, 7]}"#;
        let new = wanted.new_text(Some(old)).expect("a text");
        let expected = json!({"z": 1, "db": {"path": "new.db", "pool": 9}, "ports": [1, 2]});
        assert_eq!(serde_json::from_str::<Value>(&new).expect("JSON"), expected);
        assert!(new.find("\"z\"") < new.find("\"db\""), "{new}");
        assert!(wanted.holds_in(&new) && !wanted.holds_in(old));
        assert!(Wanted::Keys(vec![("z.a".to_owned(), json!(1))]).new_text(Some(old)).is_err());
    }
}
