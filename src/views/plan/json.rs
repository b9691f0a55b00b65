//! A plan as JSON for programs: everything that the text says, with ids instead of positions.

use serde_json::json;

use super::levels::levels;
use crate::model::Value;
use crate::plan::{Plan, PlannedStep, PlannedUndo, Section, StepIndex, StepKind, UndoScope, Waiting};

/// The plan for programs. Times are milliseconds; secrets are shown by their place.
pub fn json(plan: &Plan) -> Value {
    let content = plan.content();
    let mut level_of = vec![0_usize; plan.steps().len()];
    for section in [Section::Forward, Section::Rollback, Section::Finally] {
        for (number, level) in levels(plan, section).iter().enumerate() {
            level.iter().for_each(|at| level_of[at.get()] = number);
        }
    }
    let level = |at: StepIndex| level_of[plan.step(at).group.unwrap_or(at).get()];
    let steps: Vec<Value> =
        plan.steps().iter().enumerate().map(|(at, item)| step(plan, item, level(StepIndex::new(at)))).collect();
    let path = plan.critical_path();
    json!({
        "digest": plan.digest().to_string(),
        "runbook": content.runbook,
        "title": content.title,
        "author": content.author,
        "source": content.source.to_string(),
        "shape": plan.shape().to_string(),
        "profile": content.profile.as_ref().map(|profile| &profile.name),
        "base_dir": content.base_dir,
        "params": content.params,
        "window": content.window,
        "witness": content.witness,
        "move": content.movement,
        "rollback_role": content.rollback_role,
        "max_concurrent": content.max_concurrent,
        "targets": content.targets.iter().map(|(name, target)| {
            (name.to_string(), json!({ "connector": target.connector, "settings": target.settings.shown() }))
        }).collect::<serde_json::Map<_, _>>(),
        "steps": steps,
        "critical_path": {
            "steps": ids(plan, &path.steps),
            "work_ms": path.work.as_millis(),
            "waits": waits(plan, &path.waits),
            "lists_of_the_run": ids(plan, &path.open),
        },
        "freezes": plan.freeze_times().iter().map(|freeze| json!({
            "frozen": freeze.frozen,
            "from": plan.step(freeze.from).id,
            "until": freeze.until.map(|until| plan.step(until).id.clone()),
            "work_ms": freeze.work.as_millis(),
            "steps": ids(plan, &freeze.path),
            "waits": waits(plan, &freeze.waits),
            "lists_of_the_run": ids(plan, &freeze.open),
        })).collect::<Vec<_>>(),
    })
}

fn step(plan: &Plan, step: &PlannedStep, level: usize) -> Value {
    let kind = match &step.kind {
        StepKind::Action => json!({ "kind": "action" }),
        StepKind::Group { max_concurrent } => json!({ "kind": "group", "max_concurrent": max_concurrent }),
        StepKind::Spread { over, max_concurrent } => {
            json!({ "kind": "spread", "over": over.text(), "max_concurrent": max_concurrent })
        }
        StepKind::Undo(UndoScope::Everything) => json!({ "kind": "undo", "undoes": "everything" }),
        StepKind::Undo(UndoScope::Steps(steps)) => json!({ "kind": "undo", "undoes": ids(plan, steps) }),
    };
    let facts: Vec<String> = step.facts().iter().map(ToString::to_string).collect();
    json!({
        "id": step.id,
        "section": step.section,
        "level": level,
        "does": kind,
        "action": step.action,
        "target": step.target,
        "needs": ids(plan, &step.needs),
        "with": step.with.shown(),
        "when": step.when.as_ref().map(|when| when.text()),
        "item_of": step.group.map(|group| plan.step(group).id.clone()),
        "item": step.item,
        "timeout_ms": step.timeout.as_millis(),
        "worst_case_ms": step.worst_case().as_millis(),
        "max_attempts": step.retry.max_attempts,
        "on_failure": step.on_failure,
        "in_doubt": step.in_doubt,
        "undo": undo(&step.undo),
        "point_of_no_return": step.point_of_no_return,
        "owner": step.owner,
        "confirm": step.confirm,
        "protected": step.protected,
        "expect": step.expect.iter().map(|(output, condition)| json!({ "output": output, "condition": condition })).collect::<Vec<_>>(),
        "mutating": step.mutating,
        "has_probe": step.has_probe,
        "wait": step.wait,
        "facts": facts,
    })
}

fn undo(undo: &PlannedUndo) -> Value {
    match undo {
        PlannedUndo::NotNeeded => json!({ "kind": "not_needed" }),
        PlannedUndo::Auto => json!({ "kind": "auto" }),
        PlannedUndo::Action { action, target, with } => {
            json!({ "kind": "action", "action": action, "target": target, "with": with.shown() })
        }
        PlannedUndo::Nothing { why } => json!({ "kind": "nothing", "why": why }),
        PlannedUndo::Impossible { why } => json!({ "kind": "impossible", "why": why }),
    }
}

fn ids(plan: &Plan, steps: &[StepIndex]) -> Vec<String> {
    steps.iter().map(|at| plan.step(*at).id.to_string()).collect()
}

fn waits(plan: &Plan, waits: &[Waiting]) -> Vec<Value> {
    waits
        .iter()
        .map(|wait| json!({ "step": plan.step(wait.step).id, "limit_ms": wait.limit.map(|limit| limit.as_millis()) }))
        .collect()
}
