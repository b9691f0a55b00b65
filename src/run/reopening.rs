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
        let behind = self.unused_behind(gate).ok_or_else(|| format!("what {step} lets start has started"))?;
        self.begin_again(gate);
        for i in &behind {
            if self.step(*i).status != StepStatus::Skipped {
                self.begin_again(*i);
            }
        }
        for i in behind {
            let open = self.planned(i).needs.iter().filter(|need| !self.step(Instance::of(**need)).status.is_over());
            self.steps[i.get()].missing = u32::try_from(open.count()).map_err(|_| "too many needs".to_owned())?;
        }
        self.enqueue(gate);
        Ok(())
    }

    /// Everything behind a gate that is not over, as long as nothing of it has acted; none once something has. Waits that went by
    /// are waited for again, and a step that could not even be prepared has not acted.
    pub(super) fn unused_behind(&self, gate: Instance) -> Option<Vec<Instance>> {
        let mut found = std::collections::BTreeSet::new();
        let mut stack = vec![gate];
        while let Some(before) = stack.pop() {
            for behind in self.plan.dependents(StepIndex::new(before.get())).iter().map(|at| Instance::of(*at)) {
                let step = self.step(behind);
                let waits = self.planned(behind).wait.is_some() || matches!(self.planned(behind).kind, StepKind::Group { .. });
                let unused = match step.status {
                    StepStatus::Pending | StepStatus::Skipped => true,
                    StepStatus::Ready | StepStatus::BackingOff | StepStatus::Held => !step.touched,
                    StepStatus::AwaitingPeople | StepStatus::AwaitingTime | StepStatus::Succeeded => waits && !step.touched,
                    _ => false,
                };
                if !unused {
                    return None;
                }
                if found.insert(behind) {
                    stack.push(behind);
                }
            }
        }
        Some(found.into_iter().collect())
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
