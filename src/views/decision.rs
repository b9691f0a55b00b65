//! What is being decided at a step: the question, the evidence and the plan, for a person about to say yes or no.

use std::collections::BTreeSet;

use serde_json::Value;

use super::plan::in_a_row;
use super::{Clock, Invocation, Line, Tone, asks, clock, rehearsed};
use crate::model::{RunId, StepId, TargetName, Timestamp};
use crate::plan::difference;
use crate::run::note::REHEARSAL;
use crate::run::{Event, Instance, Record, State};

/// What a person should see before deciding; empty when the step asks nothing now.
pub fn text(state: &State, records: &[Record], step: &StepId, now: Timestamp) -> Vec<Line> {
    let Some(ask) = asks(state, &Invocation::default()).into_iter().find(|ask| ask.step == *step) else { return Vec::new() };
    let content = state.plan().content();
    let fact = |name: &str, text: String| Line::new().cell(Tone::Faint, 9, name).and(Tone::Plain, text);
    let mut lines = vec![
        fact("run", state.run().map_or_else(String::new, |run| run.to_string())),
        fact("runbook", if content.title.is_empty() { content.runbook.clone() } else { content.title.clone() }),
        fact("plan", state.plan().digest().to_string()),
        fact("record", state.last_seq().to_string()),
        fact("step", format!("{} ({})", ask.step, ask.status)),
        fact("asked", ask.of.clone()),
    ];
    if let Some(until) = ask.until {
        let wall = Clock::of(state.plan());
        lines.push(fact("until", format!("{} {}, {}", wall.moment(until), wall.zone(), clock::until(until, now))));
    }
    if let Some(mark) = rehearsed::mark(state.plan()) {
        lines.push(fact("", format!("{mark}: not the live targets")));
    }
    let rehearsal = state.find(step).and_then(|i| rehearsed::at_gate(state, i, Some(now)));
    lines.extend(rehearsal.map(|text| fact("", text)));
    lines.extend(state.find(step).into_iter().flat_map(|i| consequences(state, i)).map(|(name, text)| fact(name, text)));
    let evidence = evidence(state, records, step);
    if let Some(object) = evidence.as_object().filter(|object| !object.is_empty()) {
        lines.push(Line::new().and(Tone::Faint, "evidence"));
        // The rehearsal is told with the question, in words.
        lines.extend(object.iter().filter(|(key, _)| key.as_str() != REHEARSAL).map(|(key, value)| {
            let line = Line::plain(format!("  {key}: {}", shown(value)));
            match state.find(&StepId::new(key)).and_then(|i| state.step(i).ended) {
                Some(ended) => line.and(Tone::Faint, format!(" ({} old)", clock::length(now.since(ended)))),
                None => line,
            }
        }));
    }
    lines.push(Line::new());
    lines.extend(ask.question.lines().map(|line| Line::plain("  ").and(Tone::Strong, line)));
    lines.push(Line::new());
    lines
}

/// What the plan does otherwise than the last plan of this runbook that people approved.
pub fn compared(state: &State, before: Option<(&RunId, &State)>) -> Vec<Line> {
    let said = |text: String| Line::toned(Tone::Faint, "compared ").and(Tone::Plain, text);
    let Some((other, before)) = before else {
        return vec![said("no plan of this runbook was approved before".to_owned()), Line::new()];
    };
    let lines = difference(before.plan().content(), state.plan().content());
    let head = if lines.is_empty() { format!("the same as in {other}") } else { format!("otherwise than in {other}:") };
    let mut shown = vec![said(head)];
    shown.extend(lines.into_iter().map(|line| Line::plain(format!("  {line}"))));
    shown.push(Line::new());
    shown
}

/// What the decision lets happen, and how long the way back stays open.
fn consequences(state: &State, i: Instance) -> Vec<(&'static str, String)> {
    let behind = state.steps_behind(i);
    let plan = state.plan();
    let changing = || behind.iter().map(|at| plan.step(*at)).filter(|step| step.mutating);
    let targets: BTreeSet<&TargetName> = changing().filter_map(|step| step.target.as_ref()).collect();
    let named: Vec<String> = targets
        .iter()
        .map(|name| {
            let connector = plan.content().targets.get(*name).map_or("", |target| target.connector.as_str());
            format!("{name} ({connector})")
        })
        .collect();
    let on = if named.is_empty() { String::new() } else { format!(", on {}", named.join(", ")) };
    let count = changing().count();
    let scope = state.bound(i).scope;
    let opens = match count {
        0 => "nothing that changes a target, up to the next gate".to_owned(),
        1 => format!("{scope}: 1 step that changes something{on}"),
        _ => format!("{scope}: {count} steps that change something{on}"),
    };
    let point = behind.iter().map(|at| plan.step(*at)).find(|step| step.point_of_no_return.is_some());
    let back = match point {
        Some(step) => format!("until {} starts: {}", step.id, step.point_of_no_return.as_deref().unwrap_or_default()),
        None if state.is_past_no_return() => "none: the run is past its point of no return".to_owned(),
        None => "open: no step up to the next gate is a point of no return".to_owned(),
    };
    let reached = targets.iter().filter_map(|name| Some(("target", resolved(state, name)?)));
    [("opens", opens)].into_iter().chain(reached).chain([("way back", back)]).collect()
}

/// How a target is reached, and who it said it is: what the approval is bound to, and what the wrong window would show.
fn resolved(state: &State, name: &TargetName) -> Option<String> {
    let target = state.plan().content().targets.get(name)?;
    let settings = in_a_row(target.settings.shown().as_object()?);
    let said = state.answer_of(name);
    let said = said.as_object().map(in_a_row).filter(|said| !said.is_empty());
    let said = said.map_or_else(String::new, |said| format!("; says that it is {said}"));
    Some(format!("{name}  {settings}{said}"))
}

/// What the record shows for this decision: of a gate what was gathered when it asked, of a confirmation what the step left.
fn evidence(state: &State, records: &[Record], step: &StepId) -> Value {
    let gathered = records.iter().rev().find_map(|record| match &record.event {
        Event::WaitStarted { step: asked, evidence, .. } if asked == step => Some(evidence.clone()),
        Event::AttemptSucceeded { step: done, outputs, .. } if done == step => Some(outputs.clone()),
        _ => None,
    });
    gathered.unwrap_or_else(|| state.find(step).map_or(Value::Null, |i| state.outputs(i).clone()))
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}
