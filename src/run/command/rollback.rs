//! `rollback`: a person turns the run back, while that is still possible.

use super::approve::may_approve;
use super::{Decision, accepted, already_done, forbidden, not_applicable};
use crate::model::{Actor, RunOutcome};
use crate::run::{Event, Phase, RollbackCause, State};

pub(super) fn decide(state: &State, by: &Actor, reason: &str) -> Decision {
    if let Some(role) = &state.plan().content().rollback_role
        && let Err(why) = may_approve(state, by, &[role], &[])
    {
        return forbidden(why);
    }
    let turn = Event::RollbackStarted { cause: RollbackCause::Ordered { by: by.clone(), reason: reason.to_owned() } };
    let reopened = || vec![Event::RunReopened { by: by.clone() }, turn.clone()];
    match state.phase() {
        Phase::RollingBack => already_done(),
        Phase::Ended(RunOutcome::RolledBack) | Phase::Finally(RunOutcome::RolledBack) => already_done(),
        _ if state.is_past_no_return() => not_applicable(past_no_return(state)),
        Phase::New | Phase::Forward => accepted(vec![turn]),
        Phase::Aborting => not_applicable("the run is being aborted; order the rollback when it has ended"),
        Phase::Finally(outcome) => not_applicable(format!("the run is ending: {outcome}")),
        Phase::Ended(RunOutcome::NeedsAttention | RunOutcome::Aborted) => accepted(reopened()),
        Phase::Ended(RunOutcome::Succeeded) => not_applicable(
            "the run succeeded; its way back is a runbook of its own, so that it is planned and approved like this one",
        ),
    }
}

fn past_no_return(state: &State) -> String {
    let point = state.instances().find(|i| state.step(*i).touched && state.planned(*i).point_of_no_return.is_some());
    match point {
        Some(i) => {
            let why = state.planned(i).point_of_no_return.as_deref().unwrap_or_default();
            format!(
                "the run is past its point of no return, step `{}` ({why}): fix forward with retry, skip or resolve",
                state.id(i)
            )
        }
        None => "the run is past its point of no return".to_owned(),
    }
}
