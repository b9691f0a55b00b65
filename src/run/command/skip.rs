//! `skip`: a person passes a step over; its dependents go on as if it had succeeded.

use super::{Decision, accepted, already_done, does_not_fit, not_applicable};
use crate::model::Actor;
use crate::plan::StepKind;
use crate::run::{Event, Instance, SkipReason, State, StepStatus};

pub(super) fn decide(state: &State, i: Instance, by: &Actor, reason: &str) -> Decision {
    let (step, status) = (state.id(i).clone(), state.step(i).status);
    let planned = state.planned(i);
    if planned.point_of_no_return.is_some() {
        return not_applicable(format!("step `{step}` is the point of no return and cannot be passed over"));
    }
    if status == StepStatus::Pending && state.step(i).missing > 0 {
        return does_not_fit(state, i, status, "its turn has not come, and what follows it must not start before");
    }
    match status {
        StepStatus::Pending | StepStatus::Ready | StepStatus::BackingOff | StepStatus::Held | StepStatus::AwaitingTime => {
            if matches!(planned.kind, StepKind::Action) || status == StepStatus::Held {
                let reason = SkipReason::Ordered { by: by.clone(), reason: reason.to_owned() };
                accepted(vec![Event::StepSkipped { step, reason }])
            } else {
                not_applicable(format!("step `{step}` stands for several: skip them one by one"))
            }
        }
        StepStatus::Skipped => already_done(),
        StepStatus::AwaitingPeople => does_not_fit(state, i, status, "a gate is approved or rejected, never passed over"),
        StepStatus::AwaitingConfirm => does_not_fit(state, i, status, "confirm or reject it"),
        StepStatus::Running | StepStatus::Undoing => does_not_fit(state, i, status, "wait for its end"),
        StepStatus::InDoubt | StepStatus::UndoInDoubt => does_not_fit(state, i, status, "say first what it left, with `resolve`"),
        StepStatus::Succeeded
        | StepStatus::Failed
        | StepStatus::Rejected
        | StepStatus::NotReached
        | StepStatus::AwaitingUndo
        | StepStatus::Undone
        | StepStatus::UndoFailed => does_not_fit(state, i, status, "it is over"),
    }
}
