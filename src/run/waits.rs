//! The fold of waits: approvals counted, deadlines passed, refusals.

use super::state::{Instance, Phase, State};
use super::{RollbackCause, StepEvent, quorum};
use crate::model::{Actor, RoleName, StepId, Timestamp};
use crate::plan::{OnDeadline, Wait};

type Folded = Result<(), String>;

impl State {
    /// Steps that only a person can move on, in plan order.
    pub fn awaited(&self) -> impl Iterator<Item = Instance> + '_ {
        self.instances().filter(|i| self.step(*i).status.needs_person())
    }

    pub(super) fn grant(&mut self, step: &StepId, by: &Actor, at: Timestamp) -> Folded {
        let i = self.known(step)?;
        let approvers = match &self.planned(i).wait {
            Some(Wait::Approval { approvers, .. }) => approvers.clone(),
            _ => return Err(format!("{step} asks for no approval")),
        };
        let any_place = self.escalated_to(i).cloned();
        let has_roster = self.plan.content().roster.is_some();
        let detail = self.steps[i.get()].detail_mut();
        if !detail.grants.iter().any(|grant| grant.name() == by.name()) {
            detail.grants.push(by.clone());
        }
        self.relied.insert(i);
        let detail = self.steps[i.get()].detail_mut();
        if quorum::is_reached(&approvers, &detail.grants, has_roster, any_place.as_ref()) {
            let names: Vec<_> = detail.grants.iter().map(Actor::name).collect();
            detail.outputs = serde_json::json!({ "approved_by": names });
            if self.is_spawned(i) {
                // A gate of one item opens for its item alone, and is used with that.
                self.relied.remove(&i);
            }
            self.advance(i, StepEvent::WaitFulfilled, at)
        } else {
            self.advance(i, StepEvent::VoteCounted, at)
        }
    }

    pub(super) fn expire(&mut self, step: &StepId, at: Timestamp) -> Folded {
        let i = self.known(step)?;
        let on_deadline = match &self.planned(i).wait {
            Some(Wait::Approval { on_deadline, .. } | Wait::Manual { on_deadline, .. }) => *on_deadline,
            // The window closed before it could be used: as if a person had said no.
            Some(Wait::Window | Wait::Hold { .. }) | None => OnDeadline::Reject,
        };
        self.set_timer(i, None);
        let cannot_turn = self.is_past_no_return() || self.phase != Phase::Forward;
        let detail = self.steps[i.get()].detail_mut();
        match on_deadline {
            OnDeadline::Hold | OnDeadline::Escalate => {
                detail.overdue = true;
                self.advance(i, StepEvent::DeadlineNoted, at)
            }
            OnDeadline::Reject => {
                detail.error = Some("the deadline passed".to_owned());
                self.refuse(i, RollbackCause::DeadlinePassed(step.clone()), at)
            }
            OnDeadline::Rollback if cannot_turn => {
                detail.overdue = true;
                self.advance(i, StepEvent::DeadlineNoted, at)
            }
            OnDeadline::Rollback => {
                detail.error = Some("the deadline passed".to_owned());
                self.advance(i, StepEvent::Refused, at)?;
                self.turn_wanted.get_or_insert(RollbackCause::DeadlinePassed(step.clone()));
                Ok(())
            }
        }
    }

    /// The role that may fill any place of a gate now, because its deadline has passed.
    pub fn escalated_to(&self, i: Instance) -> Option<&RoleName> {
        let overdue = self.step(i).detail.as_ref().is_some_and(|detail| detail.overdue);
        match &self.planned(i).wait {
            Some(Wait::Approval { escalate_to, .. }) if overdue => escalate_to.as_ref(),
            _ => None,
        }
    }

    /// A person breaks the glass of a gate: it opens with enough of them, or when the delay is over.
    pub(super) fn break_glass(&mut self, step: &StepId, by: &Actor, opens: Option<Timestamp>, at: Timestamp) -> Folded {
        let i = self.known(step)?;
        let persons = match &self.planned(i).wait {
            Some(Wait::Approval { break_glass: Some(glass), .. }) => glass.persons,
            _ => return Err(format!("{step} has no glass to break")),
        };
        let detail = self.steps[i.get()].detail_mut();
        if !detail.glass.0.iter().any(|broken| broken.name() == by.name()) {
            detail.glass.0.push(by.clone());
        }
        detail.glass.1 = detail.glass.1.or(opens);
        if detail.glass.0.len() >= persons as usize {
            return self.open_by_glass(step, at);
        }
        self.advance(i, StepEvent::VoteCounted, at)?;
        if opens.is_some() {
            self.set_timer(i, opens);
        }
        Ok(())
    }

    /// The gate opens by the glass that was broken, and says so in its outputs.
    pub(super) fn open_by_glass(&mut self, step: &StepId, at: Timestamp) -> Folded {
        let i = self.known(step)?;
        let detail = self.steps[i.get()].detail_mut();
        let names: Vec<_> = detail.glass.0.iter().map(Actor::name).collect();
        detail.outputs = serde_json::json!({ "approved_by": names, "break_glass": true });
        self.relied.remove(&i);
        self.advance(i, StepEvent::WaitFulfilled, at)
    }

    pub(super) fn refuse(&mut self, i: Instance, cause: RollbackCause, at: Timestamp) -> Folded {
        self.settle_failure(i, StepEvent::Refused, StepEvent::RefusedToHold, cause, at)
    }
}
