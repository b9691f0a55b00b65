//! The language as tables: which keys a block has and what form their values take.
//!
//! Lowering, "did you mean", the JSON Schema and the language reference all read these tables, so they cannot disagree.

/// A block of the language: a map with fixed keys.
#[derive(Debug)]
pub struct Table {
    /// What the block is called in a message: `a step`.
    pub what: &'static str,
    /// How a small one is written.
    pub example: &'static str,
    /// Its keys, in the order of the documentation.
    pub keys: &'static [Key],
    /// Whether other keys may stand here too, which the catalog knows.
    pub open: bool,
}

/// One key of a block.
#[derive(Debug)]
pub struct Key {
    /// The key.
    pub name: &'static str,
    /// Whether it must be there.
    pub required: Required,
    /// The form of its value.
    pub form: Form,
    /// One sentence for a person.
    pub doc: &'static str,
}

/// Whether a key must be there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Required {
    /// It must.
    Yes,
    /// It may be left out.
    No,
}

/// The form of a value.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    /// The number 1: the version of the language.
    Version,
    /// A name: `[a-z][a-z0-9_-]*`.
    Name,
    /// A text that says something.
    Text,
    /// A template, `true` or `false`.
    Condition,
    /// `90s`, `10m`, `1h30m`.
    Duration,
    /// A whole number, at least this.
    Count(u32),
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// One of these words, each with its meaning.
    Word(&'static [(&'static str, &'static str)]),
    /// A list of names, each once.
    Names,
    /// `2026-11-21T00:00`, without an offset.
    LocalTime,
    /// An IANA time zone.
    TimeZone,
    /// Anything.
    Any,
    /// A list of anything.
    Values,
    /// A list of texts.
    Texts,
    /// A list of public keys, one line each.
    PublicKeys,
    /// A list, or a text with a template that yields one.
    Items,
    /// A map whose keys the catalog knows.
    Open,
    /// A map from outputs to conditions.
    Expectations,
    /// A block.
    Block(&'static Table),
    /// A map from names to blocks, with at least this many.
    Blocks(&'static Table, usize),
    /// `auto`, another action, `nothing`, or `impossible`.
    Undo,
    /// `everything`, or a list of names.
    UndoScope,
}

impl Table {
    /// The key of this name.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

impl Key {
    /// A key that must be there.
    pub const fn required(name: &'static str, form: Form, doc: &'static str) -> Self {
        Self { name, required: Required::Yes, form, doc }
    }

    /// A key that may be left out.
    pub const fn optional(name: &'static str, form: Form, doc: &'static str) -> Self {
        Self { name, required: Required::No, form, doc }
    }
}
