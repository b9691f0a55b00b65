//! The report for a program. Keys are stable; new ones may be added.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Report, StepRow, Told, section_word};
use crate::model::Actor;
use crate::views::status::status_word;
use crate::views::story::{Attempt, Decision, Doubt, Freeze, System, UndoTried, end};
use crate::views::verification;

/// The whole report; its keys are described in `docs/report.md`.
pub fn json(report: &Report) -> Value {
    let head = &report.head;
    let mut value = json!({
        "run": head.run,
        "end": name(head.word),
        "headline": head.headline,
        "made": head.made,
        "notices": report.notices.iter().map(|notice| notice.text.as_str()).collect::<Vec<_>>(),
        "proof": match &report.proof {
            Ok(found) => verification::json(found),
            Err(why) => json!({ "unverified": why }),
        },
    });
    if let (Some(object), Some(told)) = (value.as_object_mut(), &report.told)
        && let Value::Object(told) = self::told(told)
    {
        object.extend(told);
    }
    value
}

fn told(told: &Told) -> Value {
    let (state, story) = (&told.state, &told.story);
    let content = state.plan().content();
    json!({
        "runbook": content.runbook,
        "title": content.title,
        "plan": state.plan().digest(),
        "record": state.last_seq(),
        "started": story.from,
        "started_by": state.starter().map(actor),
        "until": story.until,
        "ended": state.ended(),
        "took_ms": ms(story.took()),
        "because": end::because(state, story),
        "past_point_of_no_return": state.is_past_no_return(),
        "window": content.window.as_ref().map(|w| json!({ "opens": w.opens, "closes": w.closes, "time_zone": w.time_zone })),
        "expected_from_runs": told.history_runs,
        "beside": told.beside.as_ref().map(|beside| json!({
            "run": beside.run, "started": beside.started, "end": name(beside.end), "profile": beside.profile, "same_plan": beside.same_plan,
        })),
        "steps": told.steps.iter().map(step).collect::<Vec<_>>(),
        "freezes": story.freezes.iter().map(freeze).collect::<Vec<_>>(),
        "decisions": story.decisions.iter().map(decision).collect::<Vec<_>>(),
        "deviations": told.deviations.iter().map(|found| json!({
            "record": found.seq, "at": found.at, "step": found.step, "kind": name(found.kind.word()), "text": found.text,
        })).collect::<Vec<_>>(),
        "attempts": story.attempts.iter().map(attempt).collect::<Vec<_>>(),
        "skips": story.skips.iter().map(|skip| json!({
            "record": skip.seq, "at": skip.at, "step": skip.step, "was": status_word(skip.was), "by": skip.by, "why": skip.why,
        })).collect::<Vec<_>>(),
        "doubts": story.doubts.iter().map(doubt).collect::<Vec<_>>(),
        "undos": story.undos.iter().map(undo).collect::<Vec<_>>(),
        "still_in_place": told.still_in_place.iter().map(|(step, why)| json!({ "step": step, "why": why })).collect::<Vec<_>>(),
        "systems": story.systems.iter().map(system).collect::<Vec<_>>(),
        "costs": costs(told),
    })
}

/// A word for programs: with underscores.
fn name(word: &str) -> String {
    word.replace(' ', "_")
}

fn ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn actor(actor: &Actor) -> Value {
    json!({ "name": actor.name(), "person": actor.person, "roles": actor.roles, "recognised": actor.to_string() })
}

fn step(row: &StepRow) -> Value {
    json!({
        "step": row.step,
        "section": section_word(row.section),
        "action": row.action,
        "target": row.target,
        "status": status_word(row.status),
        "attempts": row.attempts,
        "took_ms": row.took.map(ms),
        "expected": row.expected.map(|expected| json!({
            "p50_ms": expected.usual.as_millis(), "p90_ms": expected.slow.as_millis(), "samples": expected.samples,
        })),
        "planned_ms": row.scheduled.map(|(from, until)| json!({ "from": from.as_millis(), "until": until.as_millis() })),
        "beside_ms": row.beside.map(ms),
        "error": row.error,
    })
}

fn freeze(freeze: &Freeze) -> Value {
    json!({
        "frozen": freeze.frozen,
        "worst_ms": freeze.worst.as_millis(),
        "began": freeze.began.as_ref().map(|(at, step)| json!({ "at": at, "step": step })),
        "ended": freeze.ended.as_ref().map(|end| json!({ "at": end.at, "step": end.step, "how": end.how })),
        "took_ms": freeze.took.map(ms),
    })
}

fn decision(decision: &Decision) -> Value {
    json!({
        "record": decision.seq,
        "at": decision.at,
        "step": decision.step,
        "by": actor(&decision.by),
        "what": name(decision.what.word()),
        "about": decision.about,
        "said": decision.said,
        "evidence": decision.evidence.iter().map(|evidence| json!({
            "of": evidence.of, "value": evidence.value, "age_ms": evidence.age.map(ms),
        })).collect::<Vec<_>>(),
        "after_ms": decision.after.map(ms),
    })
}

fn attempt(attempt: &Attempt) -> Value {
    json!({
        "record": attempt.seq,
        "step": attempt.step,
        "attempt": attempt.number,
        "from": attempt.from,
        "until": attempt.until,
        "end": attempt.end,
        "error": attempt.error,
        "touch": attempt.touch,
        "again": attempt.again,
    })
}

fn doubt(doubt: &Doubt) -> Value {
    json!({
        "record": doubt.seq,
        "step": doubt.step,
        "of": doubt.of,
        "attempt": doubt.attempt,
        "from": doubt.from,
        "reason": doubt.reason,
        "looks": doubt.looks,
        "resolved": doubt.resolved.as_ref().map(|(at, by, finding)| json!({ "at": at, "by": by, "finding": finding })),
    })
}

fn undo(undo: &UndoTried) -> Value {
    json!({
        "record": undo.seq,
        "step": undo.step,
        "attempt": undo.number,
        "from": undo.from,
        "until": undo.until,
        "end": undo.end,
        "manual": undo.manual,
    })
}

fn system(system: &System) -> Value {
    json!({
        "name": system.name,
        "connector": system.connector,
        "questions": system.questions,
        "questions_ms": system.questions_ms,
        "statements": system.statements.iter().map(|sent| json!({
            "record": sent.seq,
            "at": sent.at,
            "step": sent.step,
            "during": sent.during,
            "statement": sent.statement,
            "result": sent.result,
            "took_ms": sent.took_ms,
        })).collect::<Vec<_>>(),
    })
}

fn costs(told: &Told) -> Value {
    let costs = &told.story.costs;
    json!({
        "parts": costs.parts.iter().map(|(cost, took)| json!({ "what": name(cost.word()), "ms": ms(*took) })).collect::<Vec<_>>(),
        "work_of_steps_ms": ms(costs.work_of_steps),
        "awaited": costs.awaited.iter().map(|wait| json!({
            "step": wait.step,
            "for": wait.why,
            "of": wait.of,
            "by": wait.by,
            "from": wait.from,
            "took_ms": ms(wait.took),
        })).collect::<Vec<_>>(),
    })
}
