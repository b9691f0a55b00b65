//! The items of a `foreach`, and the ids of the steps that are made of them.

use std::collections::BTreeSet;

use super::Template;
use super::build::Builder;
use super::scope::{Known, Reader, Written};
use crate::catalog::ParamType;
use crate::diagnostic::code::plan as codes;
use crate::diagnostic::{Diagnostic, SourceSpan};
use crate::model::{StepId, Value, id};

/// What a step goes over.
pub(super) enum Items {
    /// Nothing: it has no `foreach`.
    None,
    /// A list that only the run knows.
    Late(Template),
    /// These values, each with the id of its step.
    Known(Vec<(StepId, Value)>),
}

/// The id `step[item]` of one item of a `foreach`: the text of a value, or of the `id` or `name` of a map.
///
/// # Errors
/// Why the item cannot stand in an id; completes "the item …".
pub fn item_id(step: &StepId, item: &Value) -> Result<StepId, String> {
    let text = match item {
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Bool(_) => item.to_string(),
        Value::Object(map) => match map.get("id").or_else(|| map.get("name")) {
            Some(Value::String(text)) => text.clone(),
            Some(number @ Value::Number(_)) => number.to_string(),
            _ => return Err("is a map without `id` or `name`".to_owned()),
        },
        Value::Null | Value::Array(_) => return Err("is neither a single value nor a map".to_owned()),
    };
    if id::is_item(&text) {
        Ok(StepId::new(format!("{step}[{text}]")))
    } else {
        Err("has spaces, quotes, brackets or braces in it, or is empty or longer than 64 characters".to_owned())
    }
}

impl Builder<'_> {
    /// What the written step at `at` goes over. Keeps the ids of known items for templates that name them.
    pub fn items_of(&mut self, at: usize) -> Items {
        let step = self.links.steps[at].step;
        let Some(foreach) = &step.foreach else { return Items::None };
        let reader = Reader::of(at);
        let none = || Items::Known(Vec::new());
        let (list, spans) = if let Some(text) = foreach.text().filter(|text| Template::is_in(text)) {
            let text = Written::node(foreach, text);
            let Some((template, known)) = self.template(text, &reader) else { return none() };
            if !template.is_whole() {
                let message = "`foreach` needs a list: the template must be the whole value".to_owned();
                self.report.push(Diagnostic::error(codes::FOREACH_LIST, foreach.span, message));
                return none();
            }
            if known == Known::Later {
                return Items::Late(template);
            }
            match self.render_now(&template, text, &reader) {
                Some(Value::Array(list)) => (list, Vec::new()),
                Some(other) => {
                    let message = format!("`foreach` needs a list, and this is {other}");
                    self.report.push(
                        Diagnostic::error(codes::FOREACH_LIST, foreach.span, message)
                            .help("name a parameter of `type: array`, or write `[a, b]`"),
                    );
                    return none();
                }
                None => return none(),
            }
        } else {
            let Some(items) = foreach.items() else {
                let message = format!("`foreach` needs a list, and this is {}", foreach.describe());
                self.report.push(
                    Diagnostic::error(codes::FOREACH_LIST, foreach.span, message)
                        .help("write `[a, b]`, or a template such as `{{ params.tables }}`"),
                );
                return none();
            };
            let mut list = Vec::with_capacity(items.len());
            for item in items {
                match self.typed(item, ParamType::Any, &reader, "foreach") {
                    Some(super::Param::Value(value)) => list.push(value),
                    Some(_) => {
                        let message = "an item of an inline list must be known when the plan is made".to_owned();
                        self.report.push(Diagnostic::error(codes::FOREACH_ITEM, item.span, message));
                    }
                    None => {}
                }
            }
            (list, items.iter().map(|item| item.span).collect())
        };
        Items::Known(self.named(at, list, foreach.span, &spans))
    }

    fn named(&mut self, at: usize, list: Vec<Value>, whole: SourceSpan, spans: &[SourceSpan]) -> Vec<(StepId, Value)> {
        let step = &self.links.steps[at].step.id;
        if list.is_empty() && !self.report.has_errors() {
            let message = format!("`{}` goes over an empty list and does nothing", step.value);
            self.report.push(Diagnostic::warning(codes::FOREACH_EMPTY, whole, message));
        }
        let mut ids = BTreeSet::new();
        let mut named = Vec::with_capacity(list.len());
        for (number, item) in list.into_iter().enumerate() {
            let span = spans.get(number).copied().unwrap_or(whole);
            match item_id(&step.value, &item) {
                Ok(id) if ids.insert(id.clone()) => named.push((id, item)),
                Ok(id) => {
                    let message = format!("the item {item} stands twice: both would be `{id}`");
                    self.report.push(Diagnostic::error(codes::FOREACH_DUPLICATE, span, message).help("take one of them away"));
                }
                Err(problem) => self.report.push(
                    Diagnostic::error(codes::FOREACH_ITEM, span, format!("the item {item} {problem}"))
                        .help("give a map with an `id`: `{ id: a, … }`; the steps are then named `step[a]`"),
                ),
            }
        }
        self.items.insert(at, ids);
        named
    }
}
