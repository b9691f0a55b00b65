//! What follows from a state at a moment: expiries, turning back, dispatch, ends.
//!
//! Each decision is recorded and folded before the next one is made, so that every decision sees the others.

use std::sync::Arc;

use super::conductor::{Conductor, Recording, Starts, Verb};
use super::effect::Effect;
use super::state::{Instance, Phase};
use super::{Event, Resolver, SkipReason, StepStatus};
use crate::model::{Finding, RunOutcome, StepId, Timestamp, Touch, Value};
use crate::plan::{InDoubt, PlannedUndo, Section, StepKind, Wait};

impl Conductor {
    /// Decides until nothing more follows at `now`.
    pub(super) fn decide(&mut self, now: Timestamp, journal: &mut impl Recording) {
        loop {
            let before = (self.state.last_seq(), self.flights.len());
            self.fire_timers(now, journal);
            self.hold_for_the_clock(now, journal);
            self.note_freezes(now, journal);
            self.turn_phase(journal);
            self.settle_doubts(journal);
            if self.state.paused().is_none() && self.starts == Starts::Allowed {
                self.dispatch_quick(now, journal);
                self.dispatch_actions(now, journal);
                self.dispatch_undos(journal);
            }
            if before == (self.state.last_seq(), self.flights.len()) {
                break;
            }
        }
    }

    fn fire_timers(&mut self, now: Timestamp, journal: &mut impl Recording) {
        while let Some((at, i)) = self.state.timers.first().copied().filter(|(at, _)| *at <= now) {
            let step = self.state.id(i).clone();
            let wait = self.state.planned(i).wait.clone();
            match self.state.step(i).status {
                StepStatus::AwaitingPeople => {
                    let opens = self.state.step(i).detail.as_ref().and_then(|detail| detail.glass.1);
                    let broken = opens.is_some_and(|opens| opens <= now);
                    self.note(if broken { Event::WaitEnded { step } } else { Event::WaitExpired { step } }, journal);
                }
                StepStatus::AwaitingTime => {
                    let closed = matches!(wait, Some(Wait::Window))
                        && self.state.plan().content().window.as_ref().is_some_and(|window| now >= window.closes);
                    self.note(if closed { Event::WaitExpired { step } } else { Event::WaitEnded { step } }, journal);
                }
                _ => {
                    self.state.timers.remove(&(at, i));
                    self.state.enqueue_again(i);
                }
            }
        }
    }

    /// Moves the run from one phase to the next when nothing is left to do in it.
    fn turn_phase(&mut self, journal: &mut impl Recording) {
        let paused = self.state.paused().is_some();
        let idle = self.flights.is_empty();
        match self.state.phase() {
            Phase::Forward => {
                if let Some(cause) = self.state.turn_wanted.clone() {
                    if !paused {
                        self.note(Event::RollbackStarted { cause }, journal);
                        self.cancel_looks();
                    }
                } else if self.state.open[0] == 0 && idle && !paused {
                    self.note(Event::FinallyStarted { outcome: RunOutcome::Succeeded }, journal);
                }
            }
            Phase::RollingBack if self.state.open[1] == 0 && idle && !paused => {
                let outcome = self.rollback_outcome();
                self.note(Event::FinallyStarted { outcome }, journal);
            }
            Phase::Aborting => {
                self.cancel_looks();
                if idle && self.state.forward_running == 0 {
                    self.note(Event::FinallyStarted { outcome: RunOutcome::Aborted }, journal);
                }
            }
            Phase::Finally(outcome) if self.state.open[2] == 0 && idle && !paused => {
                self.note(Event::RunEnded { outcome }, journal);
            }
            Phase::New | Phase::RollingBack | Phase::Finally(_) | Phase::Ended(_) => {}
        }
    }

    /// How the way back ended: whole, or with something that only a person can finish.
    fn rollback_outcome(&self) -> RunOutcome {
        let state = &self.state;
        let whole = state.instances().all(|i| {
            let (planned, step) = (state.planned(i), state.step(i));
            match planned.section {
                Section::Forward => {
                    let stuck = step.touched && matches!(planned.undo, PlannedUndo::Impossible { .. });
                    !state.owes_undo(i) && !stuck
                }
                Section::Rollback => step.status.satisfies(),
                Section::Finally => true,
            }
        });
        if whole { RunOutcome::RolledBack } else { RunOutcome::NeedsAttention }
    }

    /// Nobody needs the answers of looks and preparations any more once the run has turned.
    fn cancel_looks(&mut self) {
        let unwanted: Vec<Instance> = self
            .flights
            .iter()
            .filter(|(_, flight)| flight.is_look() && flight.verb != Verb::Probe)
            .map(|(i, _)| *i)
            .filter(|i| self.state.planned(*i).section == Section::Forward)
            .collect();
        for i in unwanted {
            if !self.effects.contains(&Effect::Cancel(i)) {
                self.effects.push(Effect::Cancel(i));
            }
        }
    }

    /// Attempts in doubt: look, or follow the plan's word, or leave them to a person.
    fn settle_doubts(&mut self, journal: &mut impl Recording) {
        if matches!(self.state.phase(), Phase::Aborting | Phase::Ended(_)) {
            return;
        }
        let doubts: Vec<Instance> = self.state.in_doubt.iter().copied().filter(|i| !self.flights.contains_key(i)).collect();
        for i in doubts {
            let (planned, attempt) = (self.state.planned(i), self.state.step(i).attempt);
            let going = self.state.section_is_active(planned.section);
            let step = self.state.id(i).clone();
            let by_policy = |finding| Event::AttemptResolved {
                step: step.clone(),
                attempt,
                finding,
                by: Resolver::Policy,
                outputs: Value::Null,
            };
            if !planned.mutating {
                self.note(by_policy(Finding::NotApplied), journal);
                continue;
            }
            match &planned.in_doubt {
                // On the way back the undo decides what to do about it.
                _ if !going => {}
                InDoubt::Rerun { why } => {
                    let why = why.clone();
                    self.note(by_policy(Finding::Partial(format!("running it again is harmless: {why}"))), journal);
                }
                InDoubt::Probe if !self.state.step(i).probed && planned.has_probe => {
                    if self.starts == Starts::Allowed {
                        self.look(i);
                    }
                }
                InDoubt::Probe | InDoubt::Ask if planned.section == Section::Finally => {
                    self.note(
                        by_policy(Finding::Unknown("nobody saw its end, and no step of `finally` waits for a person".to_owned())),
                        journal,
                    );
                }
                InDoubt::Probe | InDoubt::Ask => {}
            }
        }
    }

    pub(super) fn look(&mut self, i: Instance) {
        let attempt = self.state.step(i).attempt;
        if let Ok(spec) = self.state.call(i, attempt).map(Arc::new) {
            self.effects.push(Effect::Probe(spec.clone()));
            self.depart(i, Verb::Probe, spec);
        }
    }

    /// Whether a step of this instance's section may start anything now.
    pub(super) fn may_start(&self, i: Instance) -> bool {
        let section = self.state.planned(i).section;
        self.state.paused().is_none()
            && self.starts == Starts::Allowed
            && self.state.turn_wanted.is_none()
            && self.state.section_is_active(section)
            && (section != Section::Rollback || self.forward_is_quiet())
            && self.state.step(i).missing == 0
            && matches!(self.state.step(i).status, StepStatus::Pending | StepStatus::Ready | StepStatus::BackingOff)
    }

    /// Whether the work of forward steps that was under way when the run turned has finished.
    pub(super) fn forward_is_quiet(&self) -> bool {
        self.state.forward_running == 0
            && self.flights.values().all(|flight| {
                flight.verb == Verb::Undo
                    || self.state.planned(flight.spec.instance).section != Section::Forward
                    || flight.verb == Verb::Probe
            })
    }

    fn dispatch_quick(&mut self, now: Timestamp, journal: &mut impl Recording) {
        if self.state.phase() == Phase::RollingBack && !self.forward_is_quiet() {
            return;
        }
        while self.state.turn_wanted.is_none()
            && let Some(i) = self.state.ready_quick.pop_first()
        {
            let planned = self.state.planned(i);
            let step = self.state.id(i).clone();
            match planned.kind.clone() {
                StepKind::Action => self.start_wait(i, step, now, journal),
                StepKind::Group { .. } => {
                    let failed = self.unsatisfied(planned.needs.iter().map(|n| Instance::of(*n)));
                    self.note(Event::GroupEnded { step, failed }, journal);
                }
                StepKind::Spread { .. } if self.state.step(i).status == StepStatus::Running => {
                    let failed = self.unsatisfied(self.state.children(i).iter().copied());
                    self.note(Event::GroupEnded { step, failed }, journal);
                }
                StepKind::Spread { over, .. } => match self.state.render(i, &over) {
                    Ok(Value::Array(items)) => self.note(Event::StepSpread { step, items }, journal),
                    Ok(other) => self.unprepared(i, step, format!("`{}` is no list but {other}", over.text()), journal),
                    Err(error) => self.unprepared(i, step, error.to_string(), journal),
                },
                StepKind::Undo(scope) => {
                    let pass = self.state.new_pass(&scope);
                    let items = pass.left.iter().rev().map(|left| Value::String(self.state.id(*left).to_string())).collect();
                    self.note(Event::StepSpread { step, items }, journal);
                }
            }
        }
    }

    fn unsatisfied(&self, steps: impl Iterator<Item = Instance>) -> Vec<StepId> {
        steps.filter(|i| !self.state.step(*i).status.satisfies()).map(|i| self.state.id(i).clone()).collect()
    }

    fn unprepared(&mut self, i: Instance, step: StepId, error: String, journal: &mut impl Recording) {
        let attempt = self.state.step(i).attempt + 1;
        self.note(Event::AttemptFailed { step, attempt, error, touch: Touch::Untouched, retry_at: None }, journal);
    }

    fn start_wait(&mut self, i: Instance, step: StepId, now: Timestamp, journal: &mut impl Recording) {
        match self.is_wanted(i) {
            Ok(true) => {}
            Ok(false) => return self.note(Event::StepSkipped { step, reason: SkipReason::WhenFalse }, journal),
            Err(error) => return self.unprepared(i, step, error, journal),
        }
        let prompt = match self.state.prompt(i) {
            Ok(prompt) => prompt,
            Err(error) => return self.unprepared(i, step, error.to_string(), journal),
        };
        let until = match &self.state.planned(i).wait {
            Some(Wait::Approval { deadline, .. } | Wait::Manual { deadline, .. }) => {
                deadline.map(|span| now.plus(span.as_duration()))
            }
            Some(Wait::Hold { duration }) => Some(now.plus(duration.as_duration())),
            Some(Wait::Window) => {
                self.state.plan().content().window.as_ref().map_or(Some(now), |window| Some(window.opens.max(now)))
            }
            None => None,
        };
        let evidence = self.state.evidence(i);
        self.note(Event::WaitStarted { step, prompt, until, evidence }, journal);
    }

    /// Whether the step's `when` holds.
    fn is_wanted(&self, i: Instance) -> Result<bool, String> {
        let Some(when) = &self.state.planned(i).when else { return Ok(true) };
        match self.state.render(i, when) {
            Ok(Value::Bool(wanted)) => Ok(wanted),
            Ok(Value::String(text)) if text.trim() == "true" => Ok(true),
            Ok(Value::String(text)) if text.trim() == "false" => Ok(false),
            Ok(other) => Err(format!("`when` must give true or false, and `{}` gives {other}", when.text())),
            Err(error) => Err(error.to_string()),
        }
    }

    fn dispatch_actions(&mut self, now: Timestamp, journal: &mut impl Recording) {
        if self.state.phase() == Phase::RollingBack && !self.forward_is_quiet() {
            return;
        }
        let places = self.state.plan().content().max_concurrent.max(1) as usize;
        while self.flights.len() < places
            && self.state.turn_wanted.is_none()
            && let Some(i) = self.state.ready_actions.pop_first()
        {
            if self.flights.contains_key(&i) || !self.may_start(i) {
                continue;
            }
            if let Some(group) = self.state.group(i).filter(|group| self.is_full(*group)) {
                self.parked.entry(group).or_default().push(i);
                continue;
            }
            self.start_attempt(i, now, journal);
        }
    }

    fn is_full(&self, group: Instance) -> bool {
        let limit = match self.state.planned(group).kind {
            StepKind::Group { max_concurrent } | StepKind::Spread { max_concurrent, .. } => max_concurrent.max(1),
            StepKind::Action | StepKind::Undo(_) => u32::MAX,
        };
        self.group_active.get(&group).is_some_and(|active| *active >= limit)
    }

    fn start_attempt(&mut self, i: Instance, now: Timestamp, journal: &mut impl Recording) {
        let step = self.state.id(i).clone();
        if self.state.step(i).attempt == 0 {
            match self.is_wanted(i) {
                Ok(true) => {}
                Ok(false) => return self.note(Event::StepSkipped { step, reason: SkipReason::WhenFalse }, journal),
                Err(error) => return self.unprepared(i, step, error, journal),
            }
        }
        if self.is_refused(i, now, journal) {
            return;
        }
        match self.state.call(i, self.state.step(i).attempt + 1) {
            Ok(mut spec) => {
                spec.snapshot = Value::Null;
                let spec = Arc::new(spec);
                self.effects.push(Effect::Prepare(spec.clone()));
                self.depart(i, Verb::Prepare, spec);
            }
            Err(error) => self.unprepared(i, step, error.to_string(), journal),
        }
    }
}
