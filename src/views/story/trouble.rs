//! What did not go as usual: attempts and how they ended, steps passed over, attempts in doubt, undos, and what befell the run.

use std::collections::HashMap;

use super::step_of;
use crate::model::{StepId, Timestamp, Touch};
use crate::plan::Wait;
use crate::run::{Event, Record, Resolver, RunNote, SkipReason, State, StepStatus};
use crate::views::{Clock, event};

/// One attempt of one step.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attempt {
    /// The record of its intent.
    pub seq: u64,
    /// The step.
    pub step: StepId,
    /// Its number.
    pub number: u32,
    /// When it began.
    pub from: Timestamp,
    /// When its end was recorded.
    pub until: Option<Timestamp>,
    /// How it ended, in words; empty while it goes on.
    pub end: String,
    /// The error of one that failed.
    pub error: Option<String>,
    /// Whether its target can have changed although it failed.
    pub touch: Option<Touch>,
    /// Why there was another one after it.
    pub again: Option<String>,
}

/// A step that was passed over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Skip {
    /// The record.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// The step.
    pub step: StepId,
    /// The status before.
    pub was: StepStatus,
    /// Who; none where the plan said so.
    pub by: Option<String>,
    /// Why.
    pub why: String,
}

/// An attempt, or an undo, whose end nobody saw.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Doubt {
    /// The record.
    pub seq: u64,
    /// The step.
    pub step: StepId,
    /// The attempt.
    pub attempt: u32,
    /// `attempt` or `undo`.
    pub of: &'static str,
    /// When it was found.
    pub from: Timestamp,
    /// Why nobody saw the end.
    pub reason: String,
    /// What the read-only looks and persons said, in order.
    pub looks: Vec<String>,
    /// When it was decided, who or what decided, and as what.
    pub resolved: Option<(Timestamp, String, String)>,
}

/// One try to undo a step.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UndoTried {
    /// The record of its intent.
    pub seq: u64,
    /// The step.
    pub step: StepId,
    /// Its number.
    pub number: u32,
    /// When it began.
    pub from: Timestamp,
    /// When its end was recorded.
    pub until: Option<Timestamp>,
    /// How it ended, in words.
    pub end: String,
    /// Whether it failed, whatever was said of it later.
    pub failed: bool,
    /// What a person can send by hand, where it failed.
    pub manual: Vec<String>,
}

/// Something else that a reader has to know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notable {
    /// The record.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// The step, where it is about one.
    pub step: Option<StepId>,
    /// What happened.
    pub text: String,
}

/// The troubles while the records are read.
#[derive(Default)]
pub(super) struct Troubles {
    attempts: Vec<Attempt>,
    skips: Vec<Skip>,
    doubts: Vec<Doubt>,
    undos: Vec<UndoTried>,
    notables: Vec<Notable>,
    last: HashMap<StepId, StepStatus>,
    executors: u32,
}

type Found = (Vec<Attempt>, Vec<Skip>, Vec<Doubt>, Vec<UndoTried>, Vec<Notable>);

impl Troubles {
    pub fn take(&mut self, state: &State, record: &Record) {
        self.attempt(state, record);
        self.undo(record);
        self.doubt(record);
        self.notable(state, record);
        if let Event::StepSkipped { step, reason } = &record.event {
            let (by, why) = match reason {
                SkipReason::WhenFalse => (None, "its `when` was false".to_owned()),
                SkipReason::Ordered { by, reason } => (Some(by.to_string()), reason.clone()),
            };
            let was = self.last.get(step).copied().unwrap_or(StepStatus::Pending);
            self.skips.push(Skip { seq: record.seq, at: record.at, step: step.clone(), was, by, why });
        }
        if let Some(step) = step_of(&record.event)
            && let Some(i) = state.find(step)
        {
            self.last.insert(step.clone(), state.step(i).status);
        }
    }

    pub fn end(self) -> Found {
        (self.attempts, self.skips, self.doubts, self.undos, self.notables)
    }

    fn attempt(&mut self, state: &State, record: &Record) {
        match &record.event {
            Event::AttemptStarted { step, attempt, .. } => {
                let before = self.attempts.iter_mut().rfind(|before| before.step == *step && before.again.is_none());
                if let Some(before) = before.filter(|before| before.number < *attempt) {
                    before.again = Some("the run tried it again".to_owned());
                }
                self.attempts.push(Attempt {
                    seq: record.seq,
                    step: step.clone(),
                    number: *attempt,
                    from: record.at,
                    until: None,
                    end: String::new(),
                    error: None,
                    touch: None,
                    again: None,
                });
            }
            Event::AttemptSucceeded { step, attempt, .. } => {
                self.ended(step, *attempt, record.at, "succeeded");
            }
            Event::AttemptFailed { step, attempt, error, touch, retry_at } => {
                // A failure before the intent has no attempt of its own: it was found while the step was being prepared.
                if !self.attempts.iter().any(|found| found.step == *step && found.number == *attempt) {
                    self.attempts.push(Attempt {
                        seq: record.seq,
                        step: step.clone(),
                        number: *attempt,
                        from: record.at,
                        until: None,
                        end: String::new(),
                        error: None,
                        touch: None,
                        again: None,
                    });
                }
                if let Some(found) = self.ended(step, *attempt, record.at, "failed") {
                    found.error = Some(error.clone());
                    found.touch = Some(*touch);
                    found.again = retry_at.map(|_| "by the plan's `retry`".to_owned());
                }
            }
            Event::AttemptInterrupted { step, attempt, .. } => {
                self.ended(step, *attempt, record.at, "in doubt");
            }
            Event::AttemptResolved { step, attempt, finding, .. } => {
                self.ended(step, *attempt, record.at, &format!("in doubt, then taken to be {finding}"));
            }
            Event::RetryOrdered { step, by } => {
                let attempt = state.find(step).map_or(0, |i| state.step(i).attempt);
                if let Some(found) = self.attempts.iter_mut().rfind(|a| a.step == *step && a.number <= attempt) {
                    found.again = Some(format!("ordered by {}", by.name()));
                }
            }
            _ => {}
        }
    }

    fn ended(&mut self, step: &StepId, number: u32, at: Timestamp, end: &str) -> Option<&mut Attempt> {
        let found = self.attempts.iter_mut().rfind(|attempt| attempt.step == *step && attempt.number == number)?;
        found.until = Some(at);
        end.clone_into(&mut found.end);
        Some(found)
    }

    fn undo(&mut self, record: &Record) {
        let at = record.at;
        match &record.event {
            Event::UndoStarted { step, attempt, .. } => self.undos.push(UndoTried {
                seq: record.seq,
                step: step.clone(),
                number: *attempt,
                from: at,
                until: None,
                end: String::new(),
                failed: false,
                manual: Vec::new(),
            }),
            Event::UndoSucceeded { step, .. } => {
                self.undone(step, at, "undone and proven");
            }
            Event::UndoFailed { step, error, manual, .. } => {
                if let Some(undo) = self.undone(step, at, &format!("failed: {error}")) {
                    undo.failed = true;
                    undo.manual.extend_from_slice(manual);
                }
            }
            Event::UndoInterrupted { step, reason, .. } => {
                self.undone(step, at, &format!("in doubt: {reason}"));
            }
            Event::UndoResolved { step, finding, by } => {
                self.undone(step, at, &format!("taken to be {finding}, says {}", by.name()));
            }
            _ => {}
        }
    }

    fn undone(&mut self, step: &StepId, at: Timestamp, end: &str) -> Option<&mut UndoTried> {
        let undo = self.undos.iter_mut().rfind(|undo| undo.step == *step)?;
        undo.until = Some(at);
        undo.end = if undo.end.is_empty() { end.to_owned() } else { format!("{}; then {end}", undo.end) };
        Some(undo)
    }

    fn doubt(&mut self, record: &Record) {
        let began = |step: &StepId, attempt: u32, of, reason: &str| Doubt {
            seq: record.seq,
            step: step.clone(),
            attempt,
            of,
            from: record.at,
            reason: reason.to_owned(),
            looks: Vec::new(),
            resolved: None,
        };
        match &record.event {
            Event::AttemptInterrupted { step, attempt, reason } => self.doubts.push(began(step, *attempt, "attempt", reason)),
            Event::UndoInterrupted { step, attempt, reason } => self.doubts.push(began(step, *attempt, "undo", reason)),
            Event::AttemptProbed { step, finding, evidence, .. } => {
                let look = match (evidence["by"].as_str(), evidence["seen"].as_str()) {
                    (Some(by), Some(seen)) => format!("{by} looked and saw: {seen}"),
                    _ => format!("a read-only look said: {finding}"),
                };
                self.with_doubt(step, |doubt| doubt.looks.push(look));
            }
            Event::AttemptResolved { step, finding, by, .. } => {
                let by = match by {
                    Resolver::Probe => "the read-only look".to_owned(),
                    Resolver::Policy => "the plan's policy".to_owned(),
                    Resolver::Person(person) => person.to_string(),
                };
                self.with_doubt(step, |doubt| doubt.resolved = Some((record.at, by, finding.to_string())));
            }
            Event::UndoResolved { step, finding, by } => {
                self.with_doubt(step, |doubt| doubt.resolved = Some((record.at, by.to_string(), finding.to_string())));
            }
            _ => {}
        }
    }

    fn with_doubt(&mut self, step: &StepId, change: impl FnOnce(&mut Doubt)) {
        if let Some(doubt) = self.doubts.iter_mut().rfind(|doubt| doubt.step == *step && doubt.resolved.is_none()) {
            change(doubt);
        }
    }

    /// What is no decision, no attempt and no undo, and still is not what was planned.
    fn notable(&mut self, state: &State, record: &Record) {
        let is_second = matches!(record.event, Event::ExecutorStarted { .. }) && {
            self.executors += 1;
            self.executors > 1
        };
        let quorum_is_asked = |step: &StepId| {
            let wait = state.find(step).and_then(|i| state.planned(i).wait.as_ref());
            matches!(wait, Some(Wait::Approval { .. } | Wait::Manual { .. }))
        };
        let is_notable = match &record.event {
            Event::ExecutorStarted { .. } => is_second,
            Event::WaitEnded { step } => quorum_is_asked(step),
            Event::ExecutorStopped { .. }
            | Event::JournalRepaired { .. }
            | Event::ClockJumped { .. }
            | Event::Paused { .. }
            | Event::Continued { .. }
            | Event::RollbackStarted { .. }
            | Event::AbortOrdered { .. }
            | Event::RunReopened { .. }
            | Event::WaitExpired { .. }
            | Event::ApprovalWithdrawn { .. }
            | Event::GlassBroken { .. }
            | Event::ApprovalLapsed { .. }
            | Event::StartRefused { .. }
            | Event::GateReopened { .. }
            | Event::RosterChanged { .. }
            | Event::WaitRejected { .. }
            | Event::LateResultIgnored { .. }
            | Event::CommandRefused { .. } => true,
            Event::GroupEnded { failed, .. } => !failed.is_empty(),
            Event::RunNoted { note } => matches!(note, RunNote::RehearsalSought { found, .. } if found.is_null()),
            Event::RunStarted { .. }
            | Event::FinallyStarted { .. }
            | Event::RunEnded { .. }
            | Event::StepSkipped { .. }
            | Event::StepSpread { .. }
            | Event::WaitStarted { .. }
            | Event::ApprovalGranted { .. }
            | Event::TaskReported { .. }
            | Event::StepConfirmed { .. }
            | Event::AttemptStarted { .. }
            | Event::StatementSent { .. }
            | Event::QuestionAsked { .. }
            | Event::OutputCaptured { .. }
            | Event::ProgressNoted { .. }
            | Event::AttemptSucceeded { .. }
            | Event::AttemptFailed { .. }
            | Event::AttemptInterrupted { .. }
            | Event::AttemptProbed { .. }
            | Event::AttemptResolved { .. }
            | Event::RetryOrdered { .. }
            | Event::UndoStarted { .. }
            | Event::UndoSucceeded { .. }
            | Event::UndoFailed { .. }
            | Event::UndoInterrupted { .. }
            | Event::UndoResolved { .. } => false,
        };
        if is_notable {
            let told = event::tell(&record.event, state.plan(), &Clock::of(state.plan()));
            let (seq, at) = (record.seq, record.at);
            self.notables.push(Notable { seq, at, step: told.step.cloned(), text: told.text });
        }
    }
}
