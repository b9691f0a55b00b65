//! The small live view on a terminal: a calm frame at the bottom, what happened in the scrollback above it.

use std::io::{self, Stdout, stdout};
use std::time::{Duration, Instant};

use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use ratatui::backend::{Backend as _, ClearType, CrosstermBackend};
use ratatui::text::Text;
use ratatui::widgets::{Paragraph, Widget};
use ratatui::{Terminal, TerminalOptions, Viewport};
use tokio_util::sync::CancellationToken;

use super::paint::Paint;
use crate::cli::desk::now;
use crate::cli::lines::{Detail, Lines};
use crate::engine::Observer;
use crate::model::Timestamp;
use crate::run::{Record, State};
use crate::views::live::{self, Mood};
use crate::views::{Invocation, Line};

/// Frames are drawn no oftener than this, however fast records come.
const BETWEEN_FRAMES: Duration = Duration::from_millis(80);

/// The frame never takes more of the terminal than this part.
const SHARE: (u16, u16) = (3, 4);

/// A live view that is open.
pub struct Live {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    lines: Lines,
    how: Invocation,
    stop: CancellationToken,
    waiting: Vec<Line>,
    drawn: Option<Instant>,
    height: u16,
    paint: Paint,
    _quiet: Option<QuietKeys>,
}

impl Live {
    /// Opens the view below the cursor.
    ///
    /// # Errors
    /// When this is no terminal that can be drawn on.
    pub fn open(state: &State, how: &Invocation, detail: Detail, stop: &CancellationToken) -> io::Result<Self> {
        let (columns, rows) = ratatui::crossterm::terminal::size()?;
        if !is_roomy(columns, rows) {
            return Err(io::Error::other(format!("it has {columns} columns and {rows} rows")));
        }
        let most = (rows.saturating_mul(SHARE.0) / SHARE.1).max(6);
        let height = u16::try_from(live::wished_height(state)).unwrap_or(u16::MAX).min(most);
        let quiet = QuietKeys::new();
        let options = TerminalOptions { viewport: Viewport::Inline(height) };
        let terminal = Terminal::with_options(CrosstermBackend::new(stdout()), options)?;
        Ok(Self {
            terminal,
            lines: Lines::new(state, how, detail),
            how: how.clone(),
            stop: stop.clone(),
            waiting: Vec::new(),
            drawn: None,
            height,
            paint: Paint::of_output(),
            _quiet: quiet,
        })
    }

    /// Takes the frame away; the scrollback stays. A terminal that went away changes nothing about how the run ended.
    pub fn close(&mut self) {
        let _ = self.take_away();
    }

    fn take_away(&mut self) -> io::Result<()> {
        self.flush()?;
        // `Terminal::clear` would ask the terminal where its cursor is, and wait for the answer.
        let top = self.terminal.get_frame().area().as_position();
        self.terminal.set_cursor_position(top)?;
        self.terminal.backend_mut().clear_region(ClearType::AfterCursor)?;
        self.terminal.show_cursor()
    }

    fn draw(&mut self, state: &State, now: Timestamp) -> io::Result<()> {
        let size = self.terminal.size()?;
        if !is_roomy(size.width, size.height) {
            return Ok(());
        }
        self.flush()?;
        let mood = if self.stop.is_cancelled() { Mood::Suspending } else { Mood::Driving };
        let frame = live::frame(state, now, usize::from(self.height), mood, &self.how);
        // What is wider than the terminal goes on in the next row: a command that is cut cannot be typed.
        let folded: Vec<Line> = frame.iter().flat_map(|line| line.folded(usize::from(size.width))).collect();
        let text = self.rows(&folded);
        self.terminal.draw(|area| area.render_widget(Paragraph::new(text), area.area()))?;
        self.drawn = Some(Instant::now());
        Ok(())
    }

    /// Moves what happened into the scrollback.
    fn flush(&mut self) -> io::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let waiting = std::mem::take(&mut self.waiting);
        for lines in waiting.chunks(200) {
            let width = usize::from(self.terminal.size()?.width).max(1);
            let folded: Vec<Line> = lines.iter().flat_map(|line| line.folded(width)).collect();
            let height = u16::try_from(folded.len()).unwrap_or(u16::MAX);
            let text = self.rows(&folded);
            self.terminal.insert_before(height, |buffer| Paragraph::new(text).render(buffer.area, buffer))?;
        }
        Ok(())
    }

    fn rows(&self, lines: &[Line]) -> Text<'static> {
        self.paint.text(lines)
    }
}

impl Observer for Live {
    fn recorded(&mut self, state: &State, records: &[Record]) {
        self.waiting.extend(self.lines.bare(records));
        if self.drawn.is_none_or(|at| at.elapsed() >= BETWEEN_FRAMES) {
            // A terminal that went away is no reason to stop a run.
            let _ = self.draw(state, now());
        }
    }

    fn tick(&mut self, state: &State, now: Timestamp) {
        let _ = self.draw(state, now);
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let _ = self.terminal.show_cursor();
    }
}

/// Keys typed meanwhile are not echoed into the frame; signals still work.
struct QuietKeys(Termios);

impl QuietKeys {
    fn new() -> Option<Self> {
        let before = tcgetattr(io::stdin()).ok()?;
        let mut quiet = before.clone();
        quiet.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(io::stdin(), SetArg::TCSANOW, &quiet).ok()?;
        Some(Self(before))
    }
}

impl Drop for QuietKeys {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), SetArg::TCSAFLUSH, &self.0);
    }
}

/// Whether a frame fits at all. On less, nothing is drawn, and lines wait until there is room again.
const fn is_roomy(columns: u16, rows: u16) -> bool {
    columns >= 20 && rows >= 8
}
