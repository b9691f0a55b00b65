//! The fold of decisions that no longer hold: an approval that lapsed, a gate that closes again, people that changed.

use super::state::{Instance, State};
use super::{Event, StepEvent, StepStatus};
use crate::model::{Actor, Roster, StepId, TargetName, Timestamp, Value};
use crate::plan::{StepIndex, StepKind};

type Folded = Result<(), String>;

impl State {
    pub(super) fn lapse(&mut self, step: &StepId, by: &Actor, at: Timestamp) -> Folded {
        let i = self.known(step)?;
        self.advance(i, StepEvent::VoteCounted, at)?;
        let grants = &mut self.steps[i.get()].detail_mut().grants;
        grants.retain(|grant| grant.name() != by.name());
        if grants.is_empty() {
            self.relied.remove(&i);
        }
        Ok(())
    }

    /// The gate asks again, and what waits behind it waits for it again. Nothing behind it has started.
    pub(super) fn close_again(&mut self, step: &StepId, targets: &Value) -> Folded {
        let gate = self.known(step)?;
        if !self.is_gate(gate) || self.step(gate).status != StepStatus::Succeeded || self.is_spawned(gate) {
            return Err(format!("{step} is no gate that is open"));
        }
        for (name, identity) in targets.as_object().into_iter().flatten() {
            self.note_answer(&TargetName::new(name), identity);
        }
        self.begin_again(gate);
        let mut stack = vec![gate];
        while let Some(before) = stack.pop() {
            for behind in self.plan.dependents(StepIndex::new(before.get())).to_vec().into_iter().map(Instance::of) {
                let waits = self.planned(behind).wait.is_some() || matches!(self.planned(behind).kind, StepKind::Group { .. });
                match self.step(behind).status {
                    StepStatus::Pending => {}
                    StepStatus::AwaitingPeople | StepStatus::AwaitingTime | StepStatus::Succeeded if waits => {
                        self.begin_again(behind);
                        stack.push(behind);
                    }
                    // Passed over by its own `when`: what follows it may be waiting all the same.
                    StepStatus::Skipped => stack.push(behind),
                    other => return Err(format!("{step} cannot be closed again: {} is {other}", self.id(behind))),
                }
                if self.step(behind).status == StepStatus::Pending {
                    let open = self.planned(behind).needs.iter().filter(|need| !self.step(Instance::of(**need)).status.is_over());
                    self.steps[behind.get()].missing = u32::try_from(open.count()).map_err(|_| "too many needs".to_owned())?;
                    self.ready_actions.remove(&behind);
                    self.ready_quick.remove(&behind);
                }
            }
        }
        self.enqueue(gate);
        Ok(())
    }

    fn begin_again(&mut self, i: Instance) {
        self.start_over(i, 0);
        self.relied.remove(&i);
        self.steps[i.get()].since = self.last_seq;
        let detail = self.steps[i.get()].detail_mut();
        detail.grants.clear();
        detail.overdue = false;
    }

    /// From here on nobody decides who is not in both rosters: the one that the run began with, and this one.
    pub(super) fn change_people(&mut self, roster: &Value) -> Folded {
        let people = if roster.is_null() {
            Roster::default()
        } else {
            serde_json::from_value(roster.clone()).map_err(|error| format!("the roster of the record: {error}"))?
        };
        self.people = Some(people);
        Ok(())
    }

    /// An effect begins, or a person passed a step over: what was approved for it is used, and stands from now on.
    pub(super) fn use_gates_before(&mut self, i: Instance) {
        for gate in self.gates_before(i) {
            self.relied.remove(&gate);
        }
    }

    /// A nonce counts once, whatever it was used for.
    pub(super) fn burn_nonce(&mut self, event: &Event) {
        if let Some((statement, _)) = event.by().and_then(Actor::signed)
            && let Some((_, nonce)) = statement.trim_end().rsplit_once("nonce: ")
        {
            self.nonces.insert(nonce.to_owned());
        }
    }
}
