//! What a rehearsal is asked to let go wrong.

use crate::model::{RoleName, Span, StepId};

/// What is asked to go wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wishes {
    /// These steps fail, in every way that they can; one night each.
    pub fail: Steps,
    /// The undos of these steps fail, in every way that they can; one night each.
    pub fail_undo: Steps,
    /// The executor dies at every turn, and the power goes at every write of its journal.
    pub crash: bool,
    /// Nobody of these roles answers, in every night.
    pub absent: Vec<RoleName>,
    /// These steps take this many hundredths of their time, in every night.
    pub slow: Vec<(StepId, u64)>,
    /// Whatever waits for progress waits in vain, in every night.
    pub plateau: bool,
    /// How many nights are drawn, each with troubles of its own.
    pub seeds: u64,
    /// How long people take to answer.
    pub answer: Span,
}

/// Which steps.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Steps {
    /// These.
    These(Vec<StepId>),
    /// Each of the plan.
    Each,
}

impl Steps {
    /// None of them.
    pub const fn none() -> Self {
        Self::These(Vec::new())
    }

    pub(super) fn has(&self, id: &StepId) -> bool {
        match self {
            Self::Each => true,
            Self::These(ids) => ids.contains(id),
        }
    }
}

impl Default for Wishes {
    fn default() -> Self {
        Self {
            fail: Steps::none(),
            fail_undo: Steps::none(),
            crash: false,
            absent: Vec::new(),
            slow: Vec::new(),
            plateau: false,
            seeds: 0,
            answer: Span::from_secs(120),
        }
    }
}
