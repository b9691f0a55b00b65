//! What persons decided and ordered: who, when, in which words, and what they could see when they did.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::Value;

use super::step_of;
use crate::model::{Actor, Finding, StepId, Timestamp};
use crate::run::{Event, Record, Resolver, RollbackCause, SkipReason, State};

/// What was decided.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum What {
    /// The run was started.
    Started,
    /// A gate was approved.
    Approved,
    /// An approval was taken back.
    Withdrew,
    /// Somebody said no.
    Rejected,
    /// A gate was opened without its quorum.
    BrokeGlass,
    /// A manual task was answered.
    Answered,
    /// A step that had succeeded was confirmed.
    Confirmed,
    /// Another attempt was ordered.
    Retried,
    /// A step was passed over.
    Skipped,
    /// An attempt or an undo in doubt was decided.
    Resolved,
    /// The run was paused.
    Paused,
    /// The pause was ended.
    Continued,
    /// The run was turned back.
    TurnedBack,
    /// The run was stopped without rollback.
    Aborted,
    /// A run that had ended was taken up again.
    TookUp,
    /// An order was refused.
    WasRefused,
}

/// Something that the person could see.
#[derive(Clone, PartialEq, Debug)]
pub struct Evidence {
    /// What it is about: a step, as a rule.
    pub of: String,
    /// What it said.
    pub value: Value,
    /// How old it was at the decision, where that is known.
    pub age: Option<Duration>,
}

/// One decision.
#[derive(Clone, PartialEq, Debug)]
pub struct Decision {
    /// The record.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// The step; none where it is about the run.
    pub step: Option<StepId>,
    /// Who, and how they were recognised.
    pub by: Actor,
    /// What.
    pub what: What,
    /// What was asked, or what the order says beside its name.
    pub about: String,
    /// What they said.
    pub said: String,
    /// What they could see.
    pub evidence: Vec<Evidence>,
    /// How long after the question, where there was one.
    pub after: Option<Duration>,
}

impl What {
    /// The words for it; with underscores they are the name in JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Started => "started the run",
            Self::Approved => "approved",
            Self::Withdrew => "withdrew the approval",
            Self::Rejected => "rejected",
            Self::BrokeGlass => "broke the glass",
            Self::Answered => "answered the task",
            Self::Confirmed => "confirmed",
            Self::Retried => "ordered another attempt",
            Self::Skipped => "passed the step over",
            Self::Resolved => "resolved the doubt",
            Self::Paused => "paused the run",
            Self::Continued => "let the run go on",
            Self::TurnedBack => "turned the run back",
            Self::Aborted => "stopped the run",
            Self::TookUp => "took the run up again",
            Self::WasRefused => "was refused an order",
        }
    }

    /// Whether it says no, or declares an emergency: what a reader looks for first.
    pub const fn is_grave(self) -> bool {
        match self {
            Self::Rejected | Self::BrokeGlass | Self::TurnedBack | Self::Aborted | Self::WasRefused => true,
            Self::Started
            | Self::Approved
            | Self::Withdrew
            | Self::Answered
            | Self::Confirmed
            | Self::Retried
            | Self::Skipped
            | Self::Resolved
            | Self::Paused
            | Self::Continued
            | Self::TookUp => false,
        }
    }
}

/// What a step showed last, and what it asked.
#[derive(Default)]
struct Seen {
    asked: Option<(Timestamp, String)>,
    evidence: Value,
    ended: Option<Timestamp>,
    error: Option<(Timestamp, String)>,
    outputs: Value,
    looked: Option<(Timestamp, String)>,
}

/// The decisions while the records are read.
#[derive(Default)]
pub(super) struct Decisions {
    found: Vec<Decision>,
    seen: HashMap<StepId, Seen>,
}

impl Decisions {
    pub fn take(&mut self, state: &State, record: &Record) {
        self.remember(state, record);
        if let Some((by, what, about, said)) = decided(&record.event) {
            let step = step_of(&record.event).cloned();
            let (evidence, about, after) = match &step {
                Some(step) => self.shown(step, what, about, record.at),
                None => (Vec::new(), about, None),
            };
            let (seq, at, by) = (record.seq, record.at, by.clone());
            self.found.push(Decision { seq, at, step, by, what, about, said, evidence, after });
        }
    }

    pub fn end(self) -> Vec<Decision> {
        self.found
    }

    fn remember(&mut self, state: &State, record: &Record) {
        let Some(step) = step_of(&record.event) else { return };
        let seen = self.seen.entry(step.clone()).or_default();
        match &record.event {
            Event::WaitStarted { prompt, evidence, .. } => {
                seen.asked = Some((record.at, prompt.clone()));
                seen.evidence = evidence.clone();
            }
            Event::AttemptSucceeded { outputs, .. } => {
                seen.ended = Some(record.at);
                seen.outputs = outputs.clone();
                if state.find(step).is_some_and(|i| state.planned(i).confirm.is_some()) {
                    seen.asked = Some((record.at, "Did it do what it should?".to_owned()));
                }
            }
            Event::AttemptFailed { error, .. } | Event::UndoFailed { error, .. } => {
                seen.error = Some((record.at, error.clone()));
            }
            Event::AttemptInterrupted { reason, .. } | Event::UndoInterrupted { reason, .. } => {
                seen.error = Some((record.at, reason.clone()));
                seen.asked = Some((record.at, "What did the attempt in doubt leave at its target?".to_owned()));
                seen.looked = None;
            }
            Event::AttemptProbed { finding, evidence, .. } => {
                let seen_by = evidence["seen"].as_str();
                let said = seen_by.map_or_else(|| format!("the look said: {finding}"), |text| format!("looked and saw: {text}"));
                seen.looked = Some((record.at, said));
            }
            Event::ProgressNoted { text, .. } if text.contains(" looked at what the undo left: ") => {
                seen.looked = Some((record.at, text.clone()));
            }
            _ => {}
        }
    }

    /// What could be seen at this decision, what was asked, and how long ago.
    fn shown(&self, step: &StepId, what: What, about: String, now: Timestamp) -> (Vec<Evidence>, String, Option<Duration>) {
        let Some(seen) = self.seen.get(step) else { return (Vec::new(), about, None) };
        let asked = || seen.asked.clone().map_or((about.clone(), None), |(at, text)| (text, Some(now.since(at))));
        let of = |of: &str, at: Timestamp, text: &str| Evidence {
            of: of.to_owned(),
            value: Value::String(text.to_owned()),
            age: Some(now.since(at)),
        };
        let failed = || seen.error.iter().map(|(at, text)| of("it had failed with", *at, text));
        match what {
            What::Approved | What::Rejected | What::BrokeGlass | What::Withdrew | What::Confirmed | What::Answered => {
                let (about, after) = asked();
                (self.gathered(seen, now), about, after)
            }
            What::Resolved => {
                let looked = seen.looked.iter().map(|(at, text)| of("what was seen", *at, text));
                let (_, after) = asked();
                (failed().chain(looked).collect(), about, after)
            }
            What::Retried | What::Skipped => (failed().collect(), about, None),
            What::Started
            | What::Paused
            | What::Continued
            | What::TurnedBack
            | What::Aborted
            | What::TookUp
            | What::WasRefused => (Vec::new(), about, None),
        }
    }

    /// Of a gate what was gathered when it asked, with its age; of a confirmation what the step left.
    fn gathered(&self, seen: &Seen, now: Timestamp) -> Vec<Evidence> {
        match seen.evidence.as_object().filter(|object| !object.is_empty()) {
            Some(object) => object
                .iter()
                .map(|(of, value)| {
                    let ended = self.seen.get(&StepId::new(of)).and_then(|seen| seen.ended);
                    Evidence { of: of.clone(), value: value.clone(), age: ended.map(|ended| now.since(ended)) }
                })
                .collect(),
            None if seen.outputs.as_object().is_some_and(|object| !object.is_empty()) => {
                let age = seen.ended.map(|ended| now.since(ended));
                vec![Evidence { of: "what the step left".to_owned(), value: seen.outputs.clone(), age }]
            }
            None => Vec::new(),
        }
    }
}

/// Who decided what by this event, what it was about, and what they said.
fn decided(event: &Event) -> Option<(&Actor, What, String, String)> {
    let none = String::new;
    Some(match event {
        Event::RunStarted { starter, .. } => (starter, What::Started, none(), none()),
        Event::ApprovalGranted { by, note, .. } => (by, What::Approved, none(), note.clone()),
        Event::ApprovalWithdrawn { by, .. } => (by, What::Withdrew, none(), none()),
        Event::GlassBroken { by, reason, .. } => (by, What::BrokeGlass, none(), reason.clone()),
        Event::WaitRejected { by, reason, .. } => (by, What::Rejected, none(), reason.clone()),
        Event::TaskReported { by, answers, .. } => (by, What::Answered, none(), crate::views::event::plain(answers)),
        Event::StepConfirmed { by, .. } => (by, What::Confirmed, none(), none()),
        Event::RetryOrdered { by, .. } => (by, What::Retried, none(), none()),
        Event::StepSkipped { reason: SkipReason::Ordered { by, reason }, .. } => (by, What::Skipped, none(), reason.clone()),
        Event::AttemptResolved { by: Resolver::Person(by), finding, .. } => (by, What::Resolved, taken(finding), none()),
        Event::UndoResolved { by, finding, .. } => (by, What::Resolved, format!("the undo: {}", taken(finding)), none()),
        Event::Paused { by, reason } if *by != Actor::executor() => (by, What::Paused, none(), reason.clone()),
        Event::Continued { by } => (by, What::Continued, none(), none()),
        Event::RollbackStarted { cause: RollbackCause::Ordered { by, reason } } => (by, What::TurnedBack, none(), reason.clone()),
        Event::AbortOrdered { by, reason } => (by, What::Aborted, none(), reason.clone()),
        Event::RunReopened { by } => (by, What::TookUp, none(), none()),
        Event::CommandRefused { by, command, reason } => (by, What::WasRefused, command.clone(), reason.clone()),
        _ => return None,
    })
}

/// The person who decided or ordered something by this event.
pub(in crate::views) fn decided_by(event: &Event) -> Option<&Actor> {
    decided(event).map(|(by, ..)| by)
}

fn taken(finding: &Finding) -> String {
    format!("taken to be {finding}")
}
