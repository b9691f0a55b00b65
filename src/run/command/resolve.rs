//! `resolve`: a person has looked and says what an attempt, or an undo, in doubt left at its target.

use super::{Decision, accepted, does_not_fit, not_applicable};
use crate::model::{Actor, Finding, Value};
use crate::run::{Event, Instance, Phase, Resolver, State, StepStatus};

pub(super) fn decide(state: &State, i: Instance, by: &Actor, finding: &Finding, seen: &str) -> Decision {
    let (step, status) = (state.id(i).clone(), state.step(i).status);
    if let Finding::Unknown(_) = finding {
        return not_applicable("say `applied`, `not-applied` or `partial`: unknown is what it is already");
    }
    if matches!(state.phase(), Phase::Ended(_)) && status == StepStatus::InDoubt {
        return not_applicable("the run has ended; take it up again with `rollback`");
    }
    match status {
        StepStatus::InDoubt | StepStatus::Held => {
            let attempt = state.step(i).attempt;
            if attempt == 0 {
                return does_not_fit(state, i, status, "it never had an attempt; retry it or skip it");
            }
            let mut events = Vec::new();
            if !seen.is_empty() {
                let evidence = serde_json::json!({ "seen": seen, "by": by.name() });
                events.push(Event::AttemptProbed { step: step.clone(), attempt, finding: finding.clone(), evidence });
            }
            let by = Resolver::Person(by.clone());
            events.push(Event::AttemptResolved { step, attempt, finding: finding.clone(), by, outputs: Value::Null });
            accepted(events)
        }
        StepStatus::UndoInDoubt | StepStatus::UndoFailed => match finding {
            Finding::Applied | Finding::NotApplied => {
                let attempt = state.step(i).undo_attempt;
                let text = format!("{} looked at what the undo left: {seen}", by.name());
                let looked = (!seen.is_empty()).then(|| Event::ProgressNoted { step: step.clone(), attempt, text });
                let resolved = Event::UndoResolved { step, finding: finding.clone(), by: by.clone() };
                accepted(looked.into_iter().chain([resolved]).collect())
            }
            Finding::Partial(_) | Finding::Unknown(_) => not_applicable(format!(
                "step `{step}` is {status}: say `applied` when it is undone, or `not-applied` to try again"
            )),
        },
        StepStatus::Pending
        | StepStatus::AwaitingPeople
        | StepStatus::AwaitingTime
        | StepStatus::Ready
        | StepStatus::Running
        | StepStatus::BackingOff
        | StepStatus::AwaitingConfirm
        | StepStatus::Succeeded
        | StepStatus::Failed
        | StepStatus::Rejected
        | StepStatus::Skipped
        | StepStatus::NotReached
        | StepStatus::AwaitingUndo
        | StepStatus::Undoing
        | StepStatus::Undone => does_not_fit(state, i, status, "nothing about it is in doubt"),
    }
}
