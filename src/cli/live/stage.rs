//! The terminal while a full-screen view has it: taken in good order, and given back whatever happens.
//!
//! It is not put into raw mode: Ctrl-C stays a signal, so that it works also when the view hangs with its terminal.

use std::io::{self, Stdout, Write as _, stdout};
use std::sync::{Mutex, MutexGuard, Once, TryLockError};
use std::time::{Duration, Instant};

use nix::sys::termios::{InputFlags, LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcgetattr, tcsetattr};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen};
use ratatui::crossterm::{cursor, execute};
use ratatui::widgets::Paragraph;

use super::paint::Paint;
use crate::cli::console;
use crate::views::screen::Frame;

/// How the terminal was before it was taken; nothing while nobody has it.
static TAKEN: Mutex<Option<Termios>> = Mutex::new(None);

/// How long whoever gives the terminal back waits for a frame that is being written.
const PATIENCE: Duration = Duration::from_millis(500);

/// A terminal that a view has.
pub struct Stage {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    paint: Paint,
}

impl Stage {
    /// Takes the terminal.
    ///
    /// # Errors
    /// When this is no terminal that can be drawn on.
    pub fn take() -> io::Result<Self> {
        restore_before_panics();
        let before = tcgetattr(io::stdin())?;
        let mut ours = before.clone();
        // No echo and no lines, and no Ctrl-S that would hold the view. Ctrl-Z and Ctrl-\ come as keys, so that nothing stops
        // half way and nothing dies with the terminal taken.
        ours.local_flags.remove(LocalFlags::ECHO | LocalFlags::ICANON | LocalFlags::IEXTEN);
        ours.input_flags.remove(InputFlags::IXON);
        ours.control_chars[SpecialCharacterIndices::VMIN as usize] = 1;
        ours.control_chars[SpecialCharacterIndices::VTIME as usize] = 0;
        ours.control_chars[SpecialCharacterIndices::VSUSP as usize] = 0;
        ours.control_chars[SpecialCharacterIndices::VQUIT as usize] = 0;
        console::hold_errors();
        let mut taken = lock();
        let opened = tcsetattr(io::stdin(), SetArg::TCSANOW, &ours)
            .map_err(io::Error::from)
            .and_then(|()| execute!(stdout(), EnterAlternateScreen, EnableBracketedPaste, cursor::Hide));
        *taken = Some(before);
        drop(taken);
        let terminal = opened.and_then(|()| Terminal::new(CrosstermBackend::new(stdout())));
        let terminal = terminal.inspect_err(|_| give_back())?;
        let mut stage = Self { terminal, paint: Paint::of_output() };
        stage.repaint()?;
        Ok(stage)
    }

    /// How large it is now, in columns and rows.
    ///
    /// # Errors
    /// When the terminal went away.
    pub fn size(&self) -> io::Result<(u16, u16)> {
        let size = self.terminal.size()?;
        Ok((size.width, size.height))
    }

    /// Forgets what is painted, so that the next frame paints all of it.
    ///
    /// # Errors
    /// When the terminal went away.
    pub fn repaint(&mut self) -> io::Result<()> {
        self.terminal.clear()
    }

    /// Paints a frame, if the terminal was not given back meanwhile.
    ///
    /// # Errors
    /// When the terminal went away.
    pub fn draw(&mut self, frame: &Frame) -> io::Result<()> {
        let taken = lock();
        if taken.is_none() {
            return Err(io::Error::other("the terminal was given back"));
        }
        let text = self.paint.text(&frame.lines);
        self.terminal.draw(|area| {
            area.render_widget(Paragraph::new(text), area.area());
            if let Some((column, row)) = frame.cursor {
                let at = |place: usize| u16::try_from(place).unwrap_or(u16::MAX);
                area.set_cursor_position((at(column), at(row)));
            }
        })?;
        Ok(())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        give_back();
    }
}

/// Gives the terminal back as it was. Safe to call at any time, from anywhere, and again.
pub fn give_back() {
    let end = Instant::now() + PATIENCE;
    let taken = loop {
        match TAKEN.try_lock() {
            Ok(mut taken) => break taken.take(),
            Err(TryLockError::Poisoned(poisoned)) => break poisoned.into_inner().take(),
            // A frame is being written. A terminal that takes it no more takes nothing else either.
            Err(TryLockError::WouldBlock) if Instant::now() < end => std::thread::sleep(Duration::from_millis(5)),
            Err(TryLockError::WouldBlock) => break None,
        }
    };
    if let Some(before) = taken {
        let _ = execute!(stdout(), DisableBracketedPaste, LeaveAlternateScreen, cursor::Show);
        let _ = stdout().flush();
        let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, &before);
        console::release_errors();
    }
}

fn lock() -> MutexGuard<'static, Option<Termios>> {
    TAKEN.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A panic is told on the screen that stays, and not on the one that goes away.
fn restore_before_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            give_back();
            before(panic);
        }));
    });
}
