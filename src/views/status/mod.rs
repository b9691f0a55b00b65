//! Where a run stands: as text for a person, as JSON for a program.

mod json;
mod text;

pub use json::{brief, json, status_word};
pub use text::{awaited, heading, text, turning_back};
pub(super) use text::{doing, next, window};

use crate::run::{Phase, State};

/// What the state alone cannot know about a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Life {
    /// An executor drives it now.
    Driven,
    /// Nobody drives it; it goes on with `resume`.
    Left,
    /// It is shown as it was after an earlier record.
    Past,
}

/// The word for the phase, stable in JSON.
pub const fn phase_word(phase: Phase) -> &'static str {
    match phase {
        Phase::New => "new",
        Phase::Forward => "forward",
        Phase::RollingBack => "rolling_back",
        Phase::Aborting => "aborting",
        Phase::Finally(_) => "finally",
        Phase::Ended(_) => "ended",
    }
}

/// Whether nothing more will happen by itself.
pub fn is_over(state: &State) -> bool {
    matches!(state.phase(), Phase::Ended(_))
}
