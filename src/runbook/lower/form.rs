//! Single values: one reader for each form of the language. Each reports what is wrong and what to write instead.

use super::Lowering;
use super::block::{Block, list};
use crate::diagnostic::code::document as code;
use crate::diagnostic::{Diagnostic, SourceSpan, nearest};
use crate::model::id::is_name;
use crate::model::{PersonId, Span};
use crate::runbook::document::Spanned;
use crate::runbook::shape::Form;
use crate::runbook::{Node, ScalarValue};

impl Lowering {
    /// A value of another kind than the language wants there.
    pub(super) fn wrong_kind(&mut self, node: &Node, place: &str, wanted: &str) {
        let message = format!("{place} must be {wanted}, and this is {}", node.describe());
        let mut error = Diagnostic::error(code::WRONG_KIND, node.span, message);
        if let Some(scalar) = node.scalar()
            && wanted.contains("text")
            && scalar.value != ScalarValue::Null
        {
            error = error.help(format!("write `\"{}\"` to make it text", scalar.raw));
        }
        self.report.push(error);
    }

    /// A text that says something.
    pub(super) fn text(&mut self, block: &Block<'_>, key: &str) -> Option<Spanned<String>> {
        let node = &block.get(key)?.value;
        self.text_of(node, &format!("`{key}`"))
    }

    /// A text that says something, anywhere.
    pub(super) fn text_of(&mut self, node: &Node, place: &str) -> Option<Spanned<String>> {
        let Some(text) = node.text() else {
            self.wrong_kind(node, place, "text");
            return None;
        };
        if text.trim().is_empty() {
            self.error(code::EMPTY_TEXT, node.span, format!("{place} says nothing"), "write a text that says something");
            return None;
        }
        Some(Spanned::new(text.to_owned(), node.span))
    }

    /// A well-formed name.
    pub(super) fn name(&mut self, block: &Block<'_>, key: &str) -> Option<Spanned<String>> {
        let node = &block.get(key)?.value;
        self.name_of(node, &format!("`{key}`"))
    }

    /// A well-formed name, anywhere. One that is not is reported and kept, because others may refer to it.
    pub(super) fn name_of(&mut self, node: &Node, place: &str) -> Option<Spanned<String>> {
        let Some(text) = node.text() else {
            self.wrong_kind(node, place, "a name, as text");
            return None;
        };
        self.check_name(text, node.span);
        Some(Spanned::new(text.to_owned(), node.span))
    }

    pub(super) fn check_name(&mut self, text: &str, span: SourceSpan) {
        if is_name(text) {
            return;
        }
        let message = format!("`{text}` is not a well-formed name");
        let help = match slug(text) {
            Some(slug) => format!("write `{slug}`: lower-case letters, digits, `-` and `_`, a letter first, at most 64"),
            None => "write lower-case letters, digits, `-` and `_`, a letter first, at most 64".to_owned(),
        };
        self.error(code::NAME, span, message, help);
    }

    /// A person's name.
    pub(super) fn person(&mut self, block: &Block<'_>, key: &str) -> Option<Spanned<PersonId>> {
        self.name(block, key).map(|name| name.map(PersonId::new))
    }

    /// A list of names, each once. An item that is no name makes the document broken.
    pub(super) fn names(&mut self, block: &Block<'_>, key: &str) -> Vec<Spanned<String>> {
        block.get(key).map_or_else(Vec::new, |entry| self.names_of(&entry.value, key))
    }

    /// As [`Self::names`], anywhere.
    pub(super) fn names_of(&mut self, node: &Node, key: &str) -> Vec<Spanned<String>> {
        let Some(items) = node.items() else {
            self.broken = true;
            let message = format!("`{key}` must be a list of names, and this is {}", node.describe());
            let help = match node.text() {
                Some(text) if is_name(text) => format!("write `[{text}]`"),
                _ => "write `[first, second]`".to_owned(),
            };
            self.error(code::WRONG_KIND, node.span, message, help);
            return Vec::new();
        };
        let mut names: Vec<Spanned<String>> = Vec::with_capacity(items.len());
        let mut seen = std::collections::HashMap::with_capacity(items.len());
        for item in items {
            let name = self.name_of(item, &format!("an item of `{key}`"));
            let Some(name) = self.keep(name) else { continue };
            if let Some(first) = seen.insert(name.value.clone(), name.span) {
                let error = Diagnostic::error(code::REPEATED, name.span, format!("`{}` stands twice in `{key}`", name.value));
                self.report.push(error.also(first, "it stands here already").help("keep one of the two"));
                continue;
            }
            names.push(name);
        }
        names
    }

    /// A list of texts.
    pub(super) fn texts(&mut self, block: &Block<'_>, key: &str) -> Vec<Spanned<String>> {
        let Some(entry) = block.get(key) else { return Vec::new() };
        let Some(items) = entry.value.items() else {
            self.wrong_kind(&entry.value, &format!("`{key}`"), "a list of texts");
            return Vec::new();
        };
        items.iter().filter_map(|item| self.text_of(item, &format!("an item of `{key}`"))).collect()
    }

    /// A duration with its unit.
    pub(super) fn duration(&mut self, block: &Block<'_>, key: &str) -> Option<Spanned<Span>> {
        let node = &block.get(key)?.value;
        let Some(scalar) = node.scalar().filter(|scalar| !matches!(scalar.value, ScalarValue::Boolean(_))) else {
            let message = format!("`{key}` must be a duration, and this is {}", node.describe());
            self.error(code::DURATION, node.span, message, "write a duration such as `90s`, `10m` or `1h30m`");
            return None;
        };
        match Span::parse(&scalar.raw) {
            Ok(span) => Some(Spanned::new(span, node.span)),
            Err(help) => {
                let fixed = "this duration is fixed when the plan is made: write it out, a template cannot stand here";
                let help = if scalar.raw.contains("{{") { fixed.to_owned() } else { help };
                self.error(code::DURATION, node.span, format!("`{key}` is not a duration"), help);
                None
            }
        }
    }

    /// A whole number that is large enough.
    pub(super) fn count(&mut self, block: &Block<'_>, key: &str) -> Option<Spanned<u32>> {
        let node = &block.get(key)?.value;
        let least = match block.form(key) {
            Some(Form::Count(least)) => least,
            _ => 0,
        };
        let number = node.scalar().and_then(|scalar| match &scalar.value {
            ScalarValue::Number(number) => Some(number),
            ScalarValue::Null | ScalarValue::Boolean(_) | ScalarValue::Text => None,
        });
        let Some(number) = number else {
            self.wrong_kind(node, &format!("`{key}`"), "a whole number");
            return None;
        };
        match number.as_i64().and_then(|whole| u32::try_from(whole).ok()).filter(|whole| *whole >= least) {
            Some(whole) => Some(Spanned::new(whole, node.span)),
            None => {
                let message = format!("`{key}` is {number}, which is out of range");
                self.error(code::NUMBER_RANGE, node.span, message, format!("write a whole number of at least {least}"));
                None
            }
        }
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self, block: &Block<'_>, key: &str) -> Option<Spanned<bool>> {
        let node = &block.get(key)?.value;
        if let Some(ScalarValue::Boolean(yes)) = node.scalar().map(|scalar| &scalar.value) {
            return Some(Spanned::new(*yes, node.span));
        }
        let message = format!("`{key}` must be `true` or `false`, and this is {}", node.describe());
        self.error(code::WRONG_KIND, node.span, message, "write `true` or `false`, without quotes");
        None
    }

    /// One of the words that the table allows.
    pub(super) fn word(&mut self, block: &Block<'_>, key: &str) -> Option<Spanned<&'static str>> {
        let node = &block.get(key)?.value;
        let words = match block.form(key) {
            Some(Form::Word(words)) => words,
            _ => &[],
        };
        let names = || words.iter().map(|(word, _)| *word);
        if let Some(word) = node.text().and_then(|text| names().find(|word| *word == text)) {
            return Some(Spanned::new(word, node.span));
        }
        self.broken = true;
        let found = node.text().map_or_else(|| node.describe(), |text| format!("`{text}`"));
        let help = match node.text().and_then(|text| nearest(text, names())) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("write one of {}", list(names()).replace(" and ", " or ")),
        };
        self.error(code::WORD, node.span, format!("`{key}` cannot be {found}"), help);
        None
    }
}

/// The name that `text` would be, when it can be one.
fn slug(text: &str) -> Option<String> {
    let mut slug = String::new();
    for c in text.chars() {
        match c.to_ascii_lowercase() {
            c if c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' => slug.push(c),
            _ if slug.ends_with('-') || slug.is_empty() => {}
            _ => slug.push('-'),
        }
    }
    let slug = slug.trim_end_matches('-').trim_start_matches(|c: char| !c.is_ascii_lowercase());
    is_name(slug).then(|| slug.to_owned())
}

#[cfg(test)]
mod tests {
    use super::slug;

    #[test]
    fn a_name_is_proposed() {
        assert_eq!(slug("Freeze Old!").as_deref(), Some("freeze-old"));
        assert_eq!(slug("2nd.step").as_deref(), Some("nd-step"));
        assert_eq!(slug("订单"), None);
    }
}
