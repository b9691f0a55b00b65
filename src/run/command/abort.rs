//! `abort`: a person stops the run without rollback. Work under way finishes; nothing is undone.

use super::{Decision, accepted, already_done, not_applicable};
use crate::model::{Actor, RunOutcome};
use crate::run::{Event, Phase, State};

pub(super) fn decide(state: &State, by: &Actor, reason: &str) -> Decision {
    match state.phase() {
        Phase::New | Phase::Forward | Phase::RollingBack => {
            accepted(vec![Event::AbortOrdered { by: by.clone(), reason: reason.to_owned() }])
        }
        Phase::Aborting | Phase::Finally(RunOutcome::Aborted) | Phase::Ended(RunOutcome::Aborted) => already_done(),
        Phase::Finally(outcome) => not_applicable(format!("the run is ending: {outcome}")),
        Phase::Ended(outcome) => not_applicable(format!("the run has ended: {outcome}")),
    }
}
