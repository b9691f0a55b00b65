//! Which rows some records moved. A record names one step, and others can move with it.

use std::collections::BTreeSet;

use crate::plan::StepIndex;
use crate::run::{Event, Instance, Record, State, StepStatus};
use crate::views::{Clock, event};

/// What has to be said again.
pub(super) enum Moved {
    /// Every row: the run came into another part of its life, or a gate closed again.
    Everything,
    /// These.
    Rows(BTreeSet<Instance>),
}

/// The rows that these records moved; the state is the one after them.
pub(super) fn by(state: &State, records: &[Record]) -> Moved {
    // The times in a sentence are of no interest here.
    let clock = Clock::utc();
    let mut rows = BTreeSet::new();
    for record in records {
        match &record.event {
            Event::RunStarted { .. }
            | Event::RollbackStarted { .. }
            | Event::AbortOrdered { .. }
            | Event::FinallyStarted { .. }
            | Event::RunReopened { .. }
            | Event::GateReopened { .. } => return Moved::Everything,
            other => {
                let step = event::tell(other, state.plan(), &clock).step;
                step.and_then(|step| state.find(step)).into_iter().for_each(|i| follow(state, i, &mut rows));
            }
        }
    }
    Moved::Rows(rows)
}

/// A step, the group that counts it, the items that it made, and everything behind it that cannot be reached any more.
fn follow(state: &State, first: Instance, rows: &mut BTreeSet<Instance>) {
    rows.insert(first);
    rows.extend(state.children(first));
    let mut stack = vec![first];
    while let Some(i) = stack.pop() {
        let group = state.group(i);
        if let Some(group) = group.filter(|group| rows.insert(*group)) {
            stack.push(group);
        }
        if i.get() >= state.plan().steps().len() || state.step(i).status.satisfies() {
            continue;
        }
        for behind in state.plan().dependents(StepIndex::new(i.get())).iter().map(|at| Instance::of(*at)) {
            if state.step(behind).status == StepStatus::NotReached && rows.insert(behind) {
                stack.push(behind);
            }
        }
    }
}
