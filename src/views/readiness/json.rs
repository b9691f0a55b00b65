//! The readiness report for a program. Keys are stable; new ones may be added.

use serde_json::{Value, json};

use crate::plan::history::quantile;
use crate::rehearsal::{End, Performed, Point, Readiness, Side, Trouble};

/// The whole report; its keys are described in `docs/rehearsal.md`.
pub fn json(found: &Readiness) -> Value {
    let findings = found.findings();
    json!({
        "runbook": found.runbook,
        "plan": found.plan,
        "shape": found.rehearsed,
        "ready": findings.is_empty(),
        "nights": found.nights,
        "virtual_ms": found.virtual_ms,
        "findings": findings.iter().map(|finding| json!({
            "troubles": finding.troubles.iter().map(|t| trouble(t)).collect::<Vec<_>>(),
            "seed": finding.seed,
            "end": end(finding.end),
        })).collect::<Vec<_>>(),
        "always": found.always.iter().map(trouble).collect::<Vec<_>>(),
        "quiet": performed(&found.quiet),
        "points": found.points.iter().map(point).collect::<Vec<_>>(),
        "undo_points": found.undo_points.iter().map(point).collect::<Vec<_>>(),
        "crashes": found.crashes.iter().map(|crashes| json!({
            "along": crashes.along.as_ref().map(trouble),
            "nights": crashes.nights,
            "old": crashes.old,
            "new": crashes.new,
            "findings": crashes.findings.len(),
        })).collect::<Vec<_>>(),
        "drawn": found.drawn.as_ref().map(|drawn| json!({
            "nights": drawn.nights, "old": drawn.old, "new": drawn.new, "findings": drawn.findings.len(),
        })),
        "ways_back": found.ways_back,
        "undos": found.undos.iter().map(|(step, count)| json!({ "step": step, "nights": count })).collect::<Vec<_>>(),
        "finish_ms": { "p50": quantile(&found.finishes, 50), "p90": quantile(&found.finishes, 90) },
        "frozen_ms": { "p50": quantile(&found.frozen, 50), "p90": quantile(&found.frozen, 90) },
        "measured_runs": found.measured_runs,
        "unmeasured": found.unmeasured,
        "modelled": found.modelled,
        "unproven": found.unproven,
    })
}

fn point(point: &Point) -> Value {
    json!({
        "trouble": trouble(&point.trouble),
        "behind": point.behind.as_ref().map(trouble),
        "tried": point.night.struck > 0,
        "finding": point.is_finding(),
        "night": performed(&point.night),
    })
}

fn performed(night: &Performed) -> Value {
    json!({
        "end": end(&night.end),
        "took_ms": night.took_ms,
        "frozen_ms": night.frozen_ms,
        "undone": night.undone,
        "needs": night.needs.iter().map(|need| json!({
            "step": need.step, "role": need.role, "person": need.person, "what": need.what,
            "asked_ms": need.asked_ms, "answered_ms": need.answered_ms,
        })).collect::<Vec<_>>(),
        "steps": night.steps.iter().map(|(step, from, until)| json!({
            "step": step, "from_ms": from, "until_ms": until,
        })).collect::<Vec<_>>(),
    })
}

fn end(end: &End) -> Value {
    let (side, between) = match &end.side {
        Side::Old => ("old", None),
        Side::New => ("new", None),
        Side::Neither(between) => ("neither", Some(between)),
    };
    let waits: Vec<Value> = end.waits_at.iter().map(|(step, why)| json!({ "step": step, "why": why })).collect();
    json!({ "outcome": end.outcome, "side": side, "between": between, "waits_at": waits, "broken": end.broken })
}

fn trouble(trouble: &Trouble) -> Value {
    json!({ "kind": trouble.word(), "step": trouble.step(), "text": trouble.to_string() })
}
