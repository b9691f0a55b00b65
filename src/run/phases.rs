//! The fold of the run's phases: turning back, leaving sections, taking a run up again.

use std::collections::BTreeSet;

use super::state::{Instance, Phase, State};
use super::{RollbackCause, StepEvent, StepStatus, next_status};
use crate::model::{RunOutcome, Timestamp};
use crate::plan::{PlannedUndo, Section, StepKind};

type Folded = Result<(), String>;

impl State {
    pub(super) fn turn_back(&mut self, cause: &RollbackCause, at: Timestamp) -> Folded {
        if self.is_past_no_return() {
            return Err("a run past its point of no return cannot turn back".to_owned());
        }
        self.turn_wanted = None;
        self.cause = Some(cause.clone());
        self.phase = Phase::RollingBack;
        self.paused = None;
        self.leave(&[Section::Forward], at)?;
        self.open_section(Section::Rollback);
        Ok(())
    }

    /// Ends what is open in these sections; what is under way finishes by itself.
    pub(super) fn leave(&mut self, sections: &[Section], at: Timestamp) -> Folded {
        for i in self.instances() {
            let status = self.step(i).status;
            if status.is_over() || !sections.contains(&self.planned(i).section) {
                continue;
            }
            if status == StepStatus::Running && !self.is_action(i) {
                self.passes.remove(&i);
                self.set_status(i, StepStatus::NotReached, at);
            } else {
                let next = next_status(status, StepEvent::TurnedBack).ok_or_else(|| format!("{} is {status}", self.id(i)))?;
                self.set_status(i, next, at);
            }
        }
        Ok(())
    }

    /// Takes a run up again on its way back: open undos and what the way back did not finish get another chance, what it
    /// did finish stays, and `finally` tells the new end.
    pub(super) fn reopen(&mut self, at: Timestamp) -> Folded {
        if !matches!(self.phase, Phase::Ended(RunOutcome::NeedsAttention | RunOutcome::Aborted)) {
            return Err("only a run that was aborted or needs attention can be taken up again".to_owned());
        }
        self.ended = None;
        self.phase = Phase::Aborting;
        let again: BTreeSet<Instance> = self.instances().filter(|i| self.starts_over(*i)).collect();
        for i in self.instances() {
            let again = match self.step(i).status {
                StepStatus::UndoFailed => true,
                StepStatus::UndoInDoubt => matches!(self.planned(i).undo, PlannedUndo::Auto),
                _ => false,
            };
            if self.planned(i).section == Section::Forward && again {
                self.set_status(i, StepStatus::AwaitingUndo, at);
            }
        }
        for i in &again {
            let missing = self.planned(*i).needs.iter().filter(|need| again.contains(&Instance::of(**need))).count();
            self.start_over(*i, u32::try_from(missing).expect("invariant: needs are fewer than steps"));
        }
        Ok(())
    }

    pub(super) fn starts_over(&self, i: Instance) -> bool {
        let planned = self.planned(i);
        match planned.section {
            Section::Forward => false,
            Section::Rollback => !self.step(i).status.satisfies() || matches!(planned.kind, StepKind::Undo(_)),
            Section::Finally => true,
        }
    }
}
