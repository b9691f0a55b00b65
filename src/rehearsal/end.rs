//! How a rehearsed night ended, and whether one side is whole: all of the old, all of the new, or neither.

use std::collections::{BTreeMap, BTreeSet};

use super::stage::facts;
use crate::model::{RunOutcome, StepId};
use crate::plan::{PlannedUndo, Section};
use crate::run::{Instance, Phase, State, StepStatus};

/// Which side is whole.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Side {
    /// Everything is as before the night.
    Old,
    /// Everything is done.
    New,
    /// Neither; the texts say what is between.
    Neither(Vec<String>),
}

/// The end of one night.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct End {
    /// How the run ended; none where it waits for people who do not come.
    pub outcome: Option<RunOutcome>,
    /// Which side is whole.
    pub side: Side,
    /// The steps at which it waits for ever, and for whom.
    pub waits_at: Vec<(StepId, String)>,
    /// Promises of the engine that did not hold.
    pub broken: Vec<String>,
}

impl End {
    /// Whether somebody has to look at this before the night.
    pub const fn is_finding(&self) -> bool {
        matches!(self.side, Side::Neither(_)) || self.outcome.is_none() || !self.broken.is_empty()
    }

    pub(super) fn of(state: &State, applied: &BTreeSet<Instance>, known: &BTreeMap<String, String>, broken: Vec<String>) -> Self {
        let outcome = match state.phase() {
            Phase::Ended(outcome) => Some(outcome),
            Phase::New | Phase::Forward | Phase::RollingBack | Phase::Aborting | Phase::Finally(_) => None,
        };
        let waits_at = match outcome {
            None => state.awaited().map(|i| (state.id(i).clone(), whom(state, i))).collect(),
            Some(_) => Vec::new(),
        };
        let between = match outcome {
            Some(RunOutcome::Succeeded) => missing_on_the_new_side(state, known),
            Some(RunOutcome::RolledBack | RunOutcome::NeedsAttention | RunOutcome::Aborted) | None => {
                left_on_the_way_back(state, applied, known)
            }
        };
        let side = match outcome {
            _ if !between.is_empty() => Side::Neither(between),
            Some(RunOutcome::Succeeded) => Side::New,
            Some(RunOutcome::RolledBack | RunOutcome::NeedsAttention | RunOutcome::Aborted) | None => Side::Old,
        };
        Self { outcome, side, waits_at, broken }
    }
}

/// Who would have to come.
fn whom(state: &State, i: Instance) -> String {
    let roles: Vec<String> = state.deciding_roles(i).iter().map(ToString::to_string).collect();
    let who = if roles.is_empty() { "a person".to_owned() } else { roles.join(" or ") };
    match state.step(i).status {
        StepStatus::Held | StepStatus::InDoubt if state.planned(i).protected => {
            "the step is protected, and an order about it takes two persons".to_owned()
        }
        status => format!("it is {status}, and nobody ({who}) comes"),
    }
}

/// What a run that succeeded does not hold of the new side.
fn missing_on_the_new_side(state: &State, known: &BTreeMap<String, String>) -> Vec<String> {
    let mut missing = Vec::new();
    for i in state.instances().filter(|i| state.planned(*i).section == Section::Forward) {
        let planned = state.planned(i);
        let by_order = state.step(i).error().is_some_and(|error| error.starts_with("skipped by"));
        if state.step(i).status == StepStatus::Skipped && by_order && planned.mutating {
            missing.push(format!("{} was passed over", state.id(i)));
        }
    }
    let Some(movement) = &state.plan().content().movement else { return missing };
    let wanted = [(format!("writes({})", movement.from), "denied"), (format!("writes({})", movement.to), "allowed")];
    for (key, value) in wanted {
        if let Some(found) = known.get(&key).filter(|found| *found != value) {
            missing.push(format!("{key} = {found}"));
        }
    }
    let to = movement.to.as_str();
    let routed =
        |i: &Instance| facts(state.planned(*i)).into_iter().find(|(key, value)| key.starts_with("route(") && value == to);
    for (key, _) in state.instances().filter_map(|i| routed(&i)) {
        if known.get(&key).is_none_or(|found| found != to) {
            missing.push(format!("{key} is not {to}"));
        }
    }
    missing.dedup();
    missing
}

/// What is left of a night that did not reach its end.
fn left_on_the_way_back(state: &State, applied: &BTreeSet<Instance>, known: &BTreeMap<String, String>) -> Vec<String> {
    let mut left = Vec::new();
    for i in applied.iter().filter(|i| state.planned(**i).section == Section::Forward) {
        match &state.planned(*i).undo {
            PlannedUndo::Auto | PlannedUndo::Action { .. } => left.push(format!("{} is still in place", state.id(*i))),
            PlannedUndo::Impossible { why } => left.push(format!("{} cannot be undone: {why}", state.id(*i))),
            PlannedUndo::NotNeeded | PlannedUndo::Nothing { .. } => {}
        }
    }
    if let Some(movement) = state.plan().content().movement.as_ref().filter(|_| left.is_empty()) {
        let frozen = format!("writes({})", movement.from);
        if known.get(&frozen).is_some_and(|value| value == "denied") {
            left.push(format!("{frozen} = denied"));
        }
        let routed = known.iter().filter(|(key, value)| key.starts_with("route(") && value.as_str() == movement.to.as_str());
        left.extend(routed.map(|(key, value)| format!("{key} = {value}")));
    }
    left
}
