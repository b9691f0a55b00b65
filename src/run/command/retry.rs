//! `retry`: another attempt of a step that waits for a person, or of an undo that failed.

use super::{Decision, accepted, already_done, does_not_fit};
use crate::model::{Actor, Finding};
use crate::plan::StepKind;
use crate::run::{Event, Instance, Phase, RollbackCause, State, StepStatus};

pub(super) fn decide(state: &State, i: Instance, by: &Actor) -> Decision {
    let (step, status) = (state.id(i).clone(), state.step(i).status);
    let is_group = !matches!(state.planned(i).kind, StepKind::Action) && !state.is_spawned(i);
    match status {
        StepStatus::Held if is_group && !state.children(i).is_empty() => {
            does_not_fit(state, i, status, "its items are over; skip it or roll back")
        }
        StepStatus::Held if matches!(state.planned(i).kind, StepKind::Group { .. }) => {
            does_not_fit(state, i, status, "its items are over; skip it or roll back")
        }
        StepStatus::Held | StepStatus::BackingOff => accepted(vec![Event::RetryOrdered { step, by: by.clone() }]),
        StepStatus::UndoFailed => match state.phase() {
            Phase::Ended(_) => {
                let cause = RollbackCause::Ordered { by: by.clone(), reason: format!("undo of {step} tried again") };
                accepted(vec![Event::RunReopened { by: by.clone() }, Event::RollbackStarted { cause }])
            }
            Phase::New | Phase::Forward | Phase::RollingBack | Phase::Aborting | Phase::Finally(_) => {
                accepted(vec![Event::UndoResolved { step, finding: Finding::NotApplied, by: by.clone() }])
            }
        },
        StepStatus::Ready | StepStatus::Running | StepStatus::AwaitingUndo | StepStatus::Undoing => already_done(),
        StepStatus::InDoubt | StepStatus::UndoInDoubt => {
            does_not_fit(state, i, status, "say first what it left, with `resolve`: a blind second run may do it twice")
        }
        StepStatus::Pending => does_not_fit(state, i, status, "its turn has not come"),
        StepStatus::AwaitingPeople | StepStatus::AwaitingTime | StepStatus::AwaitingConfirm => {
            does_not_fit(state, i, status, "there is nothing to try again")
        }
        StepStatus::Succeeded | StepStatus::Skipped | StepStatus::Undone => does_not_fit(state, i, status, "it is over"),
        StepStatus::Failed | StepStatus::Rejected | StepStatus::NotReached => {
            does_not_fit(state, i, status, "the run has gone on from it; start a new run")
        }
    }
}
