//! What follows on the way back: which undo may start, which is tried again, and when an undo step is over.

use std::sync::Arc;

use super::conductor::{Conductor, Recording, Verb};
use super::effect::Effect;
use super::state::{Instance, Phase};
use super::{Event, StepStatus};
use crate::model::{Actor, Finding, Value};
use crate::plan::PlannedUndo;

impl Conductor {
    pub(super) fn dispatch_undos(&mut self, journal: &mut impl Recording) {
        if self.state.phase() != Phase::RollingBack || !self.forward_is_quiet() {
            return;
        }
        let places = self.state.plan().content().max_concurrent.max(1) as usize;
        let passes: Vec<Instance> = self.state.passes.keys().copied().collect();
        for branch in passes {
            let ready: Vec<Instance> =
                self.state.passes.get(&branch).map(|pass| pass.ready.iter().rev().copied().collect()).unwrap_or_default();
            let mut waits = false;
            for i in ready {
                if self.flights.len() >= places || self.flights.contains_key(&i) {
                    waits = true;
                    continue;
                }
                waits |= self.start_undo(i, journal);
            }
            self.end_pass(branch, waits, journal);
        }
        self.retry_known_undos(journal);
    }

    /// Starts the undo of a step; says whether the pass has to wait for it.
    fn start_undo(&mut self, i: Instance, journal: &mut impl Recording) -> bool {
        let (planned, state) = (self.state.planned(i), self.state.step(i));
        let by_action = matches!(planned.undo, PlannedUndo::Action { .. });
        match state.status {
            StepStatus::UndoFailed | StepStatus::UndoInDoubt => return false,
            StepStatus::InDoubt if planned.has_probe && !state.probed => {
                self.look(i);
                return true;
            }
            // The author's own undo may do harm where there is nothing to undo: a person has to say.
            StepStatus::InDoubt if by_action => return true,
            _ => {}
        }
        let (step, attempt) = (self.state.id(i).clone(), state.undo_attempt + 1);
        if let Some(refusal) = self.state.undo_refusal(i) {
            let error = format!("a safety rule does not let it be undone: {}: {}", refusal.rule, refusal.reason);
            self.note(Event::UndoStarted { step: step.clone(), attempt, params: Value::Null }, journal);
            self.note(Event::UndoFailed { step, attempt, error, manual: Vec::new() }, journal);
            return false;
        }
        match self.state.undo_call(i, attempt).map(Arc::new) {
            Ok(spec) => {
                self.note(Event::UndoStarted { step, attempt, params: spec.params.shown() }, journal);
                self.effects.push(if by_action { Effect::UndoByAction(spec.clone()) } else { Effect::Undo(spec.clone()) });
                self.depart(i, Verb::Undo, spec);
                true
            }
            Err(error) => {
                self.note(Event::UndoStarted { step: step.clone(), attempt, params: Value::Null }, journal);
                self.note(Event::UndoFailed { step, attempt, error: error.to_string(), manual: Vec::new() }, journal);
                false
            }
        }
    }

    /// An own undo ensures a saved state, so an interrupted one is simply done again; the author's own waits for a person.
    fn retry_known_undos(&mut self, journal: &mut impl Recording) {
        let known: Vec<Instance> = self
            .state
            .undo_in_doubt
            .iter()
            .copied()
            .filter(|i| {
                matches!(self.state.planned(*i).undo, PlannedUndo::Auto) && self.state.passes.values().any(|p| p.left.contains(i))
            })
            .collect();
        for i in known {
            let step = self.state.id(i).clone();
            self.note(Event::UndoResolved { step, finding: Finding::NotApplied, by: Actor::executor() }, journal);
        }
    }

    fn end_pass(&mut self, branch: Instance, waits: bool, journal: &mut impl Recording) {
        let Some(pass) = self.state.passes.get(&branch) else { return };
        let undoing = self.flights.values().any(|flight| flight.verb == Verb::Undo);
        let retried = self
            .state
            .undo_in_doubt
            .iter()
            .any(|i| matches!(self.state.planned(*i).undo, PlannedUndo::Auto) && pass.left.contains(i));
        if waits || undoing || retried {
            return;
        }
        if !pass.ready.iter().all(|i| matches!(self.state.step(*i).status, StepStatus::UndoFailed | StepStatus::UndoInDoubt)) {
            return;
        }
        let failed = pass.left.iter().map(|i| self.state.id(*i).clone()).collect();
        let step = self.state.id(branch).clone();
        self.note(Event::GroupEnded { step, failed }, journal);
    }
}
