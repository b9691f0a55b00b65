//! The views of a run on a terminal: a full screen, a small frame below the lines, or the lines alone.

mod aside;
mod backlog;
mod errands;
mod full;
mod inline;
mod keys;
mod paint;
mod source;
mod stage;

pub use backlog::Backlog;
pub use full::{Full, Setting, Told};
pub use inline::Live;
pub use source::Source;
pub use stage::give_back;

use std::io::{self, IsTerminal};

use clap::ValueEnum;

/// How a run is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum ViewKind {
    /// A full screen with a line for orders; the lines stand in the scrollback when it ends
    Full,
    /// A small frame below the lines
    Inline,
    /// One line per event
    Plain,
}

impl ViewKind {
    /// What is shown where nothing was chosen: the full screen where somebody sits at a terminal that can be drawn on.
    pub fn usual() -> Self {
        let can_draw = std::env::var_os("TERM").is_some_and(|term| !term.is_empty() && term != "dumb");
        if can_draw { Self::Full } else { Self::Plain }
    }

    /// This, where there is a terminal at both ends; one line per event elsewhere.
    #[must_use]
    pub fn here(self) -> Self {
        if io::stdout().is_terminal() && io::stdin().is_terminal() { self } else { Self::Plain }
    }
}
