//! `reject`: a person's no, at a gate, to a task, or to a confirmation.

use super::approve::may_approve;
use super::{Decision, accepted, already_done, does_not_fit, forbidden};
use crate::model::{Actor, RoleName};
use crate::plan::Wait;
use crate::run::{Event, Instance, State, StepStatus};

pub(super) fn decide(state: &State, i: Instance, by: &Actor, reason: &str) -> Decision {
    let (step, status) = (state.id(i).clone(), state.step(i).status);
    match status {
        StepStatus::AwaitingPeople | StepStatus::AwaitingConfirm => {
            let planned = state.planned(i);
            let roles: Vec<&RoleName> = match (&planned.wait, &planned.confirm) {
                (Some(Wait::Approval { approvers, .. }), _) => approvers.iter().map(|a| &a.role).collect(),
                (Some(Wait::Manual { role, .. }), _) | (None, role) => role.iter().collect(),
                (Some(Wait::Hold { .. } | Wait::Window), _) => Vec::new(),
            };
            // A no needs the role and nothing else: whoever started the run may stop it here.
            if !roles.is_empty()
                && let Err(why) = may_approve(state, by, &roles, &[])
            {
                return forbidden(why);
            }
            accepted(vec![Event::WaitRejected { step, by: by.clone(), reason: reason.to_owned() }])
        }
        StepStatus::Rejected => already_done(),
        StepStatus::Pending => does_not_fit(state, i, status, "nothing is asked yet; pause the run or roll back"),
        StepStatus::Succeeded => does_not_fit(state, i, status, "the first decision stands; pause the run or roll back"),
        StepStatus::AwaitingTime
        | StepStatus::Ready
        | StepStatus::Running
        | StepStatus::BackingOff
        | StepStatus::InDoubt
        | StepStatus::Held
        | StepStatus::Failed
        | StepStatus::Skipped
        | StepStatus::NotReached
        | StepStatus::AwaitingUndo
        | StepStatus::Undoing
        | StepStatus::UndoInDoubt
        | StepStatus::Undone
        | StepStatus::UndoFailed => does_not_fit(state, i, status, "it asks nobody"),
    }
}
