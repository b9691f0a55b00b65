//! `pause` and `continue`: nothing new starts; what is under way goes on.

use super::{Decision, accepted, already_done, not_applicable};
use crate::model::Actor;
use crate::run::{Event, Phase, State};

pub(super) fn pause(state: &State, by: &Actor, reason: &str) -> Decision {
    match state.phase() {
        Phase::Ended(outcome) => not_applicable(format!("the run has ended: {outcome}")),
        Phase::New | Phase::Forward | Phase::RollingBack | Phase::Aborting | Phase::Finally(_) => match state.paused() {
            Some(_) => already_done(),
            None => accepted(vec![Event::Paused { by: by.clone(), reason: reason.to_owned() }]),
        },
    }
}

pub(super) fn resume(state: &State, by: &Actor) -> Decision {
    match state.phase() {
        Phase::Ended(outcome) => not_applicable(format!("the run has ended: {outcome}")),
        Phase::New | Phase::Forward | Phase::RollingBack | Phase::Aborting | Phase::Finally(_) => match state.paused() {
            Some(_) => accepted(vec![Event::Continued { by: by.clone() }]),
            None => already_done(),
        },
    }
}
