//! What goes wrong in a rehearsed night, and which troubles a step can have.

use std::fmt;

use crate::model::{RoleName, StepId};
use crate::plan::{PlannedStep, Section, StepKind, Wait};

/// One thing that goes wrong.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Trouble {
    /// The look before the step finds a blocker.
    Refused(StepId),
    /// Every attempt fails, and the target is untouched.
    Fails(StepId),
    /// Every attempt fails after it changed the target.
    FailsChanged(StepId),
    /// The first attempt changes the target, and its answer is lost.
    AnswerLost(StepId),
    /// The first attempt is lost before it changes anything.
    RequestLost(StepId),
    /// Somebody says no: at a gate, to a task or to a confirmation.
    Rejected(StepId),
    /// Nobody answers before the deadline.
    NobodyAnswers(StepId),
    /// Nobody of this role answers, wherever it is asked.
    Absent(RoleName),
    /// The step takes this many hundredths of its usual time.
    Slow(StepId, u64),
    /// Whatever waits for progress waits in vain.
    Plateau,
    /// The executor dies after this turn; what it had begun at a target still happens, or does not.
    Killed(u32, Rest),
    /// The machine loses power at this operation of its disk.
    PowerCut(u64),
}

/// What becomes of the work that an executor had begun when it died.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Rest {
    /// It still happens at the target.
    Happens,
    /// It never happens.
    IsLost,
}

impl Trouble {
    /// The step that it is about.
    pub const fn step(&self) -> Option<&StepId> {
        match self {
            Self::Refused(step)
            | Self::Fails(step)
            | Self::FailsChanged(step)
            | Self::AnswerLost(step)
            | Self::RequestLost(step)
            | Self::Rejected(step)
            | Self::NobodyAnswers(step)
            | Self::Slow(step, _) => Some(step),
            Self::Absent(_) | Self::Plateau | Self::Killed(..) | Self::PowerCut(_) => None,
        }
    }

    /// Whether a person can mend it, so that a retry meets it no more.
    pub const fn is_mended_by_retry(&self) -> bool {
        match self {
            Self::Refused(_) | Self::Fails(_) | Self::FailsChanged(_) | Self::AnswerLost(_) | Self::RequestLost(_) => true,
            Self::Rejected(_)
            | Self::NobodyAnswers(_)
            | Self::Absent(_)
            | Self::Slow(..)
            | Self::Plateau
            | Self::Killed(..)
            | Self::PowerCut(_) => false,
        }
    }

    /// The word for programs.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::Fails(_) => "fails",
            Self::FailsChanged(_) => "fails_changed",
            Self::AnswerLost(_) => "answer_lost",
            Self::RequestLost(_) => "request_lost",
            Self::Rejected(_) => "rejected",
            Self::NobodyAnswers(_) => "nobody_answers",
            Self::Absent(_) => "absent",
            Self::Slow(..) => "slow",
            Self::Plateau => "plateau",
            Self::Killed(..) => "killed",
            Self::PowerCut(_) => "power_cut",
        }
    }

    /// Every trouble that a step can have.
    pub fn of(planned: &PlannedStep) -> Vec<Self> {
        let step = || planned.id.clone();
        let mut troubles = match (&planned.wait, &planned.kind) {
            (Some(Wait::Approval { deadline, .. } | Wait::Manual { deadline, .. }), _) => {
                let silence = deadline.is_some().then(|| Self::NobodyAnswers(step()));
                std::iter::once(Self::Rejected(step())).chain(silence).collect()
            }
            (Some(Wait::Hold { .. } | Wait::Window), _) | (None, StepKind::Group { .. } | StepKind::Undo(_)) => Vec::new(),
            (None, StepKind::Action | StepKind::Spread { .. }) if planned.mutating => vec![
                Self::Refused(step()),
                Self::Fails(step()),
                Self::FailsChanged(step()),
                Self::AnswerLost(step()),
                Self::RequestLost(step()),
            ],
            (None, StepKind::Action | StepKind::Spread { .. }) => vec![Self::Fails(step())],
        };
        // A step of the way back is reached only by a night that turned back: the rehearsal lets it do so.
        if planned.section == Section::Rollback {
            troubles.retain(|trouble| matches!(trouble, Self::Fails(_) | Self::FailsChanged(_) | Self::Rejected(_)));
        }
        if planned.confirm.is_some() {
            troubles.push(Self::Rejected(step()));
        }
        troubles
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(_) => f.write_str("cannot start: something stands in the way"),
            Self::Fails(_) => f.write_str("fails, nothing changed"),
            Self::FailsChanged(_) => f.write_str("fails after it changed something"),
            Self::AnswerLost(_) => f.write_str("happens, and its answer is lost"),
            Self::RequestLost(_) => f.write_str("is lost before it happens"),
            Self::Rejected(_) => f.write_str("a person says no"),
            Self::NobodyAnswers(_) => f.write_str("nobody answers before the deadline"),
            Self::Absent(role) => write!(f, "nobody of the role {role} is there"),
            Self::Slow(_, hundredths) => write!(f, "takes {}.{:02} times as long", hundredths / 100, hundredths % 100),
            Self::Plateau => f.write_str("what is waited for never moves"),
            Self::Killed(turn, Rest::Happens) => write!(f, "executor killed after turn {turn}, its work still happens"),
            Self::Killed(turn, Rest::IsLost) => write!(f, "executor killed after turn {turn}, its work is lost"),
            Self::PowerCut(operation) => write!(f, "power lost at write {operation} of the journal"),
        }
    }
}
