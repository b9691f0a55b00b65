//! `break-glass`: in an emergency, a gate is opened without its quorum: by two persons, or by one and a delay.

use super::approve::may_approve;
use super::{Decision, accepted, already_done, does_not_fit, forbidden, not_applicable};
use crate::model::{Actor, Timestamp};
use crate::plan::Wait;
use crate::run::{Event, Instance, State, StepStatus};

pub(super) fn decide(state: &State, i: Instance, by: &Actor, reason: &str, now: Timestamp) -> Decision {
    let (step, status) = (state.id(i).clone(), state.step(i).status);
    let Some(Wait::Approval { break_glass: Some(glass), .. }) = &state.planned(i).wait else {
        return not_applicable(format!("step `{step}` has no glass to break: its runbook says nothing about `break_glass`"));
    };
    if status != StepStatus::AwaitingPeople {
        return does_not_fit(state, i, status, "it asks nobody now");
    }
    if let Err(why) = may_approve(state, by, &[&glass.role], &[]) {
        return forbidden(why);
    }
    if reason.trim().is_empty() {
        return not_applicable("say why: whoever reads the report will ask");
    }
    let broken = state.step(i).detail.as_ref().map_or(&[][..], |detail| &detail.glass.0);
    if broken.iter().any(|other| other.name() == by.name()) {
        return already_done();
    }
    let first = broken.is_empty();
    let opens = glass.delay.filter(|_| first).map(|delay| now.plus(delay.as_duration()));
    accepted(vec![Event::GlassBroken { step, by: by.clone(), reason: reason.to_owned(), opens }])
}
