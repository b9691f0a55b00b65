//! A value as written, against the type that the catalog says: a finished value, a late template, or a secret.

use super::build::{Builder, quoted};
use super::scope::{Known, Reader, Written};
use super::{Param, Template};
use crate::catalog::{ParamSpec, ParamType, Presence};
use crate::diagnostic::code::plan as codes;
use crate::diagnostic::{Diagnostic, SourceSpan, nearest};
use crate::model::{Condition, Object, Percent, Span, TargetName, Value};
use crate::runbook::{Entry, Node, NodeKind, Scalar, ScalarValue, Spanned};

impl Builder<'_> {
    /// The keys of a map against their types, defaults filled in. `owner` is the place that lacks a missing key and `whose`
    /// completes "… has no key".
    pub fn typed_entries(
        &mut self,
        entries: &[Entry],
        owner: SourceSpan,
        specs: &'static [ParamSpec],
        reader: &Reader,
        whose: &str,
    ) -> Param {
        let mut typed = Vec::with_capacity(specs.len());
        for entry in entries {
            let key = &entry.key;
            match specs.iter().find(|spec| spec.name == key.value) {
                Some(spec) => {
                    let param = self.typed(&entry.value, spec.kind, reader, &key.value);
                    typed.extend(param.map(|param| (key.value.clone(), param)));
                }
                None => self.unknown_key(key, specs, whose),
            }
        }
        for spec in specs.iter().filter(|spec| !entries.iter().any(|entry| entry.key.value == spec.name)) {
            match spec.presence {
                Presence::Required => {
                    let message = format!("{whose} needs `{}`", spec.name);
                    let diagnostic = Diagnostic::error(codes::MISSING_SETTING, owner, message);
                    self.report.push(diagnostic.help(format!("add `{}:` {}", spec.name, spec.doc)));
                }
                Presence::Optional => {}
                Presence::Default(json) => {
                    let value = serde_json::from_str(json)
                        .unwrap_or_else(|error| panic!("invariant: the catalog's default of `{}` is JSON: {error}", spec.name));
                    typed.push((spec.name.to_owned(), Param::Value(with_inner_defaults(value, spec.kind))));
                }
            }
        }
        Param::Map(typed)
    }

    fn unknown_key(&mut self, key: &Spanned<String>, specs: &'static [ParamSpec], whose: &str) {
        let known = specs.iter().map(|spec| spec.name);
        let help = match nearest(&key.value, known.clone()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None if specs.is_empty() => "it has no keys at all".to_owned(),
            None => format!("it has {}", quoted(known)),
        };
        let message = format!("{whose} has no key `{}`", key.value);
        self.report.push(Diagnostic::error(codes::UNKNOWN_SETTING, key.span, message).help(help));
    }

    /// One value against its type; none after a report.
    pub fn typed(&mut self, node: &Node, kind: ParamType, reader: &Reader, key: &str) -> Option<Param> {
        if let Some(text) = node.text().filter(|text| Template::is_in(text)) {
            return self.templated(Written::node(node, text), kind, reader, key);
        }
        if node.looks_like_secret() && matches!(kind, ParamType::Text | ParamType::Program) {
            let message = format!("`{key}` is plain text, and a secret cannot stand here");
            self.report.push(
                Diagnostic::error(codes::SECRET_HERE, node.span, message)
                    .help("secrets stand where the action says so: mostly in `env`, `headers` and `password`"),
            );
            return None;
        }
        match kind {
            ParamType::Secret => self.secret(node, key),
            ParamType::TextOrSecret if node.entries().is_some() => self.secret(node, key),
            ParamType::List(inner) => {
                let Some(items) = node.items() else { return self.wrong_type(node, key, "a list") };
                let typed: Vec<Option<Param>> = items.iter().map(|item| self.typed(item, *inner, reader, key)).collect();
                typed.into_iter().collect::<Option<Vec<Param>>>().map(collapsed_list)
            }
            ParamType::Map(inner) => {
                let Some(entries) = node.entries() else { return self.wrong_type(node, key, "a map") };
                self.map_of(entries, *inner, reader)
            }
            ParamType::Object(specs) => {
                let Some(entries) = node.entries() else { return self.wrong_type(node, key, "a map") };
                let whose = format!("`{key}`");
                Some(collapsed(self.typed_entries(entries, node.span, specs, reader, &whose)))
            }
            ParamType::Any | ParamType::Condition => self.anything(node, kind, reader, key),
            ParamType::Target => {
                let Some(name) = node.text() else { return self.wrong_type(node, key, "the name of a target") };
                let name = Spanned::new(TargetName::new(name), node.span);
                self.known_target(&name).then(|| Param::Value(Value::String(name.value.to_string())))
            }
            ParamType::Text
            | ParamType::Program
            | ParamType::TextOrSecret
            | ParamType::Integer
            | ParamType::Boolean
            | ParamType::Duration
            | ParamType::Percent
            | ParamType::OneOf(_) => self.single(node, kind, key),
        }
    }

    fn map_of(&mut self, entries: &[Entry], inner: ParamType, reader: &Reader) -> Option<Param> {
        let mut typed = Some(Vec::with_capacity(entries.len()));
        for entry in entries {
            if Template::is_in(&entry.key.value) {
                let message = "a key is never a template".to_owned();
                self.report.push(Diagnostic::error(codes::TEMPLATE_PLACE, entry.key.span, message));
                typed = None;
            }
            match (self.typed(&entry.value, inner, reader, &entry.key.value), &mut typed) {
                (Some(param), Some(typed)) => typed.push((entry.key.value.clone(), param)),
                _ => typed = None,
            }
        }
        typed.map(|typed| collapsed(Param::Map(typed)))
    }

    fn anything(&mut self, node: &Node, kind: ParamType, reader: &Reader, key: &str) -> Option<Param> {
        let param = match &node.kind {
            NodeKind::Scalar(scalar) => Param::Value(scalar.to_value()),
            NodeKind::List(items) => {
                let typed: Vec<Option<Param>> = items.iter().map(|item| self.typed(item, ParamType::Any, reader, key)).collect();
                collapsed_list(typed.into_iter().collect::<Option<Vec<Param>>>()?)
            }
            NodeKind::Map(entries) => self.map_of(entries, ParamType::Any, reader)?,
        };
        if let (ParamType::Condition, Param::Value(value)) = (kind, &param)
            && let Err(problem) = Condition::parse(value)
        {
            self.report.push(Diagnostic::error(codes::TYPE, node.span, format!("`{key}` is no condition: {problem}")));
            return None;
        }
        Some(param)
    }

    fn single(&mut self, node: &Node, kind: ParamType, key: &str) -> Option<Param> {
        let Some(scalar) = node.scalar() else { return self.wrong_type(node, key, &named(kind)) };
        let value = match (kind, &scalar.value) {
            (ParamType::Duration, ScalarValue::Number(_)) => Value::String(scalar.raw.clone()),
            _ => scalar.to_value(),
        };
        match fits(&value, kind) {
            Ok(value) => Some(Param::Value(value)),
            Err(problem) => {
                let diagnostic = Diagnostic::error(codes::TYPE, node.span, format!("`{key}` {problem}"));
                self.report.push(match as_text(scalar, kind) {
                    Some(help) => diagnostic.help(help),
                    None => diagnostic,
                });
                None
            }
        }
    }

    fn secret(&mut self, node: &Node, key: &str) -> Option<Param> {
        if node.entries().is_none() {
            let message = format!("`{key}` is a secret, and a secret never stands in a runbook");
            self.report.push(
                Diagnostic::error(codes::SECRET_WANTED, node.span, message)
                    .help("give its place: `{ env: NAME }`, `{ file: PATH }` or `{ command: [program] }`"),
            );
            return None;
        }
        match node.secret() {
            Ok(place) => Some(Param::Secret(place)),
            Err(problem) => {
                self.report.push(Diagnostic::error(codes::SECRET_WANTED, problem.span, problem.message));
                None
            }
        }
    }

    /// A text with a template in it, where a value of type `kind` is wanted.
    fn templated(&mut self, written: Written<'_>, kind: ParamType, reader: &Reader, key: &str) -> Option<Param> {
        let (refused, help) = match kind {
            ParamType::Program => (
                Some("is read as a program, and values are never part of a program"),
                "pass the value as data: through `env` for a shell line, through `bind` for SQL",
            ),
            ParamType::Secret => (Some("is a secret, which is given by its place"), "write `{ env: NAME }`"),
            _ => (None, ""),
        };
        if let Some(reason) = refused {
            self.report.push(Diagnostic::error(codes::TEMPLATE_PLACE, written.span, format!("`{key}` {reason}")).help(help));
            return None;
        }
        let (template, known) = self.template(written, reader)?;
        if known == Known::Now {
            let value = self.render_now(&template, written, reader)?;
            return self.rendered(value, written, kind, key);
        }
        if let Some(problem) = late_problem(&template, kind) {
            self.report.push(Diagnostic::error(codes::TEMPLATE_PLACE, written.span, format!("`{key}` {problem}")));
            return None;
        }
        let is_text = matches!(kind, ParamType::Text | ParamType::TextOrSecret | ParamType::Duration | ParamType::Percent);
        Some(Param::Template(if is_text { template.into_text() } else { template }))
    }

    /// A value that a template yielded already now.
    fn rendered(&mut self, value: Value, written: Written<'_>, kind: ParamType, key: &str) -> Option<Param> {
        if let (ParamType::Target, Value::String(name)) = (kind, &value) {
            let name = Spanned::new(TargetName::new(name), written.span);
            return self.known_target(&name).then_some(Param::Value(value));
        }
        match fits(&as_wanted(value, kind), kind) {
            Ok(value) => Some(Param::Value(value)),
            Err(problem) => {
                let message = format!("`{key}` {problem}");
                self.report.push(Diagnostic::error(codes::TYPE, written.span, message).label("the value of this template"));
                None
            }
        }
    }

    fn wrong_type(&mut self, node: &Node, key: &str, wanted: &str) -> Option<Param> {
        let message = format!("`{key}` must be {wanted}, and this is {}", node.describe());
        self.report.push(Diagnostic::error(codes::TYPE, node.span, message));
        None
    }
}

/// Why a template that only the run can finish cannot stand for a value of type `kind`.
fn late_problem(template: &Template, kind: ParamType) -> Option<String> {
    match kind {
        ParamType::Target => Some("must be known when the plan is made: only `params` and `item` can be read here".to_owned()),
        ParamType::Integer | ParamType::Boolean | ParamType::List(_) | ParamType::Map(_) | ParamType::Object(_)
            if !template.is_whole() =>
        {
            Some(format!("must be {}: the template must be the whole value", named(kind)))
        }
        _ => None,
    }
}

/// Numbers, booleans and structures as the text that a template would make of them, where text is wanted.
fn as_wanted(value: Value, kind: ParamType) -> Value {
    match (kind, &value) {
        (ParamType::Text | ParamType::TextOrSecret, Value::Number(_) | Value::Bool(_) | Value::Array(_) | Value::Object(_)) => {
            Value::String(value.to_string())
        }
        (ParamType::List(inner), Value::Array(_)) => {
            let Value::Array(items) = value else { return value };
            Value::Array(items.into_iter().map(|item| as_wanted(item, *inner)).collect())
        }
        _ => value,
    }
}

/// The value, if it is of type `kind`; the error completes "`key` …".
fn fits(value: &Value, kind: ParamType) -> Result<Value, String> {
    let wrong = || Err(format!("must be {}, and {value} is not", named(kind)));
    let good = match kind {
        ParamType::Text | ParamType::Program | ParamType::TextOrSecret | ParamType::Target => value.is_string(),
        ParamType::Integer => value.is_i64() || value.is_u64(),
        ParamType::Boolean => value.is_boolean(),
        ParamType::Duration => {
            let Some(text) = value.as_str() else { return wrong() };
            Span::parse(text).map_err(|problem| format!("is no duration: {problem}"))?;
            true
        }
        ParamType::Percent => {
            let Some(text) = value.as_str() else { return wrong() };
            Percent::parse(text).map_err(|problem| format!("is no percentage: {problem}"))?;
            true
        }
        ParamType::OneOf(words) => {
            let Some(text) = value.as_str() else { return wrong() };
            if !words.contains(&text) {
                let meant = nearest(text, words.iter().copied());
                let meant = meant.map_or_else(String::new, |meant| format!("; did you mean `{meant}`?"));
                return Err(format!("must be one of {}, and `{text}` is not{meant}", quoted(words.iter().copied())));
            }
            true
        }
        ParamType::List(inner) => {
            let Value::Array(items) = value else { return wrong() };
            return items.iter().map(|item| fits(item, *inner)).collect::<Result<_, _>>().map(Value::Array);
        }
        ParamType::Map(inner) => {
            let Value::Object(entries) = value else { return wrong() };
            return entries.iter().map(|(k, v)| Ok((k.clone(), fits(v, *inner)?))).collect::<Result<_, _>>().map(Value::Object);
        }
        ParamType::Object(specs) => {
            let Value::Object(entries) = value else { return wrong() };
            return object_fits(entries, specs);
        }
        ParamType::Condition => {
            Condition::parse(value)?;
            true
        }
        ParamType::Any => true,
        ParamType::Secret => false,
    };
    if good { Ok(value.clone()) } else { wrong() }
}

fn object_fits(entries: &Object, specs: &'static [ParamSpec]) -> Result<Value, String> {
    let mut typed = Object::new();
    for (key, value) in entries {
        let spec = specs.iter().find(|spec| spec.name == key).ok_or_else(|| format!("has no key `{key}`"))?;
        typed.insert(key.clone(), fits(value, spec.kind).map_err(|problem| format!("has a `{key}` that {problem}"))?);
    }
    match specs.iter().find(|spec| spec.presence == Presence::Required && !typed.contains_key(spec.name)) {
        Some(spec) => Err(format!("needs the key `{}`", spec.name)),
        None => Ok(with_inner_defaults(Value::Object(typed), ParamType::Object(specs))),
    }
}

/// A default of the catalog with the defaults of its own keys.
fn with_inner_defaults(value: Value, kind: ParamType) -> Value {
    let (Value::Object(mut map), ParamType::Object(specs)) = (value.clone(), kind) else { return value };
    for spec in specs {
        if let (Presence::Default(json), false) = (spec.presence, map.contains_key(spec.name))
            && let Ok(inner) = serde_json::from_str(json)
        {
            map.insert(spec.name.to_owned(), with_inner_defaults(inner, spec.kind));
        }
    }
    Value::Object(map)
}

/// A number or boolean where text is wanted is mostly missing its quotes.
fn as_text(scalar: &Scalar, kind: ParamType) -> Option<String> {
    let is_text = matches!(kind, ParamType::Text | ParamType::Program | ParamType::TextOrSecret | ParamType::OneOf(_));
    match scalar.value {
        ScalarValue::Number(_) | ScalarValue::Boolean(_) if is_text => Some(format!("write it in quotes: \"{}\"", scalar.raw)),
        ScalarValue::Null => Some("leave the key out, or give it a value".to_owned()),
        ScalarValue::Number(_) | ScalarValue::Boolean(_) | ScalarValue::Text => None,
    }
}

/// A type in words.
fn named(kind: ParamType) -> String {
    match kind {
        ParamType::Text | ParamType::Program => "text".to_owned(),
        ParamType::Integer => "a whole number".to_owned(),
        ParamType::Boolean => "`true` or `false`".to_owned(),
        ParamType::Duration => "a duration such as `90s`".to_owned(),
        ParamType::Percent => "a percentage such as `99.9%`".to_owned(),
        ParamType::Secret => "a secret by its place".to_owned(),
        ParamType::TextOrSecret => "text, or a secret by its place".to_owned(),
        ParamType::Target => "the name of a target".to_owned(),
        ParamType::OneOf(words) => format!("one of {}", quoted(words.iter().copied())),
        ParamType::List(_) => "a list".to_owned(),
        ParamType::Map(_) | ParamType::Object(_) => "a map".to_owned(),
        ParamType::Condition => "a condition".to_owned(),
        ParamType::Any => "a value".to_owned(),
    }
}

/// A list in which everything is finished is a finished value.
pub(super) fn collapsed_list(items: Vec<Param>) -> Param {
    collapsed(Param::List(items))
}

/// A tree in which everything is finished is a finished value.
pub(super) fn collapsed(param: Param) -> Param {
    fn is_value(param: &Param) -> bool {
        matches!(param, Param::Value(_))
    }
    match &param {
        Param::List(items) if items.iter().all(is_value) => Param::Value(param.shown()),
        Param::Map(entries) if entries.iter().all(|(_, item)| is_value(item)) => Param::Value(param.shown()),
        Param::Value(_) | Param::Template(_) | Param::Secret(_) | Param::List(_) | Param::Map(_) => param,
    }
}
