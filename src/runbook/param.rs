//! Declared parameters of a runbook: a subset of JSON Schema, and the check of a value against it.

use super::Spanned;
use crate::diagnostic::SourceSpan;
use crate::model::Value;

/// One entry of `params`.
#[derive(Clone, PartialEq, Debug)]
pub struct ParamDecl {
    /// Its name.
    pub name: Spanned<String>,
    /// The value behind the name.
    pub span: SourceSpan,
    /// `description`, for people.
    pub description: Option<Spanned<String>>,
    /// What values it takes.
    pub rule: ParamRule,
    /// `default`; it fits the rule. A parameter without one must be given.
    pub default: Option<Spanned<Value>>,
}

/// What values a parameter, or an item of one, takes. Constraints stand only where they fit the type.
#[derive(Clone, PartialEq, Debug)]
pub struct ParamRule {
    /// `type`.
    pub kind: Spanned<ParamKind>,
    /// `enum`: the only values; empty when any will do.
    pub choices: Vec<Spanned<Value>>,
    /// `minimum` of a number.
    pub minimum: Option<Spanned<f64>>,
    /// `maximum` of a number.
    pub maximum: Option<Spanned<f64>>,
    /// `minLength` of a text, in characters.
    pub min_length: Option<Spanned<u32>>,
    /// `maxLength` of a text, in characters.
    pub max_length: Option<Spanned<u32>>,
    /// `minItems` of a list.
    pub min_items: Option<Spanned<u32>>,
    /// `maxItems` of a list.
    pub max_items: Option<Spanned<u32>>,
    /// `items` of a list.
    pub items: Option<Box<ParamRule>>,
}

/// `type` of a parameter.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ParamKind {
    /// `string`
    String,
    /// `integer`
    Integer,
    /// `number`
    Number,
    /// `boolean`
    Boolean,
    /// `array`
    Array,
    /// `object`: any map.
    Object,
}

impl ParamKind {
    /// The words of the language, with what they mean.
    pub const WORDS: [(&'static str, Self); 6] = [
        ("string", Self::String),
        ("integer", Self::Integer),
        ("number", Self::Number),
        ("boolean", Self::Boolean),
        ("array", Self::Array),
        ("object", Self::Object),
    ];

    /// The word of the language.
    pub const fn word(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Array => "array",
            Self::Object => "object",
        }
    }

    /// Whether `value` is of this type.
    pub fn takes(self, value: &Value) -> bool {
        match self {
            Self::String => value.is_string(),
            Self::Integer => value.is_i64() || value.is_u64(),
            Self::Number => value.is_number(),
            Self::Boolean => value.is_boolean(),
            Self::Array => value.is_array(),
            Self::Object => value.is_object(),
        }
    }
}

impl ParamRule {
    /// Whether `value` obeys the rule; the error completes "the parameter …": `must be one of …`.
    ///
    /// # Errors
    /// The first part of the rule that it breaks, in words.
    pub fn check(&self, value: &Value) -> Result<(), String> {
        let kind = self.kind.value;
        if !kind.takes(value) {
            return Err(format!("must be of type {}, and {value} is not", kind.word()));
        }
        if !self.choices.is_empty() && !self.choices.iter().any(|choice| choice.value == *value) {
            let words: Vec<String> = self.choices.iter().map(|choice| choice.value.to_string()).collect();
            return Err(format!("must be one of {}, and {value} is not", words.join(", ")));
        }
        if let Some(number) = value.as_f64() {
            bound(number, self.minimum.as_ref().map(|m| m.value), self.maximum.as_ref().map(|m| m.value), "")?;
        }
        if let Some(text) = value.as_str() {
            count(text.chars().count(), self.min_length.as_ref(), self.max_length.as_ref(), "characters")?;
        }
        if let Some(items) = value.as_array() {
            count(items.len(), self.min_items.as_ref(), self.max_items.as_ref(), "items")?;
            if let Some(rule) = &self.items {
                for (index, item) in items.iter().enumerate() {
                    rule.check(item).map_err(|problem| format!("has an item at position {} that {problem}", index + 1))?;
                }
            }
        }
        Ok(())
    }

    /// The value that `text` from a command line means: text for `string`, JSON for the other types. It obeys the rule.
    ///
    /// # Errors
    /// As [`ParamRule::check`], or that the text is no value of the type.
    pub fn read(&self, text: &str) -> Result<Value, String> {
        let value = match self.kind.value {
            ParamKind::String => Value::from(text),
            ParamKind::Integer | ParamKind::Number | ParamKind::Boolean | ParamKind::Array | ParamKind::Object => {
                serde_json::from_str(text)
                    .map_err(|_| format!("must be of type {}, and `{text}` is not", self.kind.value.word()))?
            }
        };
        self.check(&value)?;
        Ok(value)
    }
}

fn bound(number: f64, minimum: Option<f64>, maximum: Option<f64>, unit: &str) -> Result<(), String> {
    let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
    match (minimum, maximum) {
        (Some(least), _) if number < least => Err(format!("must be at least {least}{unit}, and {number} is less")),
        (_, Some(most)) if number > most => Err(format!("must be at most {most}{unit}, and {number} is more")),
        _ => Ok(()),
    }
}

fn count(found: usize, minimum: Option<&Spanned<u32>>, maximum: Option<&Spanned<u32>>, unit: &str) -> Result<(), String> {
    let float = |limit: &Spanned<u32>| f64::from(limit.value);
    #[expect(clippy::cast_precision_loss, reason = "texts and lists are far shorter than 2^52")]
    bound(found as f64, minimum.map(float), maximum.map(float), unit)
}
