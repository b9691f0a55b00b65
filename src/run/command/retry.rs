//! `retry`: another attempt of a step that waits for a person, or of an undo that failed.
//!
//! An undo that failed and the undo step that waits because of it belong together: whichever of the two is named, one order goes on
//! with both.

use super::{Decision, accepted, already_done, does_not_fit};
use crate::model::{Actor, Finding, StepId};
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
        StepStatus::Held | StepStatus::BackingOff => {
            let mut events = failed_undos(state, i, by);
            events.push(Event::RetryOrdered { step, by: by.clone() });
            accepted(events)
        }
        StepStatus::UndoFailed => match state.phase() {
            Phase::Ended(_) => {
                let cause = RollbackCause::Ordered { by: by.clone(), reason: format!("undo of {step} tried again") };
                accepted(vec![Event::RunReopened { by: by.clone() }, Event::RollbackStarted { cause }])
            }
            Phase::New | Phase::Forward | Phase::RollingBack | Phase::Aborting | Phase::Finally(_) => {
                let mut events = vec![Event::UndoResolved { step, finding: Finding::NotApplied, by: by.clone() }];
                events.extend(held_passes(state, i).map(|step| Event::RetryOrdered { step, by: by.clone() }));
                accepted(events)
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

/// What an undo step that waits is to try again with it: every undo in its scope that failed. One of a protected step stays for an
/// order of its own, because that takes two persons.
fn failed_undos(state: &State, branch: Instance, by: &Actor) -> Vec<Event> {
    let StepKind::Undo(scope) = &state.planned(branch).kind else { return Vec::new() };
    let failed = |i: &Instance| state.step(*i).status == StepStatus::UndoFailed && !state.planned(*i).protected;
    let again = |i: Instance| Event::UndoResolved { step: state.id(i).clone(), finding: Finding::NotApplied, by: by.clone() };
    state.instances().filter(failed).filter(|i| state.is_in(scope, *i)).map(again).collect()
}

/// The undo steps that wait for a person because of a step.
fn held_passes(state: &State, i: Instance) -> impl Iterator<Item = StepId> + '_ {
    let waits = move |branch: &Instance| {
        let about = matches!(&state.planned(*branch).kind, StepKind::Undo(scope) if state.is_in(scope, i));
        about && state.step(*branch).status == StepStatus::Held
    };
    state.instances().filter(waits).map(|branch| state.id(branch).clone())
}
