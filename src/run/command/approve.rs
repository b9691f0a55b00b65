//! `approve`: a person's yes at a gate, or a confirmer's yes to a step; `withdraw`: taking it back.

use super::{Decision, accepted, already_done, does_not_fit, forbidden, not_applicable};
use crate::model::{Actor, PersonId, RoleName, Timestamp};
use crate::plan::{Exclusion, Wait};
use crate::run::{Event, Instance, State, StepStatus};

pub(super) fn approve(state: &State, i: Instance, by: &Actor, note: &str, now: Timestamp) -> Decision {
    let (step, status) = (state.id(i).clone(), state.step(i).status);
    match status {
        StepStatus::AwaitingPeople => match &state.planned(i).wait {
            Some(Wait::Approval { approvers, not, .. }) => {
                let roles: Vec<&RoleName> = approvers.iter().map(|a| &a.role).chain(state.escalated_to(i)).collect();
                if let Err(why) = may_approve(state, by, &roles, not) {
                    return forbidden(why);
                }
                if state.grants(i).iter().any(|grant| grant.name() == by.name()) {
                    return already_done();
                }
                if let Err(why) = state.is_fresh(i, now).and_then(|()| stands_alone(state, i, by)) {
                    return forbidden(why);
                }
                accepted(vec![Event::ApprovalGranted { step, by: by.clone(), note: note.to_owned() }])
            }
            Some(Wait::Manual { .. }) => not_applicable(format!("step `{step}` is a manual task: answer it")),
            Some(Wait::Hold { .. } | Wait::Window) | None => not_applicable(format!("step `{step}` asks nobody")),
        },
        StepStatus::AwaitingConfirm => {
            let Some(role) = &state.planned(i).confirm else { return not_applicable(format!("step `{step}` has no confirmer")) };
            match may_approve(state, by, &[role], &[]) {
                Ok(()) => accepted(vec![Event::StepConfirmed { step, by: by.clone() }]),
                Err(why) => forbidden(why),
            }
        }
        StepStatus::Succeeded => already_done(),
        StepStatus::Pending => does_not_fit(state, i, status, "its approval is not requested yet"),
        StepStatus::InDoubt => does_not_fit(state, i, status, "say what it left with `resolve`"),
        StepStatus::Held => does_not_fit(state, i, status, "retry it, skip it or roll back"),
        StepStatus::AwaitingTime
        | StepStatus::Ready
        | StepStatus::Running
        | StepStatus::BackingOff
        | StepStatus::Failed
        | StepStatus::Rejected
        | StepStatus::Skipped
        | StepStatus::NotReached
        | StepStatus::AwaitingUndo
        | StepStatus::Undoing
        | StepStatus::UndoInDoubt
        | StepStatus::Undone
        | StepStatus::UndoFailed => does_not_fit(state, i, status, "it waits for no approval"),
    }
}

pub(super) fn withdraw(state: &State, i: Instance, by: &Actor) -> Decision {
    let (step, status) = (state.id(i).clone(), state.step(i).status);
    let granted = state.grants(i).iter().any(|grant| grant.name() == by.name());
    match status {
        StepStatus::AwaitingPeople if granted => accepted(vec![Event::ApprovalWithdrawn { step, by: by.clone() }]),
        StepStatus::AwaitingPeople => already_done(),
        StepStatus::Succeeded => does_not_fit(state, i, status, "the gate is open already; pause the run or roll back"),
        StepStatus::Pending
        | StepStatus::AwaitingTime
        | StepStatus::Ready
        | StepStatus::Running
        | StepStatus::BackingOff
        | StepStatus::InDoubt
        | StepStatus::Held
        | StepStatus::AwaitingConfirm
        | StepStatus::Failed
        | StepStatus::Rejected
        | StepStatus::Skipped
        | StepStatus::NotReached
        | StepStatus::AwaitingUndo
        | StepStatus::Undoing
        | StepStatus::UndoInDoubt
        | StepStatus::Undone
        | StepStatus::UndoFailed => does_not_fit(state, i, status, "it waits for no approval"),
    }
}

/// A person and their deputy are one voice.
fn stands_alone(state: &State, i: Instance, by: &Actor) -> Result<(), String> {
    let voice = |actor: &Actor| actor.deputy_for.clone().or_else(|| actor.person.clone());
    let mine = voice(by);
    match state.grants(i).iter().find(|grant| mine.is_some() && voice(grant) == mine) {
        Some(other) => Err(format!("{} has approved already with the same voice", other.name())),
        None => Ok(()),
    }
}

/// Whether this is the person, or acts for them: an exclusion covers the deputy too.
fn is_voice_of(by: &Actor, person: Option<&PersonId>) -> bool {
    person.is_some() && (by.person.as_ref() == person || by.deputy_for.as_ref() == person)
}

/// Whether this person may fill one of the places. Nobody is exempt from an exclusion.
pub(super) fn may_approve(state: &State, by: &Actor, roles: &[&RoleName], not: &[Exclusion]) -> Result<(), String> {
    for exclusion in not {
        let excluded = match exclusion {
            Exclusion::Starter => state.starter().is_some_and(|s| s.by == by.by || is_voice_of(by, s.person.as_ref())),
            Exclusion::Author => is_voice_of(by, state.plan().content().author.as_ref()),
            Exclusion::Editor => state.plan().content().edited_by.iter().any(|person| is_voice_of(by, Some(person))),
        };
        if excluded {
            let what = match exclusion {
                Exclusion::Starter => "started this run",
                Exclusion::Author => "owns this runbook",
                Exclusion::Editor => "edited this runbook last",
            };
            return Err(format!("{} {what}, and the gate excludes that person", by.name()));
        }
    }
    let has_roster = state.plan().content().roster.is_some();
    if !has_roster || by.roles.iter().any(|role| roles.contains(&role)) {
        return Ok(());
    }
    let wanted: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
    Err(format!("{} has none of the roles that are asked for: {}", by.name(), wanted.join(", ")))
}
