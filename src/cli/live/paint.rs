//! Lines of tones as a terminal library paints them.

use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line as Row, Span as Cell, Text};

use crate::views::{Line, Tone};

/// Whether tones are painted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Paint {
    /// Each tone has its colour.
    Coloured,
    /// Words alone: the lines say the same.
    Bare,
}

impl Paint {
    /// As standard output wants it.
    pub fn of_output() -> Self {
        if crate::cli::console::is_coloured() { Self::Coloured } else { Self::Bare }
    }

    /// The lines, one row each.
    pub fn text(self, lines: &[Line]) -> Text<'static> {
        let row = |line: &Line| {
            Row::from(line.spans().iter().map(|span| Cell::styled(span.text.clone(), self.style(span.tone))).collect::<Vec<_>>())
        };
        Text::from(lines.iter().map(row).collect::<Vec<_>>())
    }

    fn style(self, tone: Tone) -> Style {
        match (self, tone) {
            (Self::Bare, _) | (Self::Coloured, Tone::Plain) => Style::new(),
            (Self::Coloured, Tone::Strong) => Style::new().add_modifier(Modifier::BOLD),
            (Self::Coloured, Tone::Faint) => Style::new().add_modifier(Modifier::DIM),
            (Self::Coloured, Tone::Good) => Style::new().fg(Color::Green),
            (Self::Coloured, Tone::Active) => Style::new().fg(Color::Cyan),
            (Self::Coloured, Tone::Wait) => Style::new().fg(Color::Yellow),
            (Self::Coloured, Tone::Bad) => Style::new().fg(Color::Red),
            (Self::Coloured, Tone::Glass) => Style::new().fg(Color::Magenta),
        }
    }
}
