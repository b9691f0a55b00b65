//! The fold of attempts and undos: begun, ended, lost, looked at, decided.

use super::state::{Instance, State};
use super::{Event, Resolver, RollbackCause, StepEvent, StepStatus};
use crate::model::{Finding, StepId, Timestamp, Touch, Value};
use crate::plan::{OnFailure, Section};

type Folded = Result<(), String>;

impl State {
    pub(super) fn fold_attempt(&mut self, event: &Event, at: Timestamp) -> Folded {
        match event {
            Event::AttemptStarted { step, attempt, snapshot, identity, .. } => {
                let i = self.known(step)?;
                if *attempt != self.step(i).attempt + 1 {
                    return Err(format!("attempt {attempt} of {step} does not follow attempt {}", self.step(i).attempt));
                }
                self.advance(i, StepEvent::AttemptBegan, at)?;
                self.use_gates_before(i);
                if let Some(target) = self.planned(i).target.clone() {
                    self.note_answer(&target, identity);
                }
                let mutating = self.planned(i).mutating;
                let state = &mut self.steps[i.get()];
                state.attempt = *attempt;
                state.started.get_or_insert(at);
                state.probed = false;
                if !snapshot.is_null() && (!state.tainted || state.detail.as_ref().is_none_or(|d| d.snapshot.is_null())) {
                    // After a tainted attempt the first snapshot stays: a later one may show our own half-done work.
                    state.detail_mut().snapshot = snapshot.clone();
                }
                if mutating {
                    self.touch(i);
                }
                Ok(())
            }
            Event::AttemptSucceeded { step, attempt, outputs, .. } => {
                let i = self.current(step, *attempt)?;
                self.set_outputs(i, outputs);
                self.steps[i.get()].tainted = true;
                self.advance(i, self.success(i), at)
            }
            Event::AttemptFailed { step, attempt, error, touch, retry_at } => {
                self.fail(step, *attempt, error, *touch, *retry_at, at)
            }
            Event::AttemptInterrupted { step, attempt, reason } => {
                let i = self.current(step, *attempt)?;
                let state = &mut self.steps[i.get()];
                state.probed = false;
                state.tainted = true;
                state.detail_mut().error = Some(reason.clone());
                self.advance(i, StepEvent::AttemptLost, at)
            }
            Event::AttemptProbed { step, attempt, finding, .. } => {
                let i = self.current(step, *attempt)?;
                self.steps[i.get()].probed = true;
                self.steps[i.get()].detail_mut().error = Some(format!("looked at after the interruption: {finding}"));
                Ok(())
            }
            Event::AttemptResolved { step, attempt, finding, by, outputs } => {
                self.resolve_attempt(step, *attempt, finding, by, outputs, at)
            }
            Event::ProgressNoted { step, text, .. } => {
                let i = self.known(step)?;
                self.steps[i.get()].detail_mut().progress = Some(text.clone());
                Ok(())
            }
            other => Err(format!("{other:?} is folded elsewhere")),
        }
    }

    pub(super) fn fold_undo(&mut self, event: &Event, at: Timestamp) -> Folded {
        match event {
            Event::UndoStarted { step, attempt, .. } => {
                let i = self.known(step)?;
                if *attempt != self.step(i).undo_attempt + 1 {
                    return Err(format!("undo {attempt} of {step} does not follow undo {}", self.step(i).undo_attempt));
                }
                self.steps[i.get()].undo_attempt = *attempt;
                self.passes.values_mut().for_each(|pass| {
                    pass.ready.remove(&i);
                });
                self.advance(i, StepEvent::UndoBegan, at)
            }
            Event::UndoSucceeded { step, attempt, .. } => {
                let i = self.current_undo(step, *attempt)?;
                self.advance(i, StepEvent::UndoSucceeded, at)?;
                self.untouch(i);
                Ok(())
            }
            Event::UndoFailed { step, attempt, error, manual } => {
                let i = self.current_undo(step, *attempt)?;
                let detail = self.steps[i.get()].detail_mut();
                detail.error = Some(error.clone());
                detail.manual.clone_from(manual);
                self.advance(i, StepEvent::UndoFailed, at)
            }
            Event::UndoInterrupted { step, attempt, reason } => {
                let i = self.current_undo(step, *attempt)?;
                self.steps[i.get()].detail_mut().error = Some(reason.clone());
                self.advance(i, StepEvent::UndoLost, at)
            }
            Event::UndoResolved { step, finding, .. } => {
                let i = self.known(step)?;
                if matches!(finding, Finding::Applied) {
                    self.advance(i, StepEvent::UndoResolvedDone, at)?;
                    self.untouch(i);
                    Ok(())
                } else {
                    self.advance(i, StepEvent::UndoResolvedOpen, at)
                }
            }
            other => Err(format!("{other:?} is folded elsewhere")),
        }
    }

    pub(super) fn fail(
        &mut self,
        step: &StepId,
        attempt: u32,
        error: &str,
        touch: Touch,
        retry_at: Option<Timestamp>,
        at: Timestamp,
    ) -> Folded {
        let i = self.known(step)?;
        let running = self.step(i).status == StepStatus::Running;
        let expected = if running { self.step(i).attempt } else { self.step(i).attempt + 1 };
        if attempt != expected {
            return Err(format!("attempt {attempt} of {step} is not attempt {expected}"));
        }
        let state = &mut self.steps[i.get()];
        state.attempt = attempt;
        state.started.get_or_insert(at);
        state.detail_mut().error = Some(error.to_owned());
        state.tainted |= running && touch == Touch::Possible;
        // Only attempts that are all proven untouched leave nothing to undo.
        if !state.tainted {
            self.untouch(i);
        }
        match retry_at {
            Some(moment) => {
                self.advance(i, StepEvent::AttemptFailedToRetry, at)?;
                self.set_timer(i, Some(moment));
                Ok(())
            }
            None => self.settle_failure(
                i,
                StepEvent::AttemptFailed,
                StepEvent::AttemptFailedToHold,
                RollbackCause::StepFailed(step.clone()),
                at,
            ),
        }
    }

    pub(super) fn resolve_attempt(
        &mut self,
        step: &StepId,
        attempt: u32,
        finding: &Finding,
        by: &Resolver,
        outputs: &Value,
        at: Timestamp,
    ) -> Folded {
        let i = self.current(step, attempt)?;
        let held = self.step(i).status == StepStatus::Held;
        let going = self.section_is_active(self.planned(i).section);
        let cause = RollbackCause::StepFailed(step.clone());
        match finding {
            Finding::Applied => {
                self.set_outputs(i, outputs);
                self.steps[i.get()].tainted = true;
                let event = match self.success(i) {
                    StepEvent::AttemptSucceededToConfirm if going => StepEvent::ResolvedAppliedToConfirm,
                    _ => StepEvent::ResolvedApplied,
                };
                self.advance(i, event, at)
            }
            Finding::NotApplied => {
                if matches!(by, Resolver::Probe | Resolver::Person(_)) || !self.planned(i).mutating {
                    self.steps[i.get()].tainted = false;
                    self.untouch(i);
                }
                match (held, going) {
                    (true, true) => self.settle_failure(i, StepEvent::ResolvedFailed, StepEvent::ResolvedToHold, cause, at),
                    (true | false, false) => self.advance(i, StepEvent::ResolvedFailed, at),
                    (false, true) => self.advance(i, StepEvent::ResolvedToRetry, at),
                }
            }
            Finding::Partial(what) | Finding::Unknown(what) => {
                self.steps[i.get()].detail_mut().error = Some(what.clone());
                match by {
                    Resolver::Policy if going && matches!(finding, Finding::Partial(_)) => {
                        self.advance(i, StepEvent::ResolvedToRetry, at)
                    }
                    Resolver::Policy | Resolver::Probe | Resolver::Person(_) if going => {
                        self.settle_failure(i, StepEvent::ResolvedFailed, StepEvent::ResolvedToHold, cause, at)
                    }
                    Resolver::Policy | Resolver::Probe | Resolver::Person(_) => self.advance(i, StepEvent::ResolvedFailed, at),
                }
            }
        }
    }

    /// What a step that is over without success means for the run.
    pub(super) fn settle_failure(
        &mut self,
        i: Instance,
        failed: StepEvent,
        held: StepEvent,
        cause: RollbackCause,
        at: Timestamp,
    ) -> Folded {
        let planned = self.planned(i);
        let (section, on_failure) = (planned.section, planned.on_failure);
        let going = self.section_is_active(section);
        match (section, on_failure) {
            (Section::Forward, OnFailure::Rollback) if going && self.is_past_no_return() => self.advance(i, held, at),
            (Section::Forward | Section::Rollback, OnFailure::Hold) if going => self.advance(i, held, at),
            (Section::Forward, OnFailure::Rollback) if going => {
                self.turn_wanted.get_or_insert(cause);
                self.advance(i, failed, at)
            }
            (
                Section::Forward | Section::Rollback | Section::Finally,
                OnFailure::Rollback | OnFailure::Hold | OnFailure::Continue,
            ) => self.advance(i, failed, at),
        }
    }
}
