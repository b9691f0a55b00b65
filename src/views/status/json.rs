//! The status of a run for a program. Keys are stable; new ones may be added.

use serde_json::{Value, json};

use super::{Life, phase_word};
use crate::model::{Actor, Object, RunOutcome, Timestamp};
use crate::plan::Section;
use crate::run::{Instance, Phase, RollbackCause, State, StepStatus};
use crate::views::{Invocation, asks};

/// The whole status; its keys are described in `docs/cli.md`.
pub fn json(state: &State, life: Life, how: &Invocation) -> Value {
    let content = state.plan().content();
    json!({
        "run": state.run().map(|run| run.as_str()),
        "runbook": content.runbook,
        "title": content.title,
        "rehearsal": content.profile.as_ref().map(|profile| json!({ "profile": profile.name })),
        "rehearsed": state.plan().seeks_rehearsal().then(|| json!({ "by": state.rehearsed(), "missing": state.not_rehearsed() })),
        "plan": state.plan().digest(),
        "record": state.last_seq(),
        "epoch": state.epoch(),
        "phase": phase_word(state.phase()),
        "outcome": outcome(state),
        "executor": match life { Life::Driven => json!(true), Life::Left => json!(false), Life::Past => Value::Null },
        "started": state.started(),
        "started_by": state.starter().map(actor),
        "ended": state.ended(),
        "paused_by": state.paused().map(actor),
        "turned_back": state.cause().map(cause),
        "past_point_of_no_return": state.is_past_no_return(),
        "window": content.window.as_ref().map(|w| json!({ "opens": w.opens, "closes": w.closes, "time_zone": w.time_zone })),
        "rollback_clock": state.rollback_clock().map(|clock| json!({
            "path_back_ms": clock.path_back.as_millis(),
            "last_moment": clock.last_moment(),
            "held": state.is_held_by_the_clock(),
        })),
        "counts": counts(state),
        "steps": state.instances().map(|i| step(state, i)).collect::<Vec<_>>(),
        "awaited": asks(state, how).into_iter().map(|ask| json!({
            "step": ask.step.as_str(),
            "status": status_word(ask.status),
            "of": ask.of,
            "text": ask.text,
            "until": ask.until,
            "overdue": ask.overdue,
            "manual": ask.manual,
            "commands": ask.answers.iter().map(|a| json!({ "command": a.command, "meaning": a.meaning })).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
    })
}

/// A word for programs: the status with underscores.
pub fn status_word(status: StepStatus) -> String {
    status.word().replace(' ', "_")
}

fn outcome(state: &State) -> Option<RunOutcome> {
    match state.phase() {
        Phase::Ended(outcome) | Phase::Finally(outcome) => Some(outcome),
        Phase::New | Phase::Forward | Phase::RollingBack | Phase::Aborting => None,
    }
}

fn actor(actor: &Actor) -> Value {
    json!({ "name": actor.name(), "person": actor.person, "roles": actor.roles, "recognised": actor.to_string() })
}

fn cause(cause: &RollbackCause) -> Value {
    match cause {
        RollbackCause::StepFailed(step) => json!({ "because": "step_failed", "step": step }),
        RollbackCause::Rejected(step) => json!({ "because": "rejected", "step": step }),
        RollbackCause::DeadlinePassed(step) => json!({ "because": "deadline_passed", "step": step }),
        RollbackCause::Ordered { by, reason } => json!({ "because": "ordered", "by": actor(by), "reason": reason }),
    }
}

fn counts(state: &State) -> Value {
    let mut counts = Object::new();
    for status in StepStatus::ALL {
        let count = state.instances().filter(|i| state.step(*i).status == status).count();
        if count > 0 {
            counts.insert(status_word(status), json!(count));
        }
    }
    Value::Object(counts)
}

fn step(state: &State, i: Instance) -> Value {
    let (step, planned) = (state.step(i), state.planned(i));
    let detail = step.detail.as_deref();
    json!({
        "step": state.id(i).as_str(),
        "section": match planned.section {
            Section::Forward => "forward",
            Section::Rollback => "rollback",
            Section::Finally => "finally",
        },
        "status": status_word(step.status),
        "action": planned.action,
        "target": planned.target,
        "owner": planned.owner,
        "group": state.group(i).map(|group| state.id(group).as_str()),
        "attempt": step.attempt,
        "undo_attempt": step.undo_attempt,
        "touched": step.touched,
        "started": step.started,
        "ended": step.ended,
        "until": step.until,
        "outputs": detail.map_or(&Value::Null, |d| &d.outputs),
        "progress": detail.and_then(|d| d.progress.as_deref()),
        "error": step.error(),
        "point_of_no_return": planned.point_of_no_return,
        "manual": detail.map_or(&[][..], |d| &d.manual),
    })
}

/// Only what a moment adds to the JSON: used by lists, where nobody needs the steps.
pub fn brief(state: &State, life: Life, now: Timestamp) -> Value {
    json!({
        "run": state.run().map(|run| run.as_str()),
        "runbook": state.plan().content().runbook,
        "rehearsal": state.plan().content().profile.is_some(),
        "phase": phase_word(state.phase()),
        "outcome": outcome(state),
        "executor": matches!(life, Life::Driven),
        "started": state.started(),
        "ended": state.ended(),
        "seconds": state.started().map(|at| state.ended().unwrap_or(now).since(at).as_secs()),
        "awaited": asks(state, &Invocation::default()).into_iter().map(|ask| ask.step.as_str().to_owned()).collect::<Vec<_>>(),
    })
}
