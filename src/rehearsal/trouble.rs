//! What goes wrong in a rehearsed night, and which troubles a step can have.

use std::fmt;

use crate::model::{RoleName, StepId};
use crate::plan::{PlannedStep, PlannedUndo, Section, StepKind, Wait};

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
    /// Every undo of the step fails, and nothing is undone, until a person does this about it.
    UndoFails(StepId, Remedy),
    /// The first undo of the step happens, and its answer is lost.
    UndoAnswerLost(StepId),
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

/// What people do about an undo that fails.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Remedy {
    /// They mend what is in its way and order it again.
    TriedAgain,
    /// They undo it by hand and say so.
    DoneByHand,
    /// They cannot, and end the way back as it is.
    GivenUp,
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
            | Self::UndoFails(step, _)
            | Self::UndoAnswerLost(step)
            | Self::Slow(step, _) => Some(step),
            Self::Absent(_) | Self::Plateau | Self::Killed(..) | Self::PowerCut(_) => None,
        }
    }

    /// Whether a person can mend it, so that a retry meets it no more.
    pub const fn is_mended_by_retry(&self) -> bool {
        match self {
            Self::Refused(_) | Self::Fails(_) | Self::FailsChanged(_) | Self::AnswerLost(_) | Self::RequestLost(_) => true,
            Self::UndoFails(_, remedy) => matches!(remedy, Remedy::TriedAgain),
            Self::UndoAnswerLost(_)
            | Self::Rejected(_)
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
            Self::UndoFails(_, Remedy::TriedAgain) => "undo_fails_tried_again",
            Self::UndoFails(_, Remedy::DoneByHand) => "undo_fails_done_by_hand",
            Self::UndoFails(_, Remedy::GivenUp) => "undo_fails_given_up",
            Self::UndoAnswerLost(_) => "undo_answer_lost",
            Self::Rejected(_) => "rejected",
            Self::NobodyAnswers(_) => "nobody_answers",
            Self::Absent(_) => "absent",
            Self::Slow(..) => "slow",
            Self::Plateau => "plateau",
            Self::Killed(..) => "killed",
            Self::PowerCut(_) => "power_cut",
        }
    }

    /// Every trouble that the undo of a step can have; none where the way back does not undo it.
    pub fn of_undo(planned: &PlannedStep) -> Vec<Self> {
        let owes = planned.section == Section::Forward && planned.mutating && planned.group.is_none();
        if !owes || !matches!(planned.undo, PlannedUndo::Auto | PlannedUndo::Action { .. }) {
            return Vec::new();
        }
        let step = || planned.id.clone();
        let fails = [Remedy::TriedAgain, Remedy::DoneByHand, Remedy::GivenUp].map(|remedy| Self::UndoFails(step(), remedy));
        fails.into_iter().chain([Self::UndoAnswerLost(step())]).collect()
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
            Self::UndoFails(_, Remedy::TriedAgain) => f.write_str("its undo fails; mended and tried again"),
            Self::UndoFails(_, Remedy::DoneByHand) => f.write_str("its undo fails; undone by hand"),
            Self::UndoFails(_, Remedy::GivenUp) => f.write_str("its undo fails; given up"),
            Self::UndoAnswerLost(_) => f.write_str("its undo happens, and its answer is lost"),
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
