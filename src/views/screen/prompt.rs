//! The line into which orders are typed: its text, its cursor, and completion.

use super::order::{candidates, read};
use super::{Key, Reading};
use crate::run::State;
use crate::views::width;

/// A line that is being typed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Prompt {
    text: Vec<char>,
    cursor: usize,
}

impl Prompt {
    /// The text so far.
    pub fn text(&self) -> String {
        self.text.iter().collect()
    }

    /// As much of it as fits into so many columns, with the cursor in it; and the column of the cursor. What is typed scrolls
    /// with its cursor, so that its end is always seen.
    pub fn window(&self, room: usize) -> (String, usize) {
        let mut from = self.cursor;
        let mut column = 0;
        while let Some(wide) = from.checked_sub(1).map(|at| width::of(self.text[at].encode_utf8(&mut [0; 4]))) {
            if column + wide >= room {
                break;
            }
            (from, column) = (from - 1, column + wide);
        }
        let text: String = self.text[from..].iter().collect();
        (width::fitting(&text, room).to_owned(), column)
    }

    /// What is made of it.
    pub fn reading(&self, state: &State) -> Reading {
        read(&self.text(), state)
    }

    /// What can stand where the cursor is, when it is at the end of the line.
    pub fn candidates(&self, state: &State) -> Vec<String> {
        if self.cursor == self.text.len() { candidates(&self.text(), state) } else { Vec::new() }
    }

    /// Takes a key that edits.
    pub fn edit(&mut self, key: Key) {
        match key {
            Key::Char(c) => {
                self.text.insert(self.cursor, c);
                self.cursor += 1;
            }
            Key::Backspace if self.cursor > 0 => {
                self.cursor -= 1;
                self.text.remove(self.cursor);
            }
            Key::Clear => *self = Self::default(),
            Key::Left => self.cursor = self.cursor.saturating_sub(1),
            Key::Right => self.cursor = (self.cursor + 1).min(self.text.len()),
            Key::Home => self.cursor = 0,
            Key::End => self.cursor = self.text.len(),
            Key::Backspace
            | Key::Enter
            | Key::Escape
            | Key::Tab
            | Key::Up
            | Key::Down
            | Key::PageUp
            | Key::PageDown
            | Key::Stop
            | Key::Repaint => {}
        }
    }

    /// Completes the last word as far as it is the only one, or as far as all that fit begin alike.
    pub fn complete(&mut self, state: &State) {
        let fitting = self.candidates(state);
        let Some(first) = fitting.first() else {
            // A word that is whole already is followed by the next one.
            if self.cursor == self.text.len() && self.text.last().is_some_and(|c| !c.is_whitespace()) {
                self.edit(Key::Char(' '));
            }
            return;
        };
        let common = first
            .char_indices()
            .map(|(at, c)| at + c.len_utf8())
            .rfind(|end| fitting.iter().all(|word| word.as_bytes().get(..*end) == first.as_bytes().get(..*end)));
        let word = first.get(..common.unwrap_or(0)).unwrap_or_default();
        let begin = self.text.iter().rposition(|c| c.is_whitespace()).map_or(0, |blank| blank + 1);
        let mut completed: Vec<char> = self.text[..begin].to_vec();
        completed.extend(word.chars());
        if fitting.len() == 1 {
            completed.push(' ');
        }
        // A completion adds: it never takes away what was typed.
        if completed.len() > self.text.len() {
            self.cursor = completed.len();
            self.text = completed;
        }
    }
}
