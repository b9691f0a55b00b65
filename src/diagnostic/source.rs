//! A text that diagnostics point into, and a stretch of it.

use std::sync::Arc;

/// A stretch of a source text in bytes, end excluded.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct SourceSpan {
    /// The first byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl SourceSpan {
    /// A stretch from `start` up to `end`; an end before the start gives an empty stretch.
    pub const fn new(start: usize, end: usize) -> Self {
        Self { start, end: if end < start { start } else { end } }
    }
}

/// A named text.
#[derive(Clone, Debug)]
pub struct Source {
    /// The name that diagnostics print, as the user gave it.
    pub name: Arc<str>,
    /// The whole text.
    pub text: Arc<str>,
}

impl Source {
    /// A text with the name under which the user knows it.
    pub fn new(name: impl AsRef<str>, text: impl AsRef<str>) -> Self {
        Self { name: Arc::from(name.as_ref()), text: Arc::from(text.as_ref()) }
    }

    /// Line and column of a byte, both from 1; the column counts characters. For many places, ask [`Source::lines`] once.
    pub fn line_column(&self, byte: usize) -> (usize, usize) {
        self.lines().line_column(byte)
    }

    /// Where each line begins.
    pub fn lines(&self) -> Lines<'_> {
        let starts = std::iter::once(0).chain(self.text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Lines { source: self, starts }
    }

    fn floor(&self, byte: usize) -> usize {
        let mut byte = byte.min(self.text.len());
        while !self.text.is_char_boundary(byte) {
            byte -= 1;
        }
        byte
    }
}

/// The lines of a source, found once.
#[derive(Clone, Debug)]
pub struct Lines<'a> {
    source: &'a Source,
    starts: Vec<usize>,
}

impl Lines<'_> {
    /// Line and column of a byte, both from 1; the column counts characters.
    pub fn line_column(&self, byte: usize) -> (usize, usize) {
        let byte = self.source.floor(byte);
        let line = self.line(byte);
        (line, self.source.text[self.starts[line - 1]..byte].chars().count() + 1)
    }

    /// The whole lines that `span` touches, without the last line break, and the number of the first, from 1.
    pub fn around(&self, span: SourceSpan) -> (SourceSpan, usize) {
        let (first, last) = (self.line(span.start.min(self.source.text.len())), self.line(span.end.min(self.source.text.len())));
        let end = self.starts.get(last).map_or(self.source.text.len(), |next| next - 1);
        (SourceSpan::new(self.starts[first - 1], end), first)
    }

    fn line(&self, byte: usize) -> usize {
        self.starts.partition_point(|start| *start <= byte)
    }
}
