//! The statuses of a step and the one total function between them.
//!
//! Live execution and recovery both go through [`next_status`]; the whole table is printed into a golden file.

use std::fmt;

/// Where a step stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum StepStatus {
    /// Its turn has not come.
    Pending,
    /// It asks persons: an approval or a manual task.
    AwaitingPeople,
    /// It waits for a moment: a hold or the window.
    AwaitingTime,
    /// It may start a new attempt.
    Ready,
    /// An attempt, or its items, are under way.
    Running,
    /// The next attempt waits for its time.
    BackingOff,
    /// Nobody saw the end of its attempt.
    InDoubt,
    /// It failed and waits for a person to retry it, skip it or turn back.
    Held,
    /// It succeeded and waits for its confirmer.
    AwaitingConfirm,
    /// Done and proven.
    Succeeded,
    /// Over without success.
    Failed,
    /// A person said no.
    Rejected,
    /// Passed over; dependents go on.
    Skipped,
    /// Its turn never came, because something before it did not succeed.
    NotReached,
    /// Its undo may start.
    AwaitingUndo,
    /// Its undo is under way.
    Undoing,
    /// Nobody saw the end of its undo.
    UndoInDoubt,
    /// Undone and proven.
    Undone,
    /// Its undo failed; a person has to act.
    UndoFailed,
}

/// What can happen to a step, as far as its status cares.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum StepEvent {
    /// Persons are asked.
    PeopleAsked,
    /// A moment is waited for.
    TimeSet,
    /// One approval more or less; the quorum is not reached.
    VoteCounted,
    /// The quorum is reached, the task reported, the moment come.
    WaitFulfilled,
    /// A deadline passed and the plan says: keep waiting.
    DeadlineNoted,
    /// A person or a deadline said no, and the plan says what that means.
    Refused,
    /// A person or a deadline said no, and a person must say what that means.
    RefusedToHold,
    /// Passed over.
    PassedOver,
    /// A step before it did not succeed.
    ParentLost,
    /// Its items began.
    GroupBegan,
    /// Its items are over, all well.
    GroupSucceeded,
    /// Its items are over, not all well.
    GroupFailed,
    /// Its items are over, not all well, and a person must say what that means.
    GroupFailedToHold,
    /// An attempt began.
    AttemptBegan,
    /// The attempt succeeded.
    AttemptSucceeded,
    /// The attempt succeeded and a confirmer is named.
    AttemptSucceededToConfirm,
    /// The attempt failed for good.
    AttemptFailed,
    /// The attempt failed for good and a person must say what that means.
    AttemptFailedToHold,
    /// The attempt failed and another will follow.
    AttemptFailedToRetry,
    /// Nobody saw the end of the attempt.
    AttemptLost,
    /// The attempt in doubt counts as applied.
    ResolvedApplied,
    /// The attempt in doubt counts as applied and a confirmer is named.
    ResolvedAppliedToConfirm,
    /// The attempt in doubt counts as not applied, or running it again is harmless.
    ResolvedToRetry,
    /// The attempt in doubt counts as failed for good.
    ResolvedFailed,
    /// The attempt in doubt is partly applied: a person must say what that means.
    ResolvedToHold,
    /// A person ordered another attempt.
    RetryOrdered,
    /// The confirmer confirmed.
    Confirmed,
    /// The run turned back or was aborted.
    TurnedBack,
    /// The run was taken up again: this undo, or this step of the way back, gets another chance.
    Reopened,
    /// The undo began.
    UndoBegan,
    /// The undo succeeded.
    UndoSucceeded,
    /// The undo failed.
    UndoFailed,
    /// Nobody saw the end of the undo.
    UndoLost,
    /// A person says that it is undone.
    UndoResolvedDone,
    /// A person says that it is not undone: it may be tried again.
    UndoResolvedOpen,
}

impl StepStatus {
    /// Every status.
    pub const ALL: [Self; 19] = [
        Self::Pending,
        Self::AwaitingPeople,
        Self::AwaitingTime,
        Self::Ready,
        Self::Running,
        Self::BackingOff,
        Self::InDoubt,
        Self::Held,
        Self::AwaitingConfirm,
        Self::Succeeded,
        Self::Failed,
        Self::Rejected,
        Self::Skipped,
        Self::NotReached,
        Self::AwaitingUndo,
        Self::Undoing,
        Self::UndoInDoubt,
        Self::Undone,
        Self::UndoFailed,
    ];

    /// Whether dependents may start after it.
    pub const fn satisfies(self) -> bool {
        matches!(self, Self::Succeeded | Self::Skipped)
    }

    /// Whether the step is over, as far as going forward is concerned.
    pub const fn is_over(self) -> bool {
        match self {
            Self::Succeeded
            | Self::Failed
            | Self::Rejected
            | Self::Skipped
            | Self::NotReached
            | Self::AwaitingUndo
            | Self::Undoing
            | Self::UndoInDoubt
            | Self::Undone
            | Self::UndoFailed => true,
            Self::Pending
            | Self::AwaitingPeople
            | Self::AwaitingTime
            | Self::Ready
            | Self::Running
            | Self::BackingOff
            | Self::InDoubt
            | Self::Held
            | Self::AwaitingConfirm => false,
        }
    }

    /// Whether only a person can move it on.
    pub const fn needs_person(self) -> bool {
        matches!(
            self,
            Self::AwaitingPeople | Self::InDoubt | Self::Held | Self::AwaitingConfirm | Self::UndoInDoubt | Self::UndoFailed
        )
    }

    /// The word for people.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::AwaitingPeople => "awaiting people",
            Self::AwaitingTime => "awaiting time",
            Self::Ready => "ready",
            Self::Running => "running",
            Self::BackingOff => "backing off",
            Self::InDoubt => "in doubt",
            Self::Held => "held",
            Self::AwaitingConfirm => "awaiting confirmation",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::Skipped => "skipped",
            Self::NotReached => "not reached",
            Self::AwaitingUndo => "awaiting undo",
            Self::Undoing => "undoing",
            Self::UndoInDoubt => "undo in doubt",
            Self::Undone => "undone",
            Self::UndoFailed => "undo failed",
        }
    }
}

impl fmt::Display for StepStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl StepEvent {
    /// Every event.
    pub const ALL: [Self; 35] = [
        Self::PeopleAsked,
        Self::TimeSet,
        Self::VoteCounted,
        Self::WaitFulfilled,
        Self::DeadlineNoted,
        Self::Refused,
        Self::RefusedToHold,
        Self::PassedOver,
        Self::ParentLost,
        Self::GroupBegan,
        Self::GroupSucceeded,
        Self::GroupFailed,
        Self::GroupFailedToHold,
        Self::AttemptBegan,
        Self::AttemptSucceeded,
        Self::AttemptSucceededToConfirm,
        Self::AttemptFailed,
        Self::AttemptFailedToHold,
        Self::AttemptFailedToRetry,
        Self::AttemptLost,
        Self::ResolvedApplied,
        Self::ResolvedAppliedToConfirm,
        Self::ResolvedToRetry,
        Self::ResolvedFailed,
        Self::ResolvedToHold,
        Self::RetryOrdered,
        Self::Confirmed,
        Self::TurnedBack,
        Self::Reopened,
        Self::UndoBegan,
        Self::UndoSucceeded,
        Self::UndoFailed,
        Self::UndoLost,
        Self::UndoResolvedDone,
        Self::UndoResolvedOpen,
    ];
}

/// The status after `event`, or `None` where the event cannot happen in this status.
pub const fn next_status(status: StepStatus, event: StepEvent) -> Option<StepStatus> {
    use StepEvent as E;
    use StepStatus as S;
    Some(match (status, event) {
        // Waits of the engine.
        (S::Pending | S::Ready, E::PeopleAsked) => S::AwaitingPeople,
        (S::Pending | S::Ready, E::TimeSet) => S::AwaitingTime,
        (S::AwaitingPeople, E::VoteCounted | E::DeadlineNoted) => S::AwaitingPeople,
        (S::AwaitingPeople | S::AwaitingTime, E::WaitFulfilled) => S::Succeeded,
        (S::AwaitingPeople | S::AwaitingTime, E::Refused) => S::Rejected,
        (S::AwaitingPeople | S::AwaitingTime | S::AwaitingConfirm, E::RefusedToHold) => S::Held,
        (S::AwaitingConfirm, E::Refused) => S::Failed,
        (S::AwaitingConfirm, E::Confirmed) => S::Succeeded,

        // Passing over.
        (S::Pending | S::Ready | S::BackingOff | S::Held | S::AwaitingPeople | S::AwaitingTime, E::PassedOver) => S::Skipped,
        (S::Pending, E::ParentLost | E::TurnedBack) => S::NotReached,

        // Groups.
        (S::Pending | S::Ready, E::GroupBegan) => S::Running,
        (S::Pending | S::Running, E::GroupSucceeded) => S::Succeeded,
        (S::Pending | S::Running, E::GroupFailed) => S::Failed,
        (S::Pending | S::Running, E::GroupFailedToHold) => S::Held,

        // Attempts. A failure may come before the attempt began: its preparation failed.
        (S::Pending | S::Ready | S::BackingOff, E::AttemptBegan) => S::Running,
        (S::Running, E::AttemptSucceeded) => S::Succeeded,
        (S::Running, E::AttemptSucceededToConfirm) => S::AwaitingConfirm,
        (S::Pending | S::Ready | S::BackingOff | S::Running, E::AttemptFailed) => S::Failed,
        (S::Pending | S::Ready | S::BackingOff | S::Running, E::AttemptFailedToHold) => S::Held,
        (S::Pending | S::Ready | S::BackingOff | S::Running, E::AttemptFailedToRetry) => S::BackingOff,
        (S::Running, E::AttemptLost) => S::InDoubt,

        // In doubt. A held step can be resolved too: a person knows what its failed attempt left.
        (S::InDoubt | S::Held, E::ResolvedApplied) => S::Succeeded,
        (S::InDoubt | S::Held, E::ResolvedAppliedToConfirm) => S::AwaitingConfirm,
        (S::InDoubt, E::ResolvedToRetry) => S::Ready,
        (S::InDoubt | S::Held, E::ResolvedFailed) => S::Failed,
        (S::InDoubt | S::Held, E::ResolvedToHold) => S::Held,
        (S::Held | S::BackingOff, E::RetryOrdered) => S::Ready,

        // Turning back. What is under way finishes first; what is over stays.
        (S::AwaitingPeople | S::AwaitingTime, E::TurnedBack) => S::NotReached,
        (S::Ready | S::BackingOff | S::Held, E::TurnedBack) => S::Failed,
        (S::AwaitingConfirm, E::TurnedBack) => S::Succeeded,
        (S::Running | S::InDoubt, E::TurnedBack) => status,
        (S::Succeeded | S::Failed | S::Rejected | S::Skipped | S::NotReached, E::TurnedBack) => status,

        // Undo covers what succeeded, failed, was skipped after an attempt, or is in doubt.
        (S::Succeeded | S::Failed | S::Rejected | S::Skipped | S::InDoubt | S::AwaitingUndo, E::UndoBegan) => S::Undoing,
        (S::Undoing, E::UndoSucceeded) => S::Undone,
        (S::Undoing, E::UndoFailed) => S::UndoFailed,
        (S::Undoing, E::UndoLost) => S::UndoInDoubt,
        (S::UndoInDoubt | S::UndoFailed, E::UndoResolvedDone) => S::Undone,
        (S::UndoInDoubt | S::UndoFailed, E::UndoResolvedOpen | E::RetryOrdered | E::Reopened) => S::AwaitingUndo,

        // Taking a run up again.
        (S::Failed | S::Rejected | S::NotReached | S::Skipped | S::Succeeded, E::Reopened) => S::Pending,

        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn over_means_no_more_attempts() {
        for status in StepStatus::ALL.into_iter().filter(|s| s.is_over() && *s != StepStatus::AwaitingUndo) {
            assert_eq!(next_status(status, StepEvent::AttemptBegan), None, "{status} starts an attempt");
        }
    }

    #[test]
    fn undone_is_the_end() {
        for event in StepEvent::ALL {
            assert_eq!(next_status(StepStatus::Undone, event), None, "{event:?} leaves undone");
        }
    }

    #[test]
    fn every_status_can_be_reached_and_every_event_can_happen() {
        let mut reached = std::collections::BTreeSet::from([StepStatus::Pending]);
        let mut happened = std::collections::BTreeSet::new();
        loop {
            let before = (reached.len(), happened.len());
            for status in reached.clone() {
                for event in StepEvent::ALL {
                    if let Some(next) = next_status(status, event) {
                        reached.insert(next);
                        happened.insert(event);
                    }
                }
            }
            if before == (reached.len(), happened.len()) {
                break;
            }
        }
        assert_eq!(reached.len(), StepStatus::ALL.len());
        assert_eq!(happened.len(), StepEvent::ALL.len());
    }
}
