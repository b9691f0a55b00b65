//! Gates that were opened, or are being opened: before every turn, whether what was approved still holds.

use super::conductor::{Conductor, Recording};
use super::state::Instance;
use super::{Event, StepStatus};
use crate::model::{Actor, Timestamp, Value};

impl Conductor {
    /// Approvals that no step has used yet are held against the run as it is now. One that no longer holds does not count,
    /// and a gate that it had opened closes again.
    pub(super) fn settle_gates(&mut self, now: Timestamp, journal: &mut impl Recording) {
        let relied: Vec<Instance> = self.state.relied.iter().copied().collect();
        for gate in relied {
            let grants: Vec<Actor> = self.state.grants(gate).to_vec();
            let lapsed = grants.into_iter().filter_map(|by| self.state.still_holds(gate, &by, now).err().map(|why| (by, why)));
            let lapsed: Vec<(Actor, String)> = lapsed.collect();
            self.lapse(gate, lapsed, journal);
        }
    }

    /// The people changed: whoever approved may not be who they were, so every gate that is not used yet asks again.
    pub(super) fn change_people(&mut self, roster: Value, journal: &mut impl Recording) {
        self.note(Event::RosterChanged { roster }, journal);
        let relied: Vec<Instance> = self.state.relied.iter().copied().collect();
        for gate in relied {
            let why = "the roster or its keys were changed".to_owned();
            let grants = self.state.grants(gate).iter().map(|by| (by.clone(), why.clone())).collect();
            self.lapse(gate, grants, journal);
        }
    }

    fn lapse(&mut self, gate: Instance, lapsed: Vec<(Actor, String)>, journal: &mut impl Recording) {
        if !self.state.section_is_active(self.state.planned(gate).section) || self.state.turn_wanted.is_some() {
            return;
        }
        let step = self.state.id(gate).clone();
        match self.state.step(gate).status {
            StepStatus::AwaitingPeople => {
                for (by, reason) in lapsed {
                    self.note(Event::ApprovalLapsed { step: step.clone(), by, reason }, journal);
                }
            }
            StepStatus::Succeeded if self.state.unused_behind(gate).is_some() => {
                if let Some((by, why)) = lapsed.into_iter().next() {
                    let reason = format!("the approval of {} no longer holds: {why}", by.name());
                    self.note(Event::GateReopened { step, reason, targets: Value::Null }, journal);
                }
            }
            _ => {}
        }
    }
}
