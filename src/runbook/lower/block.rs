//! A map opened against its table: unknown, misplaced and missing keys are reported here, once for every block.

use super::Lowering;
use crate::diagnostic::code::document as code;
use crate::diagnostic::{SourceSpan, nearest};
use crate::runbook::document::Spanned;
use crate::runbook::shape::{Form, Required, Table};
use crate::runbook::{Entry, Node, language};

/// A map whose keys are known.
pub(super) struct Block<'n> {
    table: &'static Table,
    span: SourceSpan,
    /// What it is called in a message.
    place: String,
    found: Vec<(&'static str, &'n Entry)>,
    others: Vec<&'n Entry>,
}

/// Words of other engines for keys of ours.
const SYNONYMS: [(&str, &str); 23] = [
    ("after", "needs"),
    ("args", "with"),
    ("concurrency", "max_concurrent"),
    ("depends", "needs"),
    ("depends_on", "needs"),
    ("desc", "description"),
    ("if", "when"),
    ("inputs", "with"),
    ("loop", "foreach"),
    ("max", "maximum"),
    ("min", "minimum"),
    ("name", "title"),
    ("parallel", "max_concurrent"),
    ("parameters", "params"),
    ("people", "persons"),
    ("requires", "needs"),
    ("retries", "retry"),
    ("run", "action"),
    ("timezone", "time_zone"),
    ("tz", "time_zone"),
    ("uses", "action"),
    ("values", "enum"),
    ("with_items", "foreach"),
];

impl<'n> Block<'n> {
    /// The entry of a key of the table.
    pub(super) fn get(&self, key: &str) -> Option<&'n Entry> {
        debug_assert!(self.table.key(key).is_some(), "invariant: {} has no key {key}", self.table.what);
        self.found.iter().find(|(name, _)| *name == key).map(|(_, entry)| *entry)
    }

    /// The entries that the table leaves to the catalog.
    pub(super) fn others(&self) -> impl Iterator<Item = &'n Entry> {
        self.others.iter().copied()
    }

    /// Where it stands.
    pub(super) const fn span(&self) -> SourceSpan {
        self.span
    }

    /// What it is called in a message.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// The form of one of its keys.
    pub(super) fn form(&self, key: &str) -> Option<Form> {
        self.table.key(key).map(|key| key.form)
    }

    /// Whether its table has this key.
    pub(super) fn may_have(&self, key: &str) -> bool {
        self.table.key(key).is_some()
    }
}

impl Lowering {
    /// Opens `node` as a block; `head` is underlined where a key is missing.
    pub(super) fn block<'n>(
        &mut self,
        node: &'n Node,
        table: &'static Table,
        place: &str,
        head: SourceSpan,
    ) -> Option<Block<'n>> {
        let Some(entries) = node.entries() else {
            self.broken = true;
            let message = format!("{place} must be a map, and this is {}", node.describe());
            self.error(code::WRONG_KIND, node.span, message, format!("write {} as `{}`", table.what, table.example));
            return None;
        };
        let mut block = Block { table, span: node.span, place: place.to_owned(), found: Vec::new(), others: Vec::new() };
        let (known, unknown): (Vec<&Entry>, Vec<&Entry>) =
            entries.iter().partition(|entry| table.key(&entry.key.value).is_some());
        for entry in known {
            let Some(key) = table.key(&entry.key.value) else { continue };
            if entry.value.is_null() && !matches!(key.form, Form::Any) {
                self.broken |= matches!(key.required, Required::Yes);
                let message = format!("`{}` has no value", key.name);
                self.error(code::EMPTY_VALUE, entry.key.span, message, "give it a value, or remove the key");
            } else {
                block.found.push((key.name, entry));
            }
        }
        let given = |name: &str| entries.iter().any(|entry| entry.key.value == name);
        for entry in unknown {
            if table.open {
                block.others.push(entry);
            } else if let Some(meant) = self.unknown_key(entry, table, place, given) {
                // The value is read under the key that was meant, so that a slip is reported once and not by its echoes.
                if !block.found.iter().any(|(name, _)| *name == meant) && !entry.value.is_null() {
                    block.found.push((meant, entry));
                }
            }
        }
        let missing = table.keys.iter().filter(|key| key.required == Required::Yes && !given(key.name));
        for key in missing {
            if block.get(key.name).is_none() {
                self.broken = true;
                let message = format!("{place} has no `{}`", key.name);
                self.error(code::MISSING_KEY, head, message, format!("add `{}`: {}", key.name, key.doc));
            }
        }
        Some(block)
    }

    /// Opens the block behind a key.
    pub(super) fn inner<'n>(&mut self, block: &Block<'n>, key: &str, table: &'static Table) -> Option<Block<'n>> {
        let entry = block.get(key)?;
        self.block(&entry.value, table, &format!("`{key}`"), entry.key.span)
    }

    /// The entries of the map behind a key, whose keys are names; a name that is not well formed is reported and kept.
    pub(super) fn named<'n>(&mut self, block: &Block<'n>, key: &str, table: &Table) -> Vec<(Spanned<String>, &'n Node)> {
        let Some(entry) = block.get(key) else { return Vec::new() };
        let Some(entries) = entry.value.entries() else {
            self.broken = true;
            let message = format!("`{key}` must be a map from names, and this is {}", entry.value.describe());
            let help = format!("write a name with a colon, and {} behind it: `my-name: {}`", table.what, table.example);
            self.error(code::WRONG_KIND, entry.value.span, message, help);
            return Vec::new();
        };
        let least = match block.form(key) {
            Some(Form::Blocks(_, least)) => least,
            _ => 0,
        };
        if entries.len() < least {
            self.broken = true;
            let help = format!("write at least one, such as `my-name: {}`", table.example);
            self.error(code::NO_STEPS, entry.key.span, format!("`{key}` is empty"), help);
        }
        let mut named = Vec::with_capacity(entries.len());
        for inner in entries {
            self.check_name(&inner.key.value, inner.key.span);
            if inner.value.is_null() {
                self.broken = true;
                let message = format!("`{}` has no value", inner.key.value);
                self.error(
                    code::EMPTY_VALUE,
                    inner.key.span,
                    message,
                    format!("describe {} behind it, or remove it", table.what),
                );
            } else {
                named.push((inner.key.clone(), &inner.value));
            }
        }
        named
    }

    /// Reports a key that does not stand in the table; returns the one that was probably meant, if it is not given already.
    fn unknown_key(
        &mut self,
        entry: &Entry,
        table: &'static Table,
        place: &str,
        given: impl Fn(&str) -> bool,
    ) -> Option<&'static str> {
        let key = entry.key.value.as_str();
        let elsewhere = std::ptr::eq(table, &language::FINAL_STEP) || std::ptr::eq(table, &language::ROLLBACK_STEP);
        if elsewhere && language::STEP.key(key).is_some() {
            let message = format!("`{key}` does not belong in {}", table.what);
            self.error(code::KEY_HERE, entry.key.span, message, "it belongs to a step of `steps`: remove it here");
            return None;
        }
        let names = || table.keys.iter().map(|key| key.name).filter(|name| !given(name));
        let meant = nearest(key, names()).or_else(|| {
            let meant = SYNONYMS.iter().find(|(word, _)| word.eq_ignore_ascii_case(key)).map(|(_, meant)| *meant)?;
            names().find(|name| *name == meant)
        });
        let message = format!("{place} has no key `{key}`");
        let help = match meant {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("the keys of {} are {}", table.what, list(table.keys.iter().map(|key| key.name))),
        };
        self.error(code::UNKNOWN_KEY, entry.key.span, message, help);
        meant
    }
}

/// `a, b and c` in backticks.
pub(super) fn list<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    match words.split_last() {
        None => String::new(),
        Some((only, [])) => only.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}
