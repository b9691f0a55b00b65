//! The lines that a run would have printed without a full-screen view: kept while the view is open, printed when it is not.

use std::sync::{Arc, Mutex, PoisonError};

use crate::cli::console;
use crate::views::Line;

/// Lines that wait for the terminal. Whoever ends the process early prints them too.
#[derive(Clone, Debug, Default)]
pub struct Backlog(Arc<Mutex<Vec<Line>>>);

impl Backlog {
    /// Keeps lines.
    pub fn keep(&self, lines: Vec<Line>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(lines);
    }

    /// Prints what is kept, once. Nobody reading any more is no reason to stop a run.
    pub fn print(&self) {
        let lines = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let _ = console::print_lines(&lines);
    }
}
