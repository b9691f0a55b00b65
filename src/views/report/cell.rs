//! What a section of the report consists of, so that HTML and Markdown say the same in the same order.

use crate::views::Tone;

/// A section.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Part {
    /// Its anchor.
    pub id: &'static str,
    /// Its title.
    pub title: &'static str,
    /// Sentences.
    pub says: Vec<String>,
    /// Whether the timeline is drawn here.
    pub picture: Picture,
    /// Tables.
    pub tables: Vec<Table>,
}

/// Whether a section has a picture; only HTML draws it, and the tables say the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Picture {
    /// None.
    None,
    /// The timeline.
    Timeline,
}

/// A table.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Table {
    /// What it is about; empty where the section says it.
    pub title: String,
    /// The names of its columns.
    pub head: Vec<&'static str>,
    /// Its rows, as long as the head.
    pub rows: Vec<Vec<Cell>>,
    /// What was left out of it.
    pub left_out: String,
}

/// How a cell is set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Look {
    /// As text.
    Text,
    /// As text with a tone.
    Toned(Tone),
    /// As a figure, at the right.
    Figure,
    /// As it was sent, in the letters of a terminal.
    Code,
}

/// A cell.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cell {
    /// What it says.
    pub text: String,
    /// How it is set.
    pub look: Look,
}

impl Cell {
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), look: Look::Text }
    }

    pub fn figure(text: impl Into<String>) -> Self {
        Self { text: text.into(), look: Look::Figure }
    }

    pub fn code(text: impl Into<String>) -> Self {
        Self { text: text.into(), look: Look::Code }
    }

    pub fn toned(tone: Tone, text: impl Into<String>) -> Self {
        Self { text: text.into(), look: Look::Toned(tone) }
    }
}

impl Part {
    pub fn new(id: &'static str, title: &'static str) -> Self {
        Self { id, title, says: Vec::new(), picture: Picture::None, tables: Vec::new() }
    }

    pub fn says(mut self, text: impl Into<String>) -> Self {
        self.says.push(text.into());
        self
    }

    /// This section with a table; one without rows is left out.
    pub fn table(mut self, table: Table) -> Self {
        if !table.rows.is_empty() {
            self.tables.push(table);
        }
        self
    }
}

impl Table {
    pub fn of(head: &[&'static str], rows: Vec<Vec<Cell>>) -> Self {
        Self { head: head.to_vec(), rows, ..Self::default() }
    }

    pub fn titled(self, title: impl Into<String>) -> Self {
        Self { title: title.into(), ..self }
    }
}
