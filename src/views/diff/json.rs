//! Two runs side by side, for a program: every step of both, and everything that differed.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Both, Diff, Side, StepDiff};
use crate::views::status::status_word;

/// The comparison; its keys are described in `docs/report.md`.
pub fn json(diff: &Diff) -> Value {
    json!({
        "a": side(&diff.a),
        "b": side(&diff.b),
        "same_plan": diff.a.plan == diff.b.plan,
        "plan": diff.plan,
        "steps": diff.steps.iter().map(step).collect::<Vec<_>>(),
        "decisions": diff.decisions.iter().map(|decision| json!({
            "step": decision.step, "a": decision.decided.a, "b": decision.decided.b,
        })).collect::<Vec<_>>(),
        "costs": diff.costs.iter().map(|(cost, both)| json!({
            "what": cost.word().replace(' ', "_"), "a_ms": ms(both.a), "b_ms": ms(both.b),
        })).collect::<Vec<_>>(),
    })
}

fn side(side: &Side) -> Value {
    json!({
        "run": side.run,
        "started": side.started,
        "end": side.end.replace(' ', "_"),
        "because": side.because,
        "kind": side.kind,
        "took_ms": ms(side.took),
        "plan": side.plan,
    })
}

fn step(step: &StepDiff) -> Value {
    let Both { a, b } = step.took;
    json!({
        "step": step.step,
        "a": { "status": step.status.a.map(status_word), "took_ms": a.map(ms), "attempts": step.attempts.a },
        "b": { "status": step.status.b.map(status_word), "took_ms": b.map(ms), "attempts": step.attempts.b },
        "ended_otherwise": step.ended_otherwise(),
        "took_otherwise": step.took_otherwise(),
    })
}

fn ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
