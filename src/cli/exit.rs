//! What the exit code of each command means: one table, which `docs/cli.md` repeats and a test holds equal.

use std::process::ExitCode;

use crate::engine::EngineError;
use crate::model::RunOutcome;

/// An end of the program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// Done; for a run: succeeded.
    Done,
    /// It could not be done.
    Failed,
    /// The command line is wrong.
    Usage,
    /// The runbook is wrong.
    InvalidRunbook,
    /// The run rolled back.
    RolledBack,
    /// The run needs attention.
    NeedsAttention,
    /// The run was aborted.
    Aborted,
    /// The journal failed or is damaged.
    JournalFailed,
    /// The run refused the order.
    Refused,
    /// The executor let go of the run.
    Suspended,
    /// Less is proven than was asked for.
    Weaker,
    /// Somebody else has the run or its target.
    Busy,
    /// The record was changed.
    Tampered,
    /// The record is none.
    Malformed,
}

impl Exit {
    /// Every end, by number.
    pub const ALL: [Self; 14] = [
        Self::Done,
        Self::Failed,
        Self::Usage,
        Self::InvalidRunbook,
        Self::RolledBack,
        Self::NeedsAttention,
        Self::Aborted,
        Self::JournalFailed,
        Self::Refused,
        Self::Suspended,
        Self::Weaker,
        Self::Busy,
        Self::Tampered,
        Self::Malformed,
    ];

    /// The number that the shell sees.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::InvalidRunbook => 3,
            Self::RolledBack => 4,
            Self::NeedsAttention => 5,
            Self::Aborted => 6,
            Self::JournalFailed => 7,
            Self::Refused => 8,
            Self::Suspended => 9,
            Self::Weaker => 10,
            Self::Busy => 11,
            Self::Tampered => 20,
            Self::Malformed => 30,
        }
    }

    /// What it means, in one line.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done; of `run` and `resume`: the run succeeded; of `audit verify`: the record holds",
            Self::Failed => "it could not be done: no such run, a file that cannot be read, an executor that does not answer",
            Self::Usage => "the command line is wrong",
            Self::InvalidRunbook => "the runbook, its roster or its parameters are wrong; nothing was started",
            Self::RolledBack => "the run rolled back, and every undo was proven",
            Self::NeedsAttention => {
                "the run needs attention: something is left that only a person can finish; of `rehearse`: a finding; of `run --dry-run`: something is in the way"
            }
            Self::Aborted => "the run was aborted: nothing was undone",
            Self::JournalFailed => "the journal failed or is damaged: nothing new was started after that",
            Self::Refused => "the run refused the order: not applicable now, or forbidden to this person",
            Self::Suspended => "the executor stopped in good order; the run is not over and can be resumed",
            Self::Weaker => {
                "of `audit verify`: nothing was changed as far as can be seen, but less is proven than the policy asks for"
            }
            Self::Busy => "another executor drives the run, or another run uses one of its targets",
            Self::Tampered => "of `audit verify`: the record was changed or damaged after it was written",
            Self::Malformed => "of `audit verify`: this is no record that can be verified",
        }
    }

    /// How a run ended.
    pub const fn of_outcome(outcome: RunOutcome) -> Self {
        match outcome {
            RunOutcome::Succeeded => Self::Done,
            RunOutcome::RolledBack => Self::RolledBack,
            RunOutcome::NeedsAttention => Self::NeedsAttention,
            RunOutcome::Aborted => Self::Aborted,
        }
    }

    /// The end that an error means.
    pub fn of_error(error: &anyhow::Error) -> Self {
        match error.chain().find_map(|cause| cause.downcast_ref::<EngineError>()) {
            Some(error) => Self::of_engine(error),
            None => Self::Failed,
        }
    }

    const fn of_engine(error: &EngineError) -> Self {
        match error {
            EngineError::Busy { .. } | EngineError::TargetBusy { .. } => Self::Busy,
            EngineError::Plan(_)
            | EngineError::Open(_)
            | EngineError::Read(_)
            | EngineError::Fold(_)
            | EngineError::Journal { .. } => Self::JournalFailed,
            EngineError::Unrecognised(_) => Self::Refused,
            EngineError::RunNotFound { .. }
            | EngineError::RunExists(_)
            | EngineError::NoAnswer(_)
            | EngineError::Unbegun
            | EngineError::NoWitness(_)
            | EngineError::Io { .. }
            | EngineError::NoHome => Self::Failed,
        }
    }

    /// The table of `docs/cli.md`.
    pub fn table() -> String {
        let rows = Self::ALL.map(|exit| format!("| {} | {} |\n", exit.code(), exit.meaning()));
        format!("| code | meaning |\n|---|---|\n{}", rows.concat())
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_rise() {
        assert!(Exit::ALL.windows(2).all(|pair| pair[0].code() < pair[1].code()));
    }
}
