//! The last plan of a runbook that people approved: what a plan of today is held against.

use super::{Home, load};
use crate::model::RunId;
use crate::run::{Event, State};

/// How many earlier runs are read, at most.
const LOOKED_AT: usize = 20;

/// The youngest other run of this runbook in which a gate was opened.
pub fn last_approved(home: &Home, run: &RunId, state: &State) -> Option<(RunId, State)> {
    let mine = state.plan().content();
    let runs = home.runs().ok()?;
    let others = runs.into_iter().rev().filter(|other| other != run);
    others.take(LOOKED_AT).find_map(|other| {
        let (state, records) = load(home, &other, None).ok()?;
        let approved = records.iter().any(|record| matches!(record.event, Event::ApprovalGranted { .. }));
        // A rehearsal is no plan for the live night, and the other way round.
        let content = state.plan().content();
        let is_alike = content.runbook == mine.runbook && content.profile == mine.profile;
        (approved && is_alike).then_some((other, state))
    })
}
