//! How long nobody writes, against what clients bear: in a plan, in a run that is under way, in a rehearsal.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Line, Tone, clock};
use crate::model::{Span, Timestamp};
use crate::plan::{Bearing, History, Plan};
use crate::run::{Phase, State};

/// The lines of a plan; none where the runbook does not say what clients bear.
pub fn of_plan(plan: &Plan, history: &History) -> Vec<Line> {
    plan.bearings(history).iter().map(|bearing| row(plan, bearing, history)).collect()
}

fn row(plan: &Plan, bearing: &Bearing, history: &History) -> Line {
    let (tone, text) = told(plan, bearing, history);
    Line::plain("  ").cell(Tone::Faint, 9, "clients").and(tone, text)
}

fn told(plan: &Plan, bearing: &Bearing, history: &History) -> (Tone, String) {
    let Bearing { bear, usual, slow, .. } = bearing;
    let source = match (history.runs, bearing.unmeasured) {
        (0, _) => ", from default lengths".to_owned(),
        (_, 0) => String::new(),
        (_, open) => format!(", {open} never measured"),
    };
    let frozen = &bearing.freeze.frozen;
    let text =
        format!("bear {}; nobody writes to {frozen} for {} (P50), {} (P90){source}", short(*bear), short(*usual), short(*slow));
    let people: Vec<&str> = bearing.people.iter().map(|at| plan.step(*at).id.as_str()).collect();
    match bear.as_millis().checked_sub(slow.as_millis()) {
        _ if !people.is_empty() => (Tone::Bad, format!("{text}, and until people answer at {}", people.join(", "))),
        Some(spare) => (Tone::Good, format!("{text}: {} to spare", short(Span::from_millis(spare)))),
        None => (Tone::Bad, format!("{text}: too long by {}", short(Span::from_millis(slow.as_millis() - bear.as_millis())))),
    }
}

/// The lines of a run that goes on: what is frozen now; before that, what is expected.
pub fn of_run(state: &State, history: &History, now: Timestamp) -> Vec<Line> {
    let Some(bear) = state.clients_bear() else { return Vec::new() };
    let row = |tone, text| Line::new().cell(Tone::Faint, 8, "clients").and(tone, text);
    let frozen: Vec<Line> = state
        .frozen_now()
        .map(|(frozen, since)| {
            let span = now.since(since);
            let text = format!("nobody can write to {frozen} for {} now; clients bear {}", clock::length(span), short(bear));
            row(if span > bear.as_duration() { Tone::Bad } else { Tone::Wait }, text)
        })
        .collect();
    let is_before = frozen.is_empty() && state.phase() == Phase::Forward && !state.is_past_no_return();
    let ahead = state
        .plan()
        .bearings(history)
        .into_iter()
        .filter(|bearing| is_before && state.step(crate::run::Instance::of(bearing.freeze.from)).started.is_none());
    let ahead = ahead.map(|bearing| told(state.plan(), &bearing, history)).map(|(tone, text)| row(tone, text));
    frozen.into_iter().chain(ahead).collect()
}

/// The freezes of a plan for a program.
pub fn plan_json(plan: &Plan, history: &History) -> Value {
    let all = plan.bearings(history);
    all.iter()
        .map(|bearing| {
            json!({
                "frozen": bearing.freeze.frozen,
                "bear_ms": bearing.bear.as_millis(),
                "p50_ms": bearing.usual.as_millis(),
                "p90_ms": bearing.slow.as_millis(),
                "people": bearing.people.iter().map(|at| plan.step(*at).id.as_str()).collect::<Vec<_>>(),
                "unmeasured": bearing.unmeasured,
                "fits": bearing.fits(),
            })
        })
        .collect()
}

/// What is frozen now for a program.
pub fn json(state: &State, now: Timestamp) -> Value {
    let Some(bear) = state.clients_bear() else { return Value::Null };
    let frozen = state.frozen_now().map(|(frozen, since)| {
        let ms = u64::try_from(now.since(since).as_millis()).unwrap_or(u64::MAX);
        json!({ "frozen": frozen, "since": since, "ms": ms, "outlasted": ms > bear.as_millis() })
    });
    json!({ "bear_ms": bear.as_millis(), "frozen": frozen.collect::<Vec<_>>() })
}

fn short(span: Span) -> String {
    clock::length(Duration::from_millis(span.as_millis()))
}
