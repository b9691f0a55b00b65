//! What an event says, in the words of the vocabulary: one sentence and its tone.

use super::{Clock, Tone, clock};
use crate::model::{Finding, RunOutcome, StepId, Value};
use crate::plan::{Plan, StepKind, Wait};
use crate::run::{Event, Resolver, RollbackCause, RunNote, SkipReason};

/// An event as a person reads it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told<'a> {
    /// The step it is about; none where it is about the run.
    pub step: Option<&'a StepId>,
    /// The sentence.
    pub text: String,
    /// Its tone.
    pub tone: Tone,
}

/// What `event` says.
pub fn tell<'a>(event: &'a Event, plan: &Plan, clock: &Clock) -> Told<'a> {
    let (step, tone, text) = match event {
        Event::RunStarted { .. }
        | Event::ExecutorStarted { .. }
        | Event::ExecutorStopped { .. }
        | Event::JournalRepaired { .. }
        | Event::ClockJumped { .. }
        | Event::Paused { .. }
        | Event::Continued { .. }
        | Event::RollbackStarted { .. }
        | Event::AbortOrdered { .. }
        | Event::FinallyStarted { .. }
        | Event::RunEnded { .. }
        | Event::RunReopened { .. }
        | Event::RosterChanged { .. }
        | Event::RunNoted { .. }
        | Event::CommandRefused { .. } => {
            let (tone, text) = of_run(event, clock);
            (None, tone, text)
        }
        Event::StepSkipped { .. }
        | Event::StepSpread { .. }
        | Event::GroupEnded { .. }
        | Event::WaitStarted { .. }
        | Event::WaitEnded { .. }
        | Event::WaitExpired { .. }
        | Event::ApprovalGranted { .. }
        | Event::ApprovalWithdrawn { .. }
        | Event::GlassBroken { .. }
        | Event::ApprovalLapsed { .. }
        | Event::GateReopened { .. }
        | Event::WaitRejected { .. }
        | Event::TaskReported { .. }
        | Event::StartRefused { .. }
        | Event::StepConfirmed { .. } => of_step(event, plan, clock),
        Event::AttemptStarted { .. }
        | Event::StatementSent { .. }
        | Event::QuestionAsked { .. }
        | Event::OutputCaptured { .. }
        | Event::ProgressNoted { .. }
        | Event::AttemptSucceeded { .. }
        | Event::AttemptFailed { .. }
        | Event::AttemptInterrupted { .. }
        | Event::AttemptProbed { .. }
        | Event::AttemptResolved { .. }
        | Event::LateResultIgnored { .. }
        | Event::RetryOrdered { .. } => of_attempt(event, clock),
        Event::UndoStarted { .. }
        | Event::UndoSucceeded { .. }
        | Event::UndoFailed { .. }
        | Event::UndoInterrupted { .. }
        | Event::UndoResolved { .. } => of_undo(event),
    };
    Told { step, text, tone }
}

/// Why a run turned back.
pub fn cause(cause: &RollbackCause) -> String {
    match cause {
        RollbackCause::StepFailed(step) => format!("step {step} failed"),
        RollbackCause::Rejected(step) => format!("a person rejected at {step}"),
        RollbackCause::DeadlinePassed(step) => format!("the deadline of {step} passed"),
        RollbackCause::Ordered { by, reason } => format!("{} ordered it: {reason}", by.name()),
    }
}

/// The tone of an end.
pub const fn outcome_tone(outcome: RunOutcome) -> Tone {
    match outcome {
        RunOutcome::Succeeded => Tone::Good,
        RunOutcome::RolledBack => Tone::Wait,
        RunOutcome::NeedsAttention | RunOutcome::Aborted => Tone::Bad,
    }
}

fn of_run(event: &Event, clock: &Clock) -> (Tone, String) {
    match event {
        Event::RunStarted { run, runbook, plan, starter } => {
            (Tone::Strong, format!("{runbook}, started as {run} by {starter}, plan {}, times in {}", plan.short(), clock.zone()))
        }
        Event::ExecutorStarted { pid, host, version, .. } => {
            (Tone::Faint, format!("executor started: process {pid} on {host}, version {version}"))
        }
        Event::ExecutorStopped { reason } => (Tone::Faint, format!("executor stopped: {reason}")),
        Event::JournalRepaired { bytes, kept } => {
            (Tone::Wait, format!("journal repaired: {bytes} torn bytes cut, a copy is in {kept}"))
        }
        Event::ClockJumped { by_ms } => {
            let by = clock::length(std::time::Duration::from_millis(by_ms.unsigned_abs()));
            (Tone::Wait, format!("the clock jumped {} by {by}", if *by_ms < 0 { "backwards" } else { "forwards" }))
        }
        Event::Paused { by, reason } => (Tone::Wait, format!("paused by {}{}", by.name(), because(reason))),
        Event::Continued { by } => (Tone::Plain, format!("continued by {}", by.name())),
        Event::RollbackStarted { cause: why } => (Tone::Bad, format!("turned back: {}", cause(why))),
        Event::AbortOrdered { by, reason } => (Tone::Bad, format!("aborted by {}{}", by.name(), because(reason))),
        Event::FinallyStarted { outcome } => (Tone::Faint, format!("finally: the run will end as {outcome}")),
        Event::RunEnded { outcome } => (outcome_tone(*outcome), format!("run ended: {outcome}")),
        Event::RunReopened { by } => (Tone::Wait, format!("taken up again by {}", by.name())),
        Event::RunNoted { note } => noted(note),
        Event::RosterChanged { roster } if roster.is_null() => {
            (Tone::Bad, "the roster or its keys cannot be read any more: nobody can approve".to_owned())
        }
        Event::RosterChanged { .. } => {
            (Tone::Bad, "the roster or its keys changed: only whom both the old and the new one name can approve".to_owned())
        }
        Event::CommandRefused { command, by, reason } => (Tone::Wait, format!("{command} refused to {}: {reason}", by.name())),
        other => unreachable!("invariant: {other:?} is about a step"),
    }
}

/// What was noted about the run as a whole.
fn noted(note: &RunNote) -> (Tone, String) {
    match note {
        RunNote::Rehearsal { profile } => {
            (Tone::Wait, format!("this is a rehearsal: its targets are those of the profile {profile}, not the live ones"))
        }
        RunNote::CalledFrom { traceparent } => (Tone::Faint, format!("started from the trace {traceparent}")),
        RunNote::FreezeOutlasted { frozen, bear_ms } => {
            let bear = clock::length(std::time::Duration::from_millis(*bear_ms));
            (Tone::Bad, format!("nobody can write to {frozen} for longer than clients bear ({bear})"))
        }
        RunNote::RehearsalSought { found, reason } if found.is_null() => (Tone::Bad, format!("no rehearsal counts: {reason}")),
        RunNote::RehearsalSought { found, .. } => {
            let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
            (Tone::Plain, format!("rehearsed in {} under {}, which succeeded at {}", text("run"), text("profile"), text("ended")))
        }
    }
}

fn of_step<'a>(event: &'a Event, plan: &Plan, clock: &Clock) -> (Option<&'a StepId>, Tone, String) {
    let (step, tone, text) = match event {
        Event::StepSkipped { step, reason } => (
            step,
            Tone::Faint,
            match reason {
                SkipReason::WhenFalse => "skipped: its `when` is false".to_owned(),
                SkipReason::Ordered { by, reason } => format!("skipped by {}{}", by.name(), because(reason)),
            },
        ),
        Event::StepSpread { step, items } => (step, Tone::Plain, spread(is_undo(plan, step), items)),
        Event::StartRefused { step, reason } => (step, Tone::Bad, format!("a safety rule does not let it start: {reason}")),
        Event::GroupEnded { step, failed } if is_undo(plan, step) && failed.is_empty() => {
            (step, Tone::Good, "succeeded".to_owned())
        }
        Event::GroupEnded { step, failed } if failed.is_empty() => (step, Tone::Good, "succeeded, with all its items".to_owned()),
        Event::GroupEnded { step, failed } => {
            let names: Vec<&str> = failed.iter().map(StepId::as_str).collect();
            let what = if is_undo(plan, step) { "not undone" } else { "not all of its items succeeded" };
            (step, Tone::Bad, format!("{what}: {}", names.join(", ")))
        }
        Event::WaitStarted { step, prompt, until, .. } => {
            let until = until.map_or_else(String::new, |moment| format!(" until {}", clock.time(moment)));
            let what = if prompt.is_empty() { format!("waits{until}") } else { format!("asks{until}: {prompt}") };
            (step, Tone::Wait, what)
        }
        Event::WaitEnded { step } if is_gate(plan, step) => {
            (step, Tone::Glass, "opened by the broken glass, without its quorum".to_owned())
        }
        Event::WaitEnded { step } => (step, Tone::Good, "the wait is over".to_owned()),
        Event::WaitExpired { step } => (step, Tone::Bad, "the deadline passed".to_owned()),
        Event::ApprovalGranted { step, by, note } => (step, Tone::Good, format!("approved by {by}{}", because(note))),
        Event::ApprovalWithdrawn { step, by } => (step, Tone::Wait, format!("approval withdrawn by {by}")),
        Event::GlassBroken { step, by, reason, opens } => {
            let opens = opens.map_or_else(String::new, |at| format!(", opens at {} unless somebody says no", clock.time(at)));
            (step, Tone::Glass, format!("glass broken by {by}{}{opens}", because(reason)))
        }
        Event::ApprovalLapsed { step, by, reason } => {
            (step, Tone::Wait, format!("the approval of {} does not count any more: {reason}", by.name()))
        }
        Event::GateReopened { step, reason, .. } => (step, Tone::Bad, format!("closed again before it was used: {reason}")),
        Event::WaitRejected { step, by, reason } => (step, Tone::Bad, format!("rejected by {by}{}", because(reason))),
        Event::TaskReported { step, by, answers } => (step, Tone::Good, format!("reported by {by}{}", fields(answers))),
        Event::StepConfirmed { step, by } => (step, Tone::Good, format!("confirmed by {by}")),
        other => unreachable!("invariant: {other:?} is told elsewhere"),
    };
    (Some(step), tone, text)
}

fn spread(is_undo: bool, items: &[Value]) -> String {
    match (is_undo, items) {
        (true, []) => "nothing has to be undone".to_owned(),
        (true, items) => {
            let names: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            format!("undoes {}", names.join(", "))
        }
        (false, [_]) => "has 1 item".to_owned(),
        (false, items) => format!("has {} items", items.len()),
    }
}

fn is_gate(plan: &Plan, step: &StepId) -> bool {
    plan.find(step).is_some_and(|index| matches!(plan.step(index).wait, Some(Wait::Approval { .. })))
}

fn is_undo(plan: &Plan, step: &StepId) -> bool {
    plan.find(step).is_some_and(|index| matches!(plan.step(index).kind, StepKind::Undo(_)))
}

fn of_attempt<'a>(event: &'a Event, clock: &Clock) -> (Option<&'a StepId>, Tone, String) {
    let (step, tone, text) = match event {
        Event::AttemptStarted { step, attempt, .. } => (step, Tone::Active, format!("started{}", nth(*attempt))),
        Event::StatementSent { step, statement, duration_ms, result, .. } => {
            let took = clock::length(std::time::Duration::from_millis(*duration_ms));
            (step, Tone::Faint, format!("sent {statement} ({result}, {took})"))
        }
        Event::QuestionAsked { step, question, duration_ms, result, .. } => {
            let took = clock::length(std::time::Duration::from_millis(*duration_ms));
            (step, Tone::Faint, format!("asked {question} ({result}, {took})"))
        }
        Event::OutputCaptured { step, stream, text, .. } => {
            let mark = if stream == "stderr" { "!" } else { "|" };
            (step, Tone::Faint, format!("{mark} {}", text.trim_end()))
        }
        Event::ProgressNoted { step, text, .. } => (step, Tone::Faint, text.clone()),
        Event::AttemptSucceeded { step, outputs, .. } => (step, Tone::Good, format!("succeeded{}", fields(outputs))),
        Event::AttemptFailed { step, error, retry_at, .. } => {
            let again = retry_at.map_or_else(String::new, |at| format!("; tried again at {}", clock.time(at)));
            (step, Tone::Bad, format!("failed: {error}{again}"))
        }
        Event::AttemptInterrupted { step, reason, .. } => (step, Tone::Bad, format!("in doubt: {reason}")),
        Event::AttemptProbed { step, finding, .. } => (step, Tone::Plain, format!("looked at: {}", found(finding))),
        Event::AttemptResolved { step, finding, by, .. } => (
            step,
            Tone::Plain,
            match by {
                Resolver::Probe => format!("resolved by the look: {}", found(finding)),
                Resolver::Policy => format!("resolved by the plan: {}", found(finding)),
                Resolver::Person(person) => format!("resolved by {person}: {}", found(finding)),
            },
        ),
        Event::LateResultIgnored { step, attempt, result } => {
            (step, Tone::Faint, format!("a late result of attempt {attempt} was ignored: {result}"))
        }
        Event::RetryOrdered { step, by } => (step, Tone::Plain, format!("another attempt ordered by {}", by.name())),
        other => unreachable!("invariant: {other:?} is told elsewhere"),
    };
    (Some(step), tone, text)
}

fn of_undo(event: &Event) -> (Option<&StepId>, Tone, String) {
    let (step, tone, text) = match event {
        Event::UndoStarted { step, attempt, .. } => (step, Tone::Active, format!("undo started{}", nth(*attempt))),
        Event::UndoSucceeded { step, .. } => (step, Tone::Good, "undone".to_owned()),
        Event::UndoFailed { step, error, .. } => (step, Tone::Bad, format!("undo failed: {error}")),
        Event::UndoInterrupted { step, reason, .. } => (step, Tone::Bad, format!("undo in doubt: {reason}")),
        Event::UndoResolved { step, finding, by } => (
            step,
            Tone::Plain,
            match finding {
                Finding::Applied => format!("undone, says {by}"),
                Finding::NotApplied | Finding::Partial(_) | Finding::Unknown(_) => {
                    format!("not undone, says {by}: it is tried again")
                }
            },
        ),
        other => unreachable!("invariant: {other:?} is told elsewhere"),
    };
    (Some(step), tone, text)
}

fn found(finding: &Finding) -> String {
    finding.to_string()
}

/// Only a second attempt is worth a word.
fn nth(attempt: u32) -> String {
    if attempt > 1 { format!(", attempt {attempt}") } else { String::new() }
}

fn because(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(": {reason}") }
}

/// What a program printed stands in lines of its own, and how it exited in the line of what was sent.
const SHOWN_ALREADY: [&str; 3] = ["stdout", "stderr", "exit_code"];

/// `: rows 812, side new`: the plain values of an object, as far as one line bears them.
fn fields(value: &Value) -> String {
    const ROOM: usize = 100;
    let all = plain(value);
    match all.char_indices().nth(ROOM) {
        _ if all.is_empty() => String::new(),
        None => format!(": {all}"),
        Some((cut, _)) => format!(": {}…", &all[..cut]),
    }
}

/// `rows 812, side new`: the plain values of an object.
pub fn plain(value: &Value) -> String {
    let Some(object) = value.as_object() else { return String::new() };
    let plain: Vec<String> = object
        .iter()
        .filter(|(key, _)| !SHOWN_ALREADY.contains(&key.as_str()))
        .filter_map(|(key, value)| match value {
            Value::String(text) if text.is_empty() || text.contains('\n') => None,
            Value::String(text) => Some(format!("{key} {}", text.trim_end())),
            Value::Number(_) | Value::Bool(_) => Some(format!("{key} {value}")),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        })
        .collect();
    plain.join(", ")
}
