//! The safety rules during a run: what the journal says of the facts, and the steps that a rule does not let start.

use std::sync::Arc;

use super::conductor::{Conductor, Recording};
use super::state::{Instance, State};
use super::{Event, StepEvent, StepStatus};
use crate::model::{StepId, Timestamp};
use crate::plan::{Plan, Section, StepIndex, StepKind};
use crate::safety::{Known, Progress, Refusal, ToldFact, Watch};

/// The safety rules of a plan and what is known of the facts that they speak about.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    watch: Arc<Watch>,
    known: Known,
    /// The steps that moved with the record that is being folded.
    moved: Vec<Instance>,
}

impl Guard {
    /// The guard of a plan that has rules.
    pub fn new(plan: &Plan) -> Option<Self> {
        let watch = Watch::new(plan)?;
        Some(Self { known: watch.at_first(), watch: Arc::new(watch), moved: Vec::new() })
    }
}

impl State {
    /// Remembers that a step moved, where anybody asks.
    pub(super) fn moved_now(&mut self, i: Instance) {
        if let Some(guard) = &mut self.guard {
            guard.moved.push(i);
        }
    }

    /// Takes in what the moves of the last record say of the facts.
    pub(super) fn learn(&mut self, at: Timestamp) {
        let Some(mut guard) = self.guard.take() else { return };
        for i in std::mem::take(&mut guard.moved) {
            if let Some(unit) = guard.watch.unit_of(self.def(i)) {
                let progress = self.progress(guard.watch.steps_of(unit));
                guard.watch.learn(&mut guard.known, unit, progress, at);
            }
        }
        self.guard = Some(guard);
    }

    /// How far the steps of one unit have come together.
    fn progress(&self, steps: &[StepIndex]) -> Progress {
        let members: Vec<Instance> = steps
            .iter()
            .flat_map(|step| match self.plan.step(*step).kind {
                StepKind::Spread { .. } => self.children(Instance::of(*step)).to_vec(),
                StepKind::Action | StepKind::Group { .. } | StepKind::Undo(_) => vec![Instance::of(*step)],
            })
            .collect();
        let has_succeeded = |i: &Instance| matches!(self.step(*i).status, StepStatus::Succeeded | StepStatus::AwaitingConfirm);
        let is_passed_over = |i: &Instance| self.step(*i).status == StepStatus::Skipped && !self.step(*i).touched;
        if members.iter().any(has_succeeded) && members.iter().all(|i| has_succeeded(i) || is_passed_over(i)) {
            Progress::Done
        } else if members.iter().any(|i| self.step(*i).touched) {
            Progress::Begun
        } else if members.iter().any(|i| self.step(*i).status == StepStatus::Undone) {
            Progress::Undone
        } else {
            Progress::Clean
        }
    }

    /// Why a step must not start now, if a safety rule says so.
    pub(super) fn refusal(&self, i: Instance, now: Timestamp) -> Option<Refusal> {
        let guard = self.guard.as_ref()?;
        guard.watch.refuses(&guard.known, self.def(i), self.is_past_no_return(), now)
    }

    /// Why a step must not be undone now, if a safety rule says so.
    pub(super) fn undo_refusal(&self, i: Instance) -> Option<Refusal> {
        let guard = self.guard.as_ref()?;
        guard.watch.refuses_undo(&guard.known, self.def(i), self.is_past_no_return())
    }

    /// A step that a rule refused waits for people; in `finally`, where nobody waits, it fails.
    pub(super) fn refuse_start(&mut self, step: &StepId, reason: &str, at: Timestamp) -> Result<(), String> {
        let i = self.known(step)?;
        self.steps[i.get()].started.get_or_insert(at);
        self.steps[i.get()].detail_mut().error = Some(format!("a safety rule does not let it start: {reason}"));
        let event = match self.planned(i).section {
            Section::Forward | Section::Rollback => StepEvent::AttemptFailedToHold,
            Section::Finally => StepEvent::AttemptFailed,
        };
        self.advance(i, event, at)
    }

    /// The facts that the plan has rules about, in words.
    pub fn facts(&self) -> Vec<ToldFact> {
        self.guard.as_ref().map_or_else(Vec::new, |guard| guard.watch.told(&guard.known))
    }

    /// What is known of the facts, where the plan has rules about any.
    pub fn known_facts(&self) -> &[Option<bool>] {
        self.guard.as_ref().map_or(&[], |guard| guard.known.values())
    }
}

impl Conductor {
    /// Records a refusal instead of a start; says whether there was one.
    pub(super) fn is_refused(&mut self, i: Instance, now: Timestamp, journal: &mut impl Recording) -> bool {
        let Some(Refusal { rule, reason }) = self.state.refusal(i, now) else { return false };
        let step = self.state.id(i).clone();
        self.note(Event::StartRefused { step, reason: format!("{rule}: {reason}") }, journal);
        true
    }
}
