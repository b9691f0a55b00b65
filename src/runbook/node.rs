//! A YAML value with its place, its style and its type: what the planner types against the catalog.

use super::Spanned;
use crate::diagnostic::SourceSpan;
use crate::model::{Object, SecretRef, Value};

/// A value and where it stands, in bytes.
#[derive(Clone, PartialEq, Debug)]
pub struct Node {
    /// Where it stands. A value that came through an alias stands where the alias stands; its parts keep their own places.
    pub span: SourceSpan,
    /// What it is.
    pub kind: NodeKind,
}

/// What a value is.
#[derive(Clone, PartialEq, Debug)]
pub enum NodeKind {
    /// A single value.
    Scalar(Scalar),
    /// A list.
    List(Vec<Node>),
    /// A map in written order; keys are text and distinct.
    Map(Vec<Entry>),
}

/// One key of a map with its value.
#[derive(Clone, PartialEq, Debug)]
pub struct Entry {
    /// The key and its place.
    pub key: Spanned<String>,
    /// The value.
    pub value: Node,
}

/// A single value.
#[derive(Clone, PartialEq, Debug)]
pub struct Scalar {
    /// The text: escapes and folding are resolved, quotes are gone.
    pub raw: String,
    /// How it was written.
    pub style: ScalarStyle,
    /// What it means.
    pub value: ScalarValue,
}

/// How a single value was written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ScalarStyle {
    /// Without quotes: the only style that can be a number, `true`, `false` or null.
    Plain,
    /// In single or double quotes.
    Quoted,
    /// A `|` or `>` block.
    Block,
}

/// What a single value means, by the core schema of YAML 1.2.
#[derive(Clone, PartialEq, Debug)]
pub enum ScalarValue {
    /// Nothing, `~` or `null`.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A whole or broken number that JSON can hold.
    Number(serde_json::Number),
    /// The raw text.
    Text,
}

/// Why a value is no secret reference.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SecretProblem {
    /// The place of the problem.
    pub span: SourceSpan,
    /// What is wrong.
    pub message: String,
}

/// The keys that make a map a secret reference.
const SECRET_KEYS: [&str; 3] = ["env", "file", "command"];

impl Node {
    /// The single value, if it is one.
    pub const fn scalar(&self) -> Option<&Scalar> {
        match &self.kind {
            NodeKind::Scalar(scalar) => Some(scalar),
            NodeKind::List(_) | NodeKind::Map(_) => None,
        }
    }

    /// The text, if it is text and not a number, a boolean or null.
    pub fn text(&self) -> Option<&str> {
        self.scalar().filter(|scalar| scalar.value == ScalarValue::Text).map(|scalar| scalar.raw.as_str())
    }

    /// The items, if it is a list.
    pub fn items(&self) -> Option<&[Self]> {
        match &self.kind {
            NodeKind::List(items) => Some(items),
            NodeKind::Scalar(_) | NodeKind::Map(_) => None,
        }
    }

    /// The entries, if it is a map.
    pub fn entries(&self) -> Option<&[Entry]> {
        match &self.kind {
            NodeKind::Map(entries) => Some(entries),
            NodeKind::Scalar(_) | NodeKind::List(_) => None,
        }
    }

    /// The entry with this key, if it is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.entries()?.iter().find(|entry| entry.key.value == key)
    }

    /// Whether it is null or nothing at all.
    pub fn is_null(&self) -> bool {
        self.scalar().is_some_and(|scalar| scalar.value == ScalarValue::Null)
    }

    /// The value without its places.
    pub fn to_value(&self) -> Value {
        match &self.kind {
            NodeKind::Scalar(scalar) => scalar.to_value(),
            NodeKind::List(items) => Value::Array(items.iter().map(Self::to_value).collect()),
            NodeKind::Map(entries) => {
                let object: Object = entries.iter().map(|entry| (entry.key.value.clone(), entry.value.to_value())).collect();
                Value::Object(object)
            }
        }
    }

    /// What it is, for a message: `a list`, `the number 5`.
    pub fn describe(&self) -> String {
        match &self.kind {
            NodeKind::List(_) => "a list".to_owned(),
            NodeKind::Map(_) => "a map".to_owned(),
            NodeKind::Scalar(scalar) => match &scalar.value {
                ScalarValue::Null => "nothing".to_owned(),
                ScalarValue::Boolean(yes) => format!("the boolean {yes}"),
                ScalarValue::Number(_) => format!("the number {}", scalar.raw),
                ScalarValue::Text => "text".to_owned(),
            },
        }
    }

    /// Whether its shape says "secret by reference": a map with exactly one key, which is `env`, `file` or `command`.
    pub fn looks_like_secret(&self) -> bool {
        matches!(self.entries(), Some([only]) if SECRET_KEYS.contains(&only.key.value.as_str()))
    }

    /// The secret reference that it is: `{ env: NAME }`, `{ file: PATH }` or `{ command: [program, argument] }`.
    ///
    /// # Errors
    /// What is wrong with it, at the place where it is wrong.
    pub fn secret(&self) -> Result<SecretRef, SecretProblem> {
        let wrong = |span, message: &str| SecretProblem { span, message: message.to_owned() };
        let Some([entry]) = self.entries() else {
            return Err(wrong(self.span, "a secret is given by its place: one of `env`, `file` or `command`"));
        };
        let value = &entry.value;
        let text = |what: &str| {
            let text = value.text().filter(|text| !text.trim().is_empty());
            text.map(str::to_owned).ok_or_else(|| wrong(value.span, what))
        };
        match entry.key.value.as_str() {
            "env" => text("`env` needs the name of an environment variable").map(SecretRef::Env),
            "file" => text("`file` needs the path of a file").map(SecretRef::File),
            "command" => {
                let explain = || wrong(value.span, "`command` needs a list: the program and its arguments, each as text");
                let items = value.items().filter(|items| !items.is_empty()).ok_or_else(explain)?;
                let argv: Option<Vec<String>> = items.iter().map(|item| item.text().map(str::to_owned)).collect();
                argv.map(SecretRef::Command).ok_or_else(explain)
            }
            _ => Err(wrong(entry.key.span, "a secret is given by its place: one of `env`, `file` or `command`")),
        }
    }
}

impl Scalar {
    /// The value that it means.
    pub fn to_value(&self) -> Value {
        match &self.value {
            ScalarValue::Null => Value::Null,
            ScalarValue::Boolean(yes) => Value::Bool(*yes),
            ScalarValue::Number(number) => Value::Number(number.clone()),
            ScalarValue::Text => Value::String(self.raw.clone()),
        }
    }
}
