//! What goes over the socket of a live run: one line of JSON each way.

use serde::{Deserialize, Serialize};

use crate::authority::{Claim, Signed, SignedIn};
use crate::model::{Finding, Object, PersonId, StepId};
use crate::run::{Answer, Command, Submission};

/// An order, as it goes over the socket.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Request {
    /// Whom the sender says to be.
    #[serde(rename = "as")]
    pub person: Option<PersonId>,
    /// How that person signed in at the console that sends this; none where the sender is the person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_in: Option<String>,
    pub order: Order,
}

/// An order as JSON: on the socket, and in the console's API.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[expect(missing_docs, reason = "each is the command of the same name")]
pub enum Order {
    Approve { step: StepId, note: String },
    BreakGlass { step: StepId, reason: String },
    Withdraw { step: StepId },
    Reject { step: StepId, reason: String },
    Report { step: StepId, answers: Object },
    Pause { reason: String },
    Continue,
    Retry { step: StepId },
    Skip { step: StepId, reason: String },
    Resolve { step: StepId, finding: Finding, seen: String },
    Rollback { reason: String },
    Abort { reason: String },
    Submit { statement: String, signature: String, words: String },
}

/// The answer on the wire.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Reply {
    Accepted,
    AlreadyDone,
    NotApplicable(String),
    Forbidden(String),
}

impl Request {
    pub fn new(command: Command, claim: &Claim) -> Self {
        let (person, signed_in) = match claim {
            Claim::Whoever => (None, None),
            Claim::Person(person) => (Some(person.clone()), None),
            Claim::SignedIn(SignedIn { person, how }) => (Some(person.clone()), Some(how.clone())),
        };
        Self { person, signed_in, order: command.into() }
    }

    /// The name of the order, without what it says.
    pub fn name(&self) -> String {
        match serde_json::to_value(&self.order) {
            Ok(serde_json::Value::Object(order)) => order.keys().next().cloned().unwrap_or_default(),
            Ok(serde_json::Value::String(order)) => order,
            Ok(_) | Err(_) => String::new(),
        }
    }

    pub fn claim(&self) -> Claim {
        match (self.person.clone(), self.signed_in.clone()) {
            (None, _) => Claim::Whoever,
            (Some(person), None) => Claim::Person(person),
            (Some(person), Some(how)) => Claim::SignedIn(SignedIn { person, how }),
        }
    }
}

impl From<Command> for Order {
    fn from(command: Command) -> Self {
        match command {
            Command::Approve { step, note } => Self::Approve { step, note },
            Command::BreakGlass { step, reason } => Self::BreakGlass { step, reason },
            Command::Withdraw { step } => Self::Withdraw { step },
            Command::Reject { step, reason } => Self::Reject { step, reason },
            Command::Report { step, answers } => Self::Report { step, answers },
            Command::Pause { reason } => Self::Pause { reason },
            Command::Continue => Self::Continue,
            Command::Retry { step } => Self::Retry { step },
            Command::Skip { step, reason } => Self::Skip { step, reason },
            Command::Resolve { step, finding, seen } => Self::Resolve { step, finding, seen },
            Command::Rollback { reason } => Self::Rollback { reason },
            Command::Abort { reason } => Self::Abort { reason },
            Command::Submit(submission) => {
                let Submission { signed: Signed { statement, signature }, words, .. } = *submission;
                Self::Submit { statement, signature, words }
            }
        }
    }
}

impl From<Order> for Command {
    fn from(order: Order) -> Self {
        match order {
            Order::Approve { step, note } => Self::Approve { step, note },
            Order::BreakGlass { step, reason } => Self::BreakGlass { step, reason },
            Order::Withdraw { step } => Self::Withdraw { step },
            Order::Reject { step, reason } => Self::Reject { step, reason },
            Order::Report { step, answers } => Self::Report { step, answers },
            Order::Pause { reason } => Self::Pause { reason },
            Order::Continue => Self::Continue,
            Order::Retry { step } => Self::Retry { step },
            Order::Skip { step, reason } => Self::Skip { step, reason },
            Order::Resolve { step, finding, seen } => Self::Resolve { step, finding, seen },
            Order::Rollback { reason } => Self::Rollback { reason },
            Order::Abort { reason } => Self::Abort { reason },
            Order::Submit { statement, signature, words } => Self::submit(Signed { statement, signature }, words),
        }
    }
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Accepted => Self::Accepted,
            Answer::AlreadyDone => Self::AlreadyDone,
            Answer::NotApplicable(why) => Self::NotApplicable(why),
            Answer::Forbidden(why) => Self::Forbidden(why),
        }
    }
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        match reply {
            Reply::Accepted => Self::Accepted,
            Reply::AlreadyDone => Self::AlreadyDone,
            Reply::NotApplicable(why) => Self::NotApplicable(why),
            Reply::Forbidden(why) => Self::Forbidden(why),
        }
    }
}
