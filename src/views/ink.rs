//! Styled text without a terminal: lines of spans, each with a tone. What a tone looks like is decided where it is printed.
//!
//! Words come before colour: a line says the same when every tone is dropped.

use std::fmt;

use super::width;

/// How a stretch of text wants to be seen.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Tone {
    /// As everything else.
    #[default]
    Plain,
    /// What the eye should find first.
    Strong,
    /// What may be overlooked: not reached, long past.
    Faint,
    /// It went well.
    Good,
    /// It is under way.
    Active,
    /// A person or a moment is awaited.
    Wait,
    /// It went wrong.
    Bad,
    /// An emergency was declared: a gate was opened without its quorum.
    Glass,
}

/// A stretch of text with one tone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Span {
    /// The text, without line breaks and control characters.
    pub text: String,
    /// Its tone.
    pub tone: Tone,
}

/// One line of a view.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Line {
    spans: Vec<Span>,
}

impl Tone {
    /// Every tone.
    pub const ALL: [Self; 8] =
        [Self::Plain, Self::Strong, Self::Faint, Self::Good, Self::Active, Self::Wait, Self::Bad, Self::Glass];

    /// The word for programs.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Strong => "strong",
            Self::Faint => "faint",
            Self::Good => "good",
            Self::Active => "active",
            Self::Wait => "wait",
            Self::Bad => "bad",
            Self::Glass => "glass",
        }
    }

    /// The escape sequence that begins it on a terminal; empty for plain text.
    pub const fn ansi(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Strong => "\u{1b}[1m",
            Self::Faint => "\u{1b}[2m",
            Self::Good => "\u{1b}[32m",
            Self::Active => "\u{1b}[36m",
            Self::Wait => "\u{1b}[33m",
            Self::Bad => "\u{1b}[31m",
            Self::Glass => "\u{1b}[35m",
        }
    }
}

impl Line {
    /// An empty line.
    pub const fn new() -> Self {
        Self { spans: Vec::new() }
    }

    /// A line of plain text.
    pub fn plain(text: impl AsRef<str>) -> Self {
        Self::new().and(Tone::Plain, text)
    }

    /// A line of one tone.
    pub fn toned(tone: Tone, text: impl AsRef<str>) -> Self {
        Self::new().and(tone, text)
    }

    /// This line and more text.
    #[must_use]
    pub fn and(mut self, tone: Tone, text: impl AsRef<str>) -> Self {
        let text = clean(text.as_ref());
        if !text.is_empty() {
            self.spans.push(Span { text, tone });
        }
        self
    }

    /// This line, then a cell of at least `width` columns and two spaces after it.
    #[must_use]
    pub fn cell(self, tone: Tone, width: usize, text: impl AsRef<str>) -> Self {
        let text = clean(text.as_ref());
        let gap = " ".repeat(width.saturating_sub(width::of(&text)) + 2);
        self.and(tone, text).and(Tone::Plain, gap)
    }

    /// The spans in order.
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// How many columns it takes.
    pub fn width(&self) -> usize {
        self.spans.iter().map(|span| width::of(&span.text)).sum()
    }

    /// The line in at most `width` columns; `…` stands for what does not fit.
    #[must_use]
    pub fn cut(&self, width: usize) -> Self {
        if self.width() <= width {
            return self.clone();
        }
        let mut cut = Self::new();
        let mut room = width.saturating_sub(1);
        for span in &self.spans {
            let text = width::fitting(&span.text, room);
            // Behind a character that does not fit, nothing stands.
            room = if text.len() < span.text.len() { 0 } else { room - width::of(text) };
            cut = cut.and(span.tone, text);
        }
        if width == 0 { cut } else { cut.and(Tone::Faint, "…") }
    }

    /// This line, then all of another one.
    #[must_use]
    pub fn then(self, other: &Self) -> Self {
        other.spans.iter().fold(self, |line, span| line.and(span.tone, &span.text))
    }

    /// The line in pieces of at most `width` columns; later pieces are indented a little.
    pub fn folded(&self, width: usize) -> Vec<Self> {
        const INDENT: usize = 4;
        let mut pieces = vec![Self::new()];
        let mut room = width;
        for span in &self.spans {
            let mut text = String::new();
            for (grapheme, columns) in width::graphemes(&span.text) {
                if columns > room && width > 2 * INDENT {
                    let piece = std::mem::take(&mut text);
                    Self::push(&mut pieces, span.tone, piece);
                    pieces.push(Self::plain(" ".repeat(INDENT)));
                    room = width - INDENT;
                }
                text.push_str(grapheme);
                room = room.saturating_sub(columns);
            }
            Self::push(&mut pieces, span.tone, text);
        }
        pieces
    }

    /// The line in pieces of at most `width` columns that end between words where they can; later pieces stand a little
    /// further in than the first.
    pub fn wrapped(&self, width: usize) -> Vec<Self> {
        let all: Vec<Glyph<'_>> = self.spans.iter().flat_map(glyphs).collect();
        let margin = all.iter().take_while(|glyph| glyph.text == " ").count();
        let indent = if margin == 0 { 4 } else { margin + 2 };
        if self.width() <= width || width < 3 * indent {
            return self.folded(width.max(1));
        }
        let mut pieces = Vec::new();
        let mut rest = &all[..];
        let mut begin = Self::new();
        let mut room = width;
        while let Some(over) = first_over(rest, room) {
            let blank = rest[..=over].iter().rposition(|glyph| glyph.text == " ").filter(|at| *at > margin && *at > over / 2);
            // A piece takes something, however narrow the screen is.
            let end = blank.unwrap_or(over).max(1);
            pieces.push(std::mem::replace(&mut begin, Self::plain(" ".repeat(indent))).with(&rest[..end]));
            rest = &rest[end..];
            rest = &rest[rest.iter().take_while(|glyph| glyph.text == " ").count()..];
            room = width - indent;
        }
        if !rest.is_empty() {
            pieces.push(begin.with(rest));
        }
        pieces
    }

    /// This line, then these characters.
    fn with(self, glyphs: &[Glyph<'_>]) -> Self {
        glyphs.chunk_by(|a, b| a.tone == b.tone).fold(self, |line, chunk| {
            let tone = chunk.first().map_or(Tone::Plain, |glyph| glyph.tone);
            line.and(tone, chunk.iter().map(|glyph| glyph.text).collect::<String>())
        })
    }

    fn push(pieces: &mut [Self], tone: Tone, text: String) {
        if let (Some(piece), false) = (pieces.last_mut(), text.is_empty()) {
            piece.spans.push(Span { text, tone });
        }
    }

    /// The text without tones and without blanks at its end.
    pub fn text(&self) -> String {
        let text: String = self.spans.iter().map(|span| span.text.as_str()).collect();
        text.trim_end().to_owned()
    }

    /// The text with escape sequences for a terminal.
    pub fn ansi(&self) -> String {
        let mut out = String::new();
        let shown = self.spans.iter().rposition(|span| !span.text.trim().is_empty()).map_or(0, |last| last + 1);
        for (at, span) in self.spans[..shown].iter().enumerate() {
            let text = if at + 1 == shown { span.text.trim_end() } else { &span.text };
            match span.tone.ansi() {
                "" => out.push_str(text),
                _ if text.trim().is_empty() => out.push_str(text),
                begin => out.push_str(&format!("{begin}{text}\u{1b}[0m")),
            }
        }
        out
    }
}

/// One character as a reader sees it.
struct Glyph<'a> {
    text: &'a str,
    columns: usize,
    tone: Tone,
}

fn glyphs(span: &Span) -> impl Iterator<Item = Glyph<'_>> {
    width::graphemes(&span.text).map(|(text, columns)| Glyph { text, columns, tone: span.tone })
}

/// The first of these that does not fit into so many columns.
fn first_over(glyphs: &[Glyph<'_>], columns: usize) -> Option<usize> {
    let mut taken = 0;
    glyphs.iter().position(|glyph| {
        taken += glyph.columns;
        taken > columns
    })
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

/// All lines as text, each with its line break.
pub fn text(lines: &[Line]) -> String {
    lines.iter().map(|line| line.text() + "\n").collect()
}

/// All lines with escape sequences, each with its line break.
pub fn ansi(lines: &[Line]) -> String {
    lines.iter().map(|line| line.ansi() + "\n").collect()
}

/// What comes from outside must not move the cursor or colour the terminal: control characters become visible.
fn clean(text: &str) -> String {
    if !text.chars().any(char::is_control) {
        return text.to_owned();
    }
    text.chars()
        .map(|c| match c {
            '\t' | '\n' | '\r' => ' ',
            c if c.is_control() => '\u{fffd}',
            c => c,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_the_same_without_tones() {
        let line = Line::new().cell(Tone::Good, 8, "done").and(Tone::Faint, "1s");
        assert_eq!(line.text(), "done      1s");
        assert_eq!(line.ansi(), "\u{1b}[32mdone\u{1b}[0m      \u{1b}[2m1s\u{1b}[0m");
    }

    #[test]
    fn prose_breaks_between_words_and_loses_none() {
        let line = Line::plain("  go-live  ").and(Tone::Strong, "dba: 1 of 2, so far bob").and(Tone::Plain, "  13m59s left");
        for width in 9..60 {
            let pieces = line.wrapped(width);
            assert!(pieces.iter().all(|piece| piece.width() <= width), "{width}: {pieces:?}");
            let words = |text: String| text.split_whitespace().collect::<String>();
            assert_eq!(words(pieces.iter().map(|p| p.text() + " ").collect()), words(line.text()), "{width}");
        }
        let shown: Vec<String> = line.wrapped(24).iter().map(Line::text).collect();
        assert_eq!(shown, ["  go-live  dba: 1 of 2,", "    so far bob  13m59s", "    left"]);
    }

    #[test]
    fn foreign_text_cannot_paint_the_terminal() {
        let line = Line::plain("a\u{1b}[31mred\nb");
        assert_eq!(line.text(), "a\u{fffd}[31mred b");
    }
}
