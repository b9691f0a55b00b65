//! `params`: what values the runbook takes, and whether its own defaults obey.

use super::Lowering;
use super::block::Block;
use crate::diagnostic::code::document as code;
use crate::diagnostic::{Code, Diagnostic};
use crate::runbook::document::Spanned;
use crate::runbook::{Entry, ParamDecl, ParamKind, ParamRule, ScalarValue, language};

/// The constraints and the types that they fit.
const FITS: [(&str, &[ParamKind]); 7] = [
    ("minimum", &[ParamKind::Integer, ParamKind::Number]),
    ("maximum", &[ParamKind::Integer, ParamKind::Number]),
    ("minLength", &[ParamKind::String]),
    ("maxLength", &[ParamKind::String]),
    ("minItems", &[ParamKind::Array]),
    ("maxItems", &[ParamKind::Array]),
    ("items", &[ParamKind::Array]),
];

impl Lowering {
    /// `params`.
    pub(super) fn params(&mut self, block: &Block<'_>) -> Vec<ParamDecl> {
        let mut params = Vec::new();
        for (name, node) in self.named(block, "params", &language::PARAM) {
            let place = format!("the parameter `{}`", name.value);
            let Some(param) = self.block(node, &language::PARAM, &place, name.span) else { continue };
            let description = self.text(&param, "description");
            let rule = self.rule(&param);
            let Some(rule) = self.keep(rule) else { continue };
            let default = param.get("default").map(|entry| Spanned::new(entry.value.to_value(), entry.value.span));
            if let Some(default) = &default
                && let Err(problem) = rule.check(&default.value)
            {
                let help = format!("the parameter {problem}");
                self.error(
                    code::PARAM_DEFAULT,
                    default.span,
                    format!("the default of `{}` breaks its own rules", name.value),
                    help,
                );
            }
            params.push(ParamDecl { name, span: node.span, description, rule, default });
        }
        params
    }

    fn rule(&mut self, block: &Block<'_>) -> Option<ParamRule> {
        let kind = self.word(block, "type")?;
        let kind = ParamKind::WORDS.iter().find(|(word, _)| *word == kind.value).map(|(_, k)| Spanned::new(*k, kind.span))?;
        for (key, kinds) in FITS {
            if let Some(entry) = block.get(key).filter(|_| !kinds.contains(&kind.value)) {
                let message = format!("`{key}` does not fit a parameter of type {}", kind.value.word());
                let error = Diagnostic::error(code::PARAM_KEY, entry.key.span, message);
                self.report.push(error.also(kind.span, "the type").help("remove it, or change the type"));
            }
        }
        let mut rule = ParamRule {
            kind,
            choices: Vec::new(),
            minimum: self.bound(block, "minimum"),
            maximum: self.bound(block, "maximum"),
            min_length: self.count(block, "minLength"),
            max_length: self.count(block, "maxLength"),
            min_items: self.count(block, "minItems"),
            max_items: self.count(block, "maxItems"),
            items: None,
        };
        self.order(rule.minimum.as_ref(), rule.maximum.as_ref(), ("minimum", "maximum"));
        let float = |count: &Spanned<u32>| Spanned::new(f64::from(count.value), count.span);
        let lengths = (rule.min_length.as_ref().map(float), rule.max_length.as_ref().map(float));
        self.order(lengths.0.as_ref(), lengths.1.as_ref(), ("minLength", "maxLength"));
        let items = (rule.min_items.as_ref().map(float), rule.max_items.as_ref().map(float));
        self.order(items.0.as_ref(), items.1.as_ref(), ("minItems", "maxItems"));
        if let Some(items) = self.inner(block, "items", &language::PARAM_ITEM) {
            rule.items = self.rule(&items).map(Box::new);
        }
        rule.choices = self.choices(block, &rule);
        Some(rule)
    }

    /// `enum`: at least one value, each once, each of the type and within the bounds.
    fn choices(&mut self, block: &Block<'_>, rule: &ParamRule) -> Vec<Spanned<crate::model::Value>> {
        let Some(Entry { value, .. }) = block.get("enum") else { return Vec::new() };
        let Some(items) = value.items().filter(|items| !items.is_empty()) else {
            self.wrong_kind(value, "`enum`", "a list with at least one value");
            return Vec::new();
        };
        let mut choices: Vec<Spanned<crate::model::Value>> = Vec::with_capacity(items.len());
        for item in items {
            let choice = Spanned::new(item.to_value(), item.span);
            if let Err(problem) = rule.check(&choice.value) {
                self.error(
                    code::PARAM_ENUM,
                    item.span,
                    "this choice breaks the parameter's own rules",
                    format!("a value {problem}"),
                );
            } else if let Some(first) = choices.iter().find(|earlier| earlier.value == choice.value) {
                let error = Diagnostic::error(code::REPEATED, item.span, format!("{} stands twice in `enum`", choice.value));
                self.report.push(error.also(first.span, "it stands here already").help("keep one of the two"));
            } else {
                choices.push(choice);
            }
        }
        choices
    }

    fn bound(&mut self, block: &Block<'_>, key: &str) -> Option<Spanned<f64>> {
        let node = &block.get(key)?.value;
        if let Some(ScalarValue::Number(number)) = node.scalar().map(|scalar| &scalar.value) {
            return number.as_f64().map(|number| Spanned::new(number, node.span));
        }
        self.wrong_kind(node, &format!("`{key}`"), "a number");
        None
    }

    fn order(&mut self, least: Option<&Spanned<f64>>, most: Option<&Spanned<f64>>, names: (&str, &str)) {
        const WRONG: Code = code::NUMBER_RANGE;
        let (Some(least), Some(most)) = (least, most) else { return };
        if least.value > most.value {
            let message = format!("`{}` is {} and `{}` is {}: no value fits", names.0, least.value, names.1, most.value);
            let error = Diagnostic::error(WRONG, most.span, message);
            self.report.push(error.also(least.span, "the lower bound").help("swap the two, or widen the range"));
        }
    }
}
