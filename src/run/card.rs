//! The rollback card: what a person would have to undo by hand at this moment, in order.

use super::StepStatus;
use super::state::{Instance, State};
use crate::model::{StepId, TargetName, Value};
use crate::plan::{PlannedUndo, Section};

/// One line of the card.
#[derive(Clone, PartialEq, Debug)]
pub struct CardLine {
    /// The step to undo.
    pub step: StepId,
    /// Its status now.
    pub status: StepStatus,
    /// The action that undoes it: its own, or the one that the author named.
    pub action: String,
    /// The target.
    pub target: Option<TargetName>,
    /// The state that has to be there again.
    pub snapshot: Value,
    /// The exact statements, where a failed undo named them.
    pub manual: Vec<String>,
}

impl State {
    /// What would have to be undone now, last first; empty past the point of no return.
    pub fn rollback_card(&self) -> Vec<CardLine> {
        if self.is_past_no_return() {
            return Vec::new();
        }
        let mut owed: Vec<Instance> =
            self.instances().filter(|i| self.planned(*i).section == Section::Forward && self.owes_undo(*i)).collect();
        owed.sort_by_key(|i| std::cmp::Reverse((self.def(*i), *i)));
        owed.into_iter().map(|i| self.card_line(i)).collect()
    }

    /// The line of one step, if it owes the way back something; whether there still is a way back is not asked.
    pub fn owed(&self, i: Instance) -> Option<CardLine> {
        (self.planned(i).section == Section::Forward && self.owes_undo(i)).then(|| self.card_line(i))
    }

    /// Where a step stands in the plan, and among the items that were made at run time: the card goes backwards in this order.
    pub fn place(&self, i: Instance) -> (usize, usize) {
        (self.def(i).get(), i.get())
    }

    fn card_line(&self, i: Instance) -> CardLine {
        let (planned, step) = (self.planned(i), self.step(i));
        let (action, target) = match &planned.undo {
            PlannedUndo::Action { action, target, .. } => (action.clone(), target.clone()),
            PlannedUndo::Auto | PlannedUndo::NotNeeded | PlannedUndo::Nothing { .. } | PlannedUndo::Impossible { .. } => {
                (format!("undo of {}", planned.action), planned.target.clone())
            }
        };
        CardLine {
            step: self.id(i).clone(),
            status: step.status,
            action,
            target,
            snapshot: step.detail.as_ref().map_or(Value::Null, |detail| detail.snapshot.clone()),
            manual: step.detail.as_ref().map_or_else(Vec::new, |detail| detail.manual.clone()),
        }
    }
}
