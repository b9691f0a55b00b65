//! What the run asks of people, with everything that a page needs to put the answers on buttons; and the orders that the run
//! as a whole would take now.

use serde_json::{Value, json};

use super::Night;
use crate::model::Actor;
use crate::plan::Wait;
use crate::run::{Answer, Command, Instance, StepStatus};
use crate::views::status::{Life, status_word};
use crate::views::{Ask, asks};

impl Night<'_> {
    pub(super) fn questions(&self) -> Value {
        asks(self.state, self.how).iter().map(|ask| self.question(ask)).collect()
    }

    fn question(&self, ask: &Ask) -> Value {
        let mut answers: Vec<Value> = ask
            .answers
            .iter()
            .map(|a| json!({ "order": a.word, "finding": a.finding, "command": a.command, "meaning": a.meaning }))
            .collect();
        let found = self.state.find(&ask.step);
        answers.extend(found.into_iter().flat_map(|i| self.rarer_answers(i)));
        if self.life == Life::Past {
            // It was asked then; nobody can answer it now.
            answers.clear();
        }
        let wait = found.and_then(|i| self.state.planned(i).wait.as_ref());
        let form = match wait {
            Some(Wait::Manual { form, .. }) => form.iter().map(|(name, kind)| json!({ "name": name, "type": kind })).collect(),
            Some(Wait::Approval { .. } | Wait::Hold { .. } | Wait::Window) | None => Vec::new(),
        };
        let detail = found.and_then(|i| self.state.step(i).detail.as_deref());
        json!({
            "step": ask.step,
            "kind": kind(ask.status, wait),
            "status": status_word(ask.status),
            "of": ask.of,
            "text": ask.text,
            "until": ask.until,
            "overdue": ask.overdue,
            "since": found.map(|i| self.state.step(i).since),
            "given": detail.map_or_else(Vec::new, |d| d.grants.iter().map(Actor::name).collect()),
            "form": form,
            "manual": ask.manual,
            "signed": found.is_some_and(|i| self.takes_signatures(i)),
            "protected": found.is_some_and(|i| self.state.planned(i).protected),
            "first_orders": found.map_or(&[][..], |i| self.state.first_orders(i)).iter()
                .map(|(order, by)| json!({ "order": order, "by": by })).collect::<Vec<_>>(),
            "answers": answers,
        })
    }

    /// Whether an answer here has to be signed: a gate that says so, or any order against a protected step.
    fn takes_signatures(&self, i: Instance) -> bool {
        let planned = self.state.planned(i);
        (planned.protected || matches!(planned.wait, Some(Wait::Approval { .. }))) && self.state.asks_for_signature(i)
    }

    /// Answers that nobody is reminded of on the command line: an approval is taken back, a glass is broken.
    fn rarer_answers(&self, i: Instance) -> Vec<Value> {
        let (Some(run), step) = (self.state.run(), self.state.step(i)) else { return Vec::new() };
        if step.status != StepStatus::AwaitingPeople {
            return Vec::new();
        }
        let mut found = Vec::new();
        let mut say = |word: &str, rest: &str, meaning: &str| {
            let command = self.how.on_step(word, run, self.state.id(i), rest);
            found.push(json!({ "order": word, "finding": null, "command": command, "meaning": meaning }));
        };
        if step.detail.as_ref().is_some_and(|detail| !detail.grants.is_empty()) {
            say("withdraw", "", "take your approval back");
        }
        if let Some(Wait::Approval { break_glass: Some(_), .. }) = &self.state.planned(i).wait {
            say("break-glass", "--reason WHY", "open it without its quorum, in an emergency");
        }
        found
    }

    /// The orders about the whole run that would do something now, for somebody who may give them.
    pub(super) fn run_orders(&self) -> Value {
        let nothing = Value::Array(Vec::new());
        if self.life == Life::Past {
            return nothing;
        }
        let (Some(run), Some(starter)) = (self.state.run(), self.state.starter()) else { return nothing };
        let why = || "why".to_owned();
        let orders = [
            (Command::Pause { reason: why() }, " --reason WHY", "nothing new starts; what is under way finishes"),
            (Command::Continue, "", "end the pause"),
            (Command::Rollback { reason: why() }, " --reason WHY", "turn back: undo what ran, last first"),
            (Command::Abort { reason: why() }, " --reason WHY", "stop without undoing anything"),
        ];
        let does_something = |order: &Command| match order.decide(self.state, starter, self.now).1 {
            Answer::Accepted | Answer::Forbidden(_) => true,
            Answer::AlreadyDone | Answer::NotApplicable(_) => false,
        };
        let told = orders.into_iter().filter(|(order, ..)| does_something(order)).map(|(order, rest, meaning)| {
            json!({ "order": order.word(), "command": self.how.on_run(order.word(), run) + rest, "meaning": meaning })
        });
        told.collect()
    }
}

/// What kind of question it is.
const fn kind(status: StepStatus, wait: Option<&Wait>) -> &'static str {
    match (status, wait) {
        (StepStatus::AwaitingPeople, Some(Wait::Manual { .. })) => "task",
        (StepStatus::AwaitingPeople, _) => "approval",
        (StepStatus::AwaitingConfirm, _) => "confirmation",
        (StepStatus::InDoubt, _) => "doubt",
        (StepStatus::UndoFailed, _) => "undo_failed",
        (StepStatus::UndoInDoubt, _) => "undo_in_doubt",
        (_, None) => "held",
        (_, Some(_)) => "held",
    }
}
