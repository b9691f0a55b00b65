//! The order of `pointsman answer`: a person did a manual task and says what came of it.

use super::approve::may_approve;
use super::{Decision, accepted, already_done, does_not_fit, forbidden, not_applicable};
use crate::model::{Actor, Object, StepId, Value};
use crate::plan::Wait;
use crate::run::{Event, Instance, State, StepStatus};

pub(super) fn decide(state: &State, i: Instance, by: &Actor, answers: &Object) -> Decision {
    let (step, status) = (state.id(i).clone(), state.step(i).status);
    match status {
        StepStatus::AwaitingPeople => {
            let Some(Wait::Manual { role, form, .. }) = &state.planned(i).wait else {
                return not_applicable(format!("step `{step}` is a gate: approve or reject it"));
            };
            if let Some(role) = role
                && let Err(why) = may_approve(state, by, &[role], &[])
            {
                return forbidden(why);
            }
            match check(form, answers) {
                Ok(()) => {
                    let answers = Value::Object(answers.clone());
                    accepted(vec![Event::TaskReported { step, by: by.clone(), answers }])
                }
                Err(why) => not_applicable(why),
            }
        }
        StepStatus::Succeeded => already_done(),
        StepStatus::Pending => does_not_fit(state, i, status, "its turn has not come"),
        StepStatus::AwaitingTime
        | StepStatus::Ready
        | StepStatus::Running
        | StepStatus::BackingOff
        | StepStatus::InDoubt
        | StepStatus::Held
        | StepStatus::AwaitingConfirm
        | StepStatus::Failed
        | StepStatus::Rejected
        | StepStatus::Skipped
        | StepStatus::NotReached
        | StepStatus::AwaitingUndo
        | StepStatus::Undoing
        | StepStatus::UndoInDoubt
        | StepStatus::Undone
        | StepStatus::UndoFailed => does_not_fit(state, i, status, "it asks nobody"),
    }
}

/// Every field of the form, with its type, and nothing else.
fn check(form: &[(String, String)], answers: &Object) -> Result<(), String> {
    for (field, kind) in form {
        let answer = answers.get(field).ok_or_else(|| format!("the answer `{field}` ({kind}) is missing"))?;
        let fits = match kind.as_str() {
            "integer" => answer.is_i64() || answer.is_u64(),
            "boolean" => answer.is_boolean(),
            _ => answer.is_string(),
        };
        if !fits {
            return Err(format!("the answer `{field}` must be of type {kind}"));
        }
    }
    match answers.keys().find(|key| !form.iter().any(|(field, _)| field == *key)) {
        Some(extra) => Err(format!("the form has no field `{extra}`")),
        None => Ok(()),
    }
}

/// Answers as they were typed, in the types that the form of the task wants. Text stays text where the form wants text; what
/// does not fit its type is left for the run to refuse.
pub fn typed_answers(state: &State, step: &StepId, given: &[(String, String)]) -> Object {
    let form: &[(String, String)] = match state.find(step).and_then(|i| state.planned(i).wait.as_ref()) {
        Some(Wait::Manual { form, .. }) => form,
        Some(Wait::Approval { .. } | Wait::Hold { .. } | Wait::Window) | None => &[],
    };
    given.iter().map(|(field, text)| (field.clone(), typed(form, field, text))).collect()
}

fn typed(form: &[(String, String)], field: &str, text: &str) -> Value {
    let as_text = || Value::String(text.to_owned());
    match form.iter().find(|(name, _)| name == field).map(|(_, kind)| kind.as_str()) {
        Some("integer") => text.parse::<i64>().map_or_else(|_| as_text(), Value::from),
        Some("boolean") => match text {
            "true" | "yes" => Value::Bool(true),
            "false" | "no" => Value::Bool(false),
            _ => as_text(),
        },
        Some(_) | None => as_text(),
    }
}
