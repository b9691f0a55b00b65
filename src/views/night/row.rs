//! The row of one step: what it is, where it stands, and what it left. What does not apply is left out.

use serde_json::{Value, json};

use crate::model::Object;
use crate::plan::{Section, StepKind};
use crate::run::{Instance, State, StepStatus};
use crate::views::plan::{does, in_a_row, items};
use crate::views::status::status_word;
use crate::views::steps;

/// Evidence is told in one line; whoever needs more asks the record.
const EVIDENCE: usize = 240;

/// The row of a step.
pub(super) fn row(state: &State, i: Instance) -> Value {
    let (step, planned) = (state.step(i), state.planned(i));
    let (order, item) = state.place(i);
    let section = match planned.section {
        Section::Forward => "forward",
        Section::Rollback => "rollback",
        Section::Finally => "finally",
    };
    let mut row = Object::new();
    let mut put = |key: &str, value: Value| {
        let says = match &value {
            Value::Null => false,
            Value::Bool(is) => *is,
            Value::String(text) => !text.is_empty(),
            Value::Number(_) | Value::Array(_) | Value::Object(_) => true,
        };
        if says {
            row.insert(key.to_owned(), value);
        }
    };
    put("id", json!(state.id(i)));
    put("place", json!([order, item]));
    put("section", json!(section));
    put("group", json!(state.group(i).map(|group| state.id(group))));
    put("does", json!(does(state.plan(), planned)));
    put("target", json!(planned.target));
    put("owner", json!(planned.owner));
    put("status", json!(status_word(step.status)));
    put("word", json!(steps::word(state, i)));
    put("tone", json!(steps::tone(step.status).word()));
    put("started", json!(step.started));
    put("ended", json!(step.ended.filter(|_| step.status.is_over())));
    put("until", json!(steps::awaited_moment(state, i)));
    put("attempt", if step.attempt > 1 { json!(step.attempt) } else { Value::Null });
    put("note", json!(steps::said(state, i).join(", ")));
    put("no_return", json!(planned.point_of_no_return));
    put("protected", json!(planned.protected));
    put("items", counts(state, i));
    put("evidence", evidence(state, i));
    put("card", card(state, i));
    Value::Object(row)
}

/// How many items of a group stand where.
fn counts(state: &State, i: Instance) -> Value {
    if !steps::is_group(state, i) {
        return Value::Null;
    }
    let of: Vec<Instance> = match &state.planned(i).kind {
        StepKind::Group { .. } => {
            let at = crate::plan::StepIndex::new(i.get());
            items(state.plan(), at).into_iter().map(Instance::of).collect()
        }
        StepKind::Spread { .. } => state.children(i).to_vec(),
        StepKind::Action | StepKind::Undo(_) => return Value::Null,
    };
    let mut counts = Object::new();
    for status in StepStatus::ALL {
        let count = of.iter().filter(|item| state.step(**item).status == status).count();
        if count > 0 {
            counts.insert(status_word(status), json!(count));
        }
    }
    if counts.is_empty() { Value::Null } else { Value::Object(counts) }
}

/// What a step showed, and when: its age is counted from there.
fn evidence(state: &State, i: Instance) -> Value {
    let (Some(outputs), Some(ended)) = (state.outputs(i).as_object(), state.step(i).ended) else { return Value::Null };
    let text = in_a_row(outputs);
    if text.is_empty() {
        return Value::Null;
    }
    let mut short: String = text.chars().take(EVIDENCE).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    json!({ "text": short, "at": ended })
}

/// What the way back owes this step, for the rollback card.
fn card(state: &State, i: Instance) -> Value {
    let Some(line) = state.owed(i) else { return Value::Null };
    let was = if line.snapshot.is_null() { Value::Null } else { json!(line.snapshot.to_string()) };
    json!({ "action": line.action, "target": line.target, "was": was, "manual": line.manual })
}
