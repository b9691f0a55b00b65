//! When a plan, or a run that is under way, is expected to be done: from earlier runs, against the window.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Clock, Line, Tone, clock};
use crate::model::{Span, Timestamp};
use crate::plan::{Forecast, History, Plan, StepIndex};
use crate::run::{Instance, Phase, State};

/// The most steps that a list names.
const LISTED: usize = 8;

/// The lines of a plan; none where nothing was ever measured.
pub fn of_plan(plan: &Plan, history: &History) -> Vec<Line> {
    if history.runs == 0 {
        return Vec::new();
    }
    let forecast = plan.forecast(history, |_, usual| usual);
    let row = |name: &str, text: String| Line::plain("  ").cell(Tone::Faint, 9, name).and(Tone::Plain, text);
    let mut lines =
        vec![Line::new(), Line::toned(Tone::Strong, format!("Time, expected from {}", runs(history.runs))), Line::new()];
    let path: Vec<&str> = forecast.path.iter().map(|at| plan.step(*at).id.as_str()).collect();
    lines.push(row("work", format!("{} (P50), {} (P90): {}", shown(forecast.usual), shown(forecast.slow), listed(&path, " → "))));
    let slack: Vec<String> = forecast.slack.iter().map(|(at, span)| format!("{} {}", plan.step(*at).id, shown(*span))).collect();
    if !slack.is_empty() {
        lines.push(row("slack", listed(&slack, ", ")));
    }
    lines.extend(people(plan, &forecast).map(|text| row("people", text)));
    let (measured, all) = forecast.measured;
    if measured < all {
        lines.push(row("", format!("{} of {all} steps were never measured: a default stands for them", all - measured)));
    }
    if let Some(window) = &plan.content().window {
        let open = window.closes.since(window.opens);
        let (fits, slow) = (forecast.slow.as_duration() <= open, shown(forecast.slow));
        let text = format!("{} long; the work takes {slow} at P90", clock::coarse(open));
        lines.push(if fits {
            row("window", text)
        } else {
            Line::plain("  ").cell(Tone::Faint, 9, "window").and(Tone::Bad, text)
        });
    }
    lines
}

/// One line for a run that goes forward; none where nothing was ever measured.
pub fn of_run(state: &State, history: &History, now: Timestamp) -> Option<Line> {
    let forecast = remaining(state, history, now)?;
    let wall = Clock::of(state.plan());
    let (usual, slow) = (now.plus(forecast.usual.as_duration()), now.plus(forecast.slow.as_duration()));
    let people = people(state.plan(), &forecast).map_or_else(String::new, |text| format!("; people on top: {text}"));
    let text = format!("done by {} (P50), {} (P90), from {}{people}", wall.time(usual), wall.time(slow), runs(history.runs));
    let closes = state.plan().content().window.as_ref().map(|window| window.closes);
    let (tone, text) = match closes {
        Some(closes) if slow > closes => {
            (Tone::Bad, format!("{text}: {} after the window at P90", clock::coarse(slow.since(closes))))
        }
        Some(closes) => (Tone::Plain, format!("{text}: {} to spare at P90", clock::coarse(closes.since(slow)))),
        None => (Tone::Plain, text),
    };
    Some(Line::new().cell(Tone::Faint, 8, "expected").and(tone, text))
}

/// The forecast of a run for a program.
pub fn json(state: &State, history: &History, now: Timestamp) -> Value {
    remaining(state, history, now).map_or(Value::Null, |forecast| {
        let plan = state.plan();
        json!({
            "runs": history.runs,
            "finish_p50": now.plus(forecast.usual.as_duration()),
            "finish_p90": now.plus(forecast.slow.as_duration()),
            "path": forecast.path.iter().map(|at| plan.step(*at).id.as_str()).collect::<Vec<_>>(),
            "slack_ms": forecast.slack.iter().map(|(at, span)| json!({ "step": plan.step(*at).id, "ms": span.as_millis() })).collect::<Vec<_>>(),
        })
    })
}

/// The forecast of a plan for a program.
pub fn plan_json(plan: &Plan, history: &History) -> Value {
    if history.runs == 0 {
        return Value::Null;
    }
    let forecast = plan.forecast(history, |_, usual| usual);
    json!({
        "runs": history.runs,
        "work_p50_ms": forecast.usual.as_millis(),
        "work_p90_ms": forecast.slow.as_millis(),
        "path": forecast.path.iter().map(|at| plan.step(*at).id.as_str()).collect::<Vec<_>>(),
        "slack_ms": forecast.slack.iter().map(|(at, span)| json!({ "step": plan.step(*at).id, "ms": span.as_millis() })).collect::<Vec<_>>(),
        "measured": forecast.measured.0,
        "steps": forecast.measured.1,
    })
}

/// What is left: a step that is over takes nothing, one under way what it has not used yet.
fn remaining(state: &State, history: &History, now: Timestamp) -> Option<Forecast> {
    if history.runs == 0 || state.phase() != Phase::Forward {
        return None;
    }
    let left = |at: StepIndex, usual: Span| {
        let step = state.step(Instance::of(at));
        match (step.status.is_over(), step.started) {
            (true, _) => Span::default(),
            (false, Some(started)) => {
                let used = u64::try_from(now.since(started).as_millis()).unwrap_or(u64::MAX);
                Span::from_millis(usual.as_millis().saturating_sub(used))
            }
            (false, None) => usual,
        }
    };
    Some(state.plan().forecast(history, left))
}

fn people(plan: &Plan, forecast: &Forecast) -> Option<String> {
    let shown = forecast.people.iter().map(|(at, usual)| match usual {
        Some(usual) => format!("{} usually {}", plan.step(*at).id, shown(*usual)),
        None => format!("{} (never measured)", plan.step(*at).id),
    });
    let shown: Vec<String> = shown.collect();
    (!shown.is_empty()).then(|| listed(&shown, ", "))
}

fn listed<T: AsRef<str>>(items: &[T], between: &str) -> String {
    let shown: Vec<&str> = items.iter().take(LISTED).map(AsRef::as_ref).collect();
    let more = if items.len() > LISTED { format!("{between}… {} more", items.len() - LISTED) } else { String::new() };
    format!("{}{more}", shown.join(between))
}

fn shown(span: Span) -> String {
    clock::length(Duration::from_millis(span.as_millis()))
}

fn runs(count: usize) -> String {
    if count == 1 { "1 run".to_owned() } else { format!("{count} runs") }
}
