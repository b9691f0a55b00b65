//! How things end: a run, an attempt, a look at the target after a crash.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a run ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunOutcome {
    /// Every forward step succeeded or was skipped.
    Succeeded,
    /// The run turned back, and every undo it owed was proven.
    RolledBack,
    /// Something is left that only a person can finish; the record says what.
    NeedsAttention,
    /// A person stopped the run without rollback.
    Aborted,
}

impl fmt::Display for RunOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Succeeded => "succeeded",
            Self::RolledBack => "rolled back",
            Self::NeedsAttention => "needs attention",
            Self::Aborted => "aborted",
        })
    }
}

/// Whether a failed attempt can have changed its target.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Touch {
    /// Proven untouched: the failure came before anything was sent.
    Untouched,
    /// Something may have been changed.
    Possible,
}

/// What a read-only look at the target says about an attempt whose end nobody saw.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// The effect is there, whole.
    Applied,
    /// The effect is not there.
    NotApplied,
    /// Some of it is there; the text says what.
    Partial(String),
    /// The look could not tell; the text says why.
    Unknown(String),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Applied => f.write_str("applied"),
            Self::NotApplied => f.write_str("not applied"),
            Self::Partial(what) => write!(f, "partly applied: {what}"),
            Self::Unknown(why) => write!(f, "unknown: {why}"),
        }
    }
}
