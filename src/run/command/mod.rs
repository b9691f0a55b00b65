//! What a person can order, one file per verb. Each is exhaustive over every status and safe to repeat.

mod abort;
mod approve;
mod break_glass;
mod pause;
mod reject;
mod report;
mod resolve;
mod retry;
mod rollback;
mod skip;
mod submit;

pub use report::typed_answers;
pub use submit::Submission;

use super::{Event, Instance, Phase, State, StepStatus};
use crate::authority::Signed;
use crate::model::{Actor, Authentication, Finding, Object, StepId, Timestamp};

/// An order.
#[derive(Clone, PartialEq, Debug)]
pub enum Command {
    /// Approve a gate, or confirm a step.
    Approve {
        /// The step.
        step: StepId,
        /// What the person says.
        note: String,
    },
    /// Open a gate without its quorum, in an emergency.
    BreakGlass {
        /// The step.
        step: StepId,
        /// Why.
        reason: String,
    },
    /// Take an approval back.
    Withdraw {
        /// The step.
        step: StepId,
    },
    /// Say no at a gate, to a task or to a confirmation.
    Reject {
        /// The step.
        step: StepId,
        /// Why.
        reason: String,
    },
    /// Report a manual task as done.
    Report {
        /// The step.
        step: StepId,
        /// The fields of its form.
        answers: Object,
    },
    /// Start nothing new.
    Pause {
        /// Why.
        reason: String,
    },
    /// End a pause.
    Continue,
    /// Try a step, or its undo, again.
    Retry {
        /// The step.
        step: StepId,
    },
    /// Pass a step over.
    Skip {
        /// The step.
        step: StepId,
        /// Why.
        reason: String,
    },
    /// Say what an attempt or an undo in doubt left.
    Resolve {
        /// The step.
        step: StepId,
        /// What it left.
        finding: Finding,
        /// What the person saw, and where; it goes into the record.
        seen: String,
    },
    /// Turn back.
    Rollback {
        /// Why.
        reason: String,
    },
    /// Stop without rollback.
    Abort {
        /// Why.
        reason: String,
    },
    /// Whatever a signed statement decides.
    Submit(Box<Submission>),
}

/// What became of an order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// It is recorded and takes effect.
    Accepted,
    /// It was so already.
    AlreadyDone,
    /// It makes no sense now; the text says why, and what would.
    NotApplicable(String),
    /// This person may not order it; the text says why.
    Forbidden(String),
}

impl Answer {
    /// The word for programs, and why where the order was not taken.
    pub const fn told(&self) -> (&'static str, Option<&String>) {
        match self {
            Self::Accepted => ("accepted", None),
            Self::AlreadyDone => ("already_done", None),
            Self::NotApplicable(why) => ("not_applicable", Some(why)),
            Self::Forbidden(why) => ("forbidden", Some(why)),
        }
    }
}

pub(super) type Decision = (Vec<Event>, Answer);

impl Command {
    /// The order that a signed statement gives; the engine looks up what it needs of the world.
    pub fn submit(signed: Signed, words: String) -> Self {
        Self::Submit(Box::new(Submission { signed, words, installation: String::new(), chain: None }))
    }

    /// The word of the command line.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Approve { .. } => "approve",
            Self::BreakGlass { .. } => "break-glass",
            Self::Withdraw { .. } => "withdraw",
            Self::Reject { .. } => "reject",
            Self::Report { .. } => "answer",
            Self::Pause { .. } => "pause",
            Self::Continue => "continue",
            Self::Retry { .. } => "retry",
            Self::Skip { .. } => "skip",
            Self::Resolve { .. } => "resolve",
            Self::Rollback { .. } => "rollback",
            Self::Abort { .. } => "abort",
            Self::Submit(_) => "submit",
        }
    }

    /// The step that the order is about; none where it is about the run.
    pub const fn step(&self) -> Option<&StepId> {
        match self {
            Self::Approve { step, .. }
            | Self::BreakGlass { step, .. }
            | Self::Withdraw { step }
            | Self::Reject { step, .. }
            | Self::Report { step, .. }
            | Self::Retry { step }
            | Self::Skip { step, .. }
            | Self::Resolve { step, .. } => Some(step),
            Self::Pause { .. } | Self::Continue | Self::Rollback { .. } | Self::Abort { .. } | Self::Submit(_) => None,
        }
    }

    /// What the order does to the run, and what its giver is told. A refusal for want of authority is a record too.
    pub fn decide(&self, state: &State, by: &Actor, now: Timestamp) -> (Vec<Event>, Answer) {
        if let Self::Submit(submission) = self {
            return submit::decide(state, submission, by, now);
        }
        let (events, answer) = self.judge(state, by, now);
        if answer == Answer::Accepted
            && let Some((i, order)) = self.protected_order(state)
            && let Some(decision) = second(state, i, order, by)
        {
            return decision;
        }
        on_record(state, self.word(), by, events, answer)
    }

    /// The order in words, where it goes against a protected step and so needs two persons.
    fn protected_order(&self, state: &State) -> Option<(Instance, String)> {
        let (step, what) = match self {
            Self::Retry { step } | Self::Skip { step, .. } => (step, String::new()),
            Self::Resolve { step, finding, .. } => (step, format!(" {finding}")),
            Self::Approve { .. }
            | Self::BreakGlass { .. }
            | Self::Withdraw { .. }
            | Self::Reject { .. }
            | Self::Report { .. }
            | Self::Pause { .. }
            | Self::Continue
            | Self::Rollback { .. }
            | Self::Abort { .. }
            | Self::Submit(_) => return None,
        };
        let i = state.find(step).filter(|i| state.planned(*i).protected)?;
        Some((i, format!("{} {step}{what}", self.word())))
    }

    fn judge(&self, state: &State, by: &Actor, now: Timestamp) -> Decision {
        if let Err(reason) = may_order(state, by).and_then(|()| self.is_signed_enough(state, by)) {
            return forbidden(reason);
        }
        match self {
            Self::Approve { step, note } => on_step(state, step, |i| approve::approve(state, i, by, note, now)),
            Self::BreakGlass { step, reason } => on_step(state, step, |i| break_glass::decide(state, i, by, reason, now)),
            Self::Withdraw { step } => on_step(state, step, |i| approve::withdraw(state, i, by)),
            Self::Reject { step, reason } => on_step(state, step, |i| reject::decide(state, i, by, reason)),
            Self::Report { step, answers } => on_step(state, step, |i| report::decide(state, i, by, answers)),
            Self::Pause { reason } => pause::pause(state, by, reason),
            Self::Continue => pause::resume(state, by),
            Self::Retry { step } => on_step(state, step, |i| retry::decide(state, i, by)),
            Self::Skip { step, reason } => on_step(state, step, |i| skip::decide(state, i, by, reason)),
            Self::Resolve { step, finding, seen } => on_step(state, step, |i| resolve::decide(state, i, by, finding, seen)),
            Self::Rollback { reason } => rollback::decide(state, by, reason),
            Self::Abort { reason } => abort::decide(state, by, reason),
            Self::Submit(submission) => submit::decide(state, submission, by, now),
        }
    }

    /// Whether a session of the console is not enough for this order, signed in as one may be: it opens a protected gate, opens one in
    /// an emergency, or goes on with a protected step against what the run found.
    pub fn needs_more_than_a_session(&self, state: &State) -> bool {
        match self {
            Self::BreakGlass { .. } => true,
            Self::Approve { step, .. } | Self::Retry { step } | Self::Skip { step, .. } | Self::Resolve { step, .. } => {
                is_protected(state, step)
            }
            Self::Withdraw { .. }
            | Self::Reject { .. }
            | Self::Report { .. }
            | Self::Pause { .. }
            | Self::Continue
            | Self::Rollback { .. }
            | Self::Abort { .. }
            | Self::Submit(_) => false,
        }
    }

    /// Whether this order counts only when it is signed. It takes a signature to go on, and none to stop: no and back are orders
    /// of whoever may give them.
    pub fn must_be_signed(&self, state: &State) -> bool {
        let step = match self {
            Self::Approve { step, .. } | Self::BreakGlass { step, .. } => step,
            Self::Retry { step } | Self::Skip { step, .. } | Self::Resolve { step, .. } if is_protected(state, step) => step,
            _ => return false,
        };
        state.find(step).is_some_and(|i| state.asks_for_signature(i))
    }

    fn is_signed_enough(&self, state: &State, by: &Actor) -> Result<(), String> {
        if by.signed().is_some() {
            return Ok(());
        }
        let step = self.step().map_or("", StepId::as_str);
        if matches!(by.by, Authentication::Console { .. }) && self.needs_more_than_a_session(state) {
            return Err(format!("`{} {step}` is protected, and a session of the console is no proof: sign it", self.word()));
        }
        if !self.must_be_signed(state) {
            return Ok(());
        }
        Err(format!("`{} {step}` has to be signed with the SSH key that the roster's `allowed_signers` give you", self.word()))
    }
}

fn is_protected(state: &State, step: &StepId) -> bool {
    state.find(step).is_some_and(|i| state.planned(i).protected)
}

/// A refusal for want of authority is a record too.
fn on_record(state: &State, word: &str, by: &Actor, events: Vec<Event>, answer: Answer) -> Decision {
    match answer {
        Answer::Forbidden(reason) => {
            let refused = Event::CommandRefused { command: word.to_owned(), by: by.clone(), reason: reason.clone() };
            let events = if matches!(state.phase(), Phase::Ended(_)) { Vec::new() } else { vec![refused] };
            (events, Answer::Forbidden(reason))
        }
        Answer::Accepted | Answer::AlreadyDone | Answer::NotApplicable(_) => (events, answer),
    }
}

/// A protected order passes when another person gave the same one since the step last moved. Until then it is refused, and
/// the refusal is the record that the second person's order is held against.
fn second(state: &State, i: Instance, order: String, by: &Actor) -> Option<Decision> {
    let first = state.first_orders(i).iter().filter(|(given, _)| *given == order).map(|(_, name)| name.as_str());
    let mut first = first.peekable();
    let repeated = first.peek().is_some_and(|name| *name == by.name());
    if first.any(|name| name != by.name()) {
        return None;
    }
    let reason =
        format!("step `{}` is protected: your order is on record, and a second person has to give the same one", state.id(i));
    let refused = Event::CommandRefused { command: order, by: by.clone(), reason: reason.clone() };
    Some((if repeated { Vec::new() } else { vec![refused] }, Answer::Forbidden(reason)))
}

/// With a roster, only its persons give orders, and whoever started the run.
fn may_order(state: &State, by: &Actor) -> Result<(), String> {
    let is_starter = state.starter().is_some_and(|starter| starter.by == by.by);
    if state.plan().content().roster.is_none() || by.person.is_some() || is_starter {
        Ok(())
    } else {
        Err(format!("{by} is no person of this run's roster"))
    }
}

fn on_step(state: &State, step: &StepId, decide: impl FnOnce(Instance) -> Decision) -> Decision {
    match state.find(step) {
        Some(i) => decide(i),
        None => not_applicable(format!("the plan has no step `{step}`")),
    }
}

fn accepted(events: Vec<Event>) -> Decision {
    (events, Answer::Accepted)
}

fn already_done() -> Decision {
    (Vec::new(), Answer::AlreadyDone)
}

fn not_applicable(why: impl Into<String>) -> Decision {
    (Vec::new(), Answer::NotApplicable(why.into()))
}

fn forbidden(why: impl Into<String>) -> Decision {
    (Vec::new(), Answer::Forbidden(why.into()))
}

/// The refusal for a step whose status the order does not fit.
fn does_not_fit(state: &State, i: Instance, status: StepStatus, what: &str) -> Decision {
    not_applicable(format!("step `{}` is {status}: {what}", state.id(i)))
}
