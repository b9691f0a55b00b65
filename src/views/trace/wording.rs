//! What a trace says of runs and steps: names of OpenTelemetry's conventions where there is one, `pointsman.…` where there is none.
//!
//! Nothing is said that a report does not say too. What programs printed, parameters and outputs are not in a trace.

use super::span::{Attributes, Moment, Span, Status};
use crate::journal::wire::tag;
use crate::model::{Actor, Authentication, RunOutcome, Timestamp, Value};
use crate::plan::{PlannedUndo, Section};
use crate::run::{Event, Instance, Record, State, StepStatus};
use crate::views::event::{self, plain};
use crate::views::story::{Freeze, decided_by};
use crate::views::{Clock, rehearsed};

/// Of the run as a whole.
pub(super) fn of_run(state: &State) -> Attributes {
    let content = state.plan().content();
    let mut said: Attributes = vec![
        ("cicd.pipeline.name", content.runbook.clone().into()),
        ("cicd.pipeline.action.name", "RUN".into()),
        ("cicd.pipeline.run.id", state.run().map_or_else(String::new, ToString::to_string).into()),
        ("pointsman.plan", state.plan().digest().to_string().into()),
        ("pointsman.mode", if content.profile.is_some() { "rehearsal" } else { "live" }.into()),
    ];
    let mut add = |name, value: Option<String>| said.extend(value.map(|value| (name, Value::from(value))));
    add("pointsman.title", Some(content.title.clone()).filter(|title| !title.is_empty()));
    add("pointsman.profile", content.profile.as_ref().map(|profile| profile.name.clone()));
    add("deployment.environment.name", content.environment.clone());
    add("pointsman.move.from", content.movement.as_ref().map(|movement| movement.from.to_string()));
    add("pointsman.move.to", content.movement.as_ref().map(|movement| movement.to.to_string()));
    add("pointsman.witness.required", content.witness.map(|witness| witness.level.to_string()));
    add("pointsman.window.opens", content.window.as_ref().map(|window| window.opens.to_string()));
    add("pointsman.window.closes", content.window.as_ref().map(|window| window.closes.to_string()));
    add("pointsman.rehearsed", state.rehearsed().map(|found| rehearsed::told(found, state.started())));
    if let Some(starter) = state.starter() {
        said.extend(of_actor(starter));
    }
    said
}

/// The end of the run.
pub(super) fn end_run(span: &mut Span, state: &State, outcome: RunOutcome) {
    let turned = || state.cause().map(event::cause).unwrap_or_default();
    span.say("pointsman.outcome", outcome.to_string());
    span.say("pointsman.past_point_of_no_return", state.is_past_no_return());
    let (result, kind, why) = match outcome {
        RunOutcome::Succeeded => {
            span.say("cicd.pipeline.result", "success");
            span.status = Status::Good;
            return;
        }
        RunOutcome::RolledBack => ("failure", "rolled_back", format!("rolled back: {}", turned())),
        RunOutcome::NeedsAttention => ("error", "needs_attention", format!("needs attention: {}", turned())),
        RunOutcome::Aborted => ("cancellation", "aborted", "stopped without rollback".to_owned()),
    };
    span.say("cicd.pipeline.result", result);
    span.fail(kind, &why);
}

/// Of a step, going forward.
pub(super) fn of_step(state: &State, i: Instance) -> Attributes {
    let planned = state.planned(i);
    let section = match planned.section {
        Section::Forward => "forward",
        Section::Rollback => "rollback",
        Section::Finally => "finally",
    };
    let mut said: Attributes =
        vec![("cicd.pipeline.task.name", state.id(i).as_str().into()), ("pointsman.section", section.into())];
    said.extend(of_action(state, &planned.action, planned.target.as_ref().map(ToString::to_string)));
    said.extend(planned.point_of_no_return.as_ref().map(|why| ("pointsman.point_of_no_return", Value::from(why.clone()))));
    said.extend(planned.owner.as_ref().map(|owner| ("pointsman.owner", Value::from(owner.as_str()))));
    if planned.protected {
        said.push(("pointsman.protected", true.into()));
    }
    said
}

/// Of the undo of a step.
pub(super) fn of_undo(state: &State, i: Instance) -> Attributes {
    let planned = state.planned(i);
    let (action, target) = match &planned.undo {
        PlannedUndo::Action { action, target, .. } => (action, target),
        PlannedUndo::NotNeeded | PlannedUndo::Auto | PlannedUndo::Nothing { .. } | PlannedUndo::Impossible { .. } => {
            (&planned.action, &planned.target)
        }
    };
    let mut said: Attributes = vec![("cicd.pipeline.task.name", state.id(i).as_str().into()), ("pointsman.undo", true.into())];
    said.extend(of_action(state, action, target.as_ref().map(ToString::to_string)));
    said
}

fn of_action(state: &State, action: &str, target: Option<String>) -> Attributes {
    let mut said = Attributes::new();
    if !action.is_empty() {
        said.push(("pointsman.action", action.into()));
    }
    if let Some(target) = target {
        let found = state.plan().content().targets.get(target.as_str());
        said.extend(found.map(|found| ("pointsman.connector", Value::from(found.connector.clone()))));
        said.push(("pointsman.target", target.into()));
    }
    said
}

/// Of a statement: where it went, and what it was.
pub(super) fn of_statement(parent: &Attributes, statement: &str, result: &str) -> Attributes {
    let of = |name| parent.iter().find(|(key, _)| *key == name).and_then(|(_, value)| value.as_str());
    let database = match of("pointsman.connector") {
        Some("mysql") => Some("mysql"),
        Some("postgres") => Some("postgresql"),
        Some("sqlite") => Some("sqlite"),
        Some("redis") => Some("redis"),
        _ => None,
    };
    let mut said: Attributes = match database {
        Some(system) => vec![("db.system.name", system.into()), ("db.query.text", statement.into())],
        None => vec![("pointsman.statement", statement.into())],
    };
    let kept = ["pointsman.target", "pointsman.connector", "pointsman.action"];
    said.extend(parent.iter().filter(|(name, _)| kept.contains(name)).cloned());
    said.push(("pointsman.result", result.into()));
    said
}

/// How a step ended: what it comes to, and in the words of the record why.
pub(super) fn end_step(span: &mut Span, status: StepStatus, why: &str) {
    span.say("pointsman.status", status.word());
    let result = match status {
        StepStatus::Succeeded | StepStatus::Undone => {
            span.status = Status::Good;
            "success"
        }
        StepStatus::Failed => {
            span.fail("failed", why);
            "failure"
        }
        StepStatus::Rejected => {
            span.fail("rejected", why);
            "failure"
        }
        StepStatus::UndoFailed => {
            span.fail("undo_failed", why);
            "error"
        }
        StepStatus::InDoubt | StepStatus::UndoInDoubt => {
            span.fail("in_doubt", why);
            "error"
        }
        StepStatus::Skipped => "skip",
        StepStatus::Pending
        | StepStatus::AwaitingPeople
        | StepStatus::AwaitingTime
        | StepStatus::Ready
        | StepStatus::Running
        | StepStatus::BackingOff
        | StepStatus::Held
        | StepStatus::AwaitingConfirm
        | StepStatus::NotReached
        | StepStatus::AwaitingUndo
        | StepStatus::Undoing => return,
    };
    span.say("cicd.pipeline.task.run.result", result);
}

/// How an attempt or an undo attempt ended.
pub(super) fn end_attempt(span: &mut Span, status: StepStatus, why: &str) {
    match status {
        StepStatus::Succeeded | StepStatus::AwaitingConfirm | StepStatus::Undone => span.status = Status::Good,
        StepStatus::InDoubt | StepStatus::UndoInDoubt => span.fail("in_doubt", why),
        StepStatus::UndoFailed => span.fail("undo_failed", why),
        StepStatus::Failed | StepStatus::Held | StepStatus::BackingOff | StepStatus::Rejected => span.fail("failed", why),
        StepStatus::Pending
        | StepStatus::AwaitingPeople
        | StepStatus::AwaitingTime
        | StepStatus::Ready
        | StepStatus::Running
        | StepStatus::Skipped
        | StepStatus::NotReached
        | StepStatus::AwaitingUndo
        | StepStatus::Undoing => {}
    }
    span.say("pointsman.status", status.word());
}

/// Of a freeze that began or ended.
pub(super) fn of_freeze(freeze: &Freeze) -> Attributes {
    let step = freeze.ended.as_ref().map(|end| &end.step).or(freeze.began.as_ref().map(|(_, step)| step));
    let mut said: Attributes = vec![("pointsman.frozen", freeze.frozen.clone().into())];
    said.extend(step.map(|step| ("pointsman.step", step.as_str().into())));
    if let (Some((from, _)), Some(end)) = (&freeze.began, &freeze.ended) {
        said.push(("pointsman.how", end.how.into()));
        said.push(("pointsman.took_ms", u64::try_from(end.at.since(*from).as_millis()).unwrap_or(u64::MAX).into()));
    }
    said
}

/// The record as something that happened, where it is worth telling; what has spans of its own, and chatter, is not.
pub(super) fn moment(state: &State, record: &Record, now: Timestamp) -> Option<Moment> {
    match &record.event {
        Event::StatementSent { .. }
        | Event::QuestionAsked { .. }
        | Event::OutputCaptured { .. }
        | Event::ProgressNoted { .. }
        | Event::AttemptStarted { .. }
        | Event::UndoStarted { .. } => return None,
        _ => {}
    }
    let told = event::tell(&record.event, state.plan(), &Clock::of(state.plan()));
    let mut attributes: Attributes = vec![("pointsman.record", record.seq.into()), ("pointsman.text", told.text.into())];
    attributes.extend(told.step.map(|step| ("pointsman.step", Value::from(step.as_str()))));
    attributes.extend(decided_by(&record.event).map(of_actor).into_iter().flatten());
    if let Event::AttemptSucceeded { evidence, .. } | Event::UndoSucceeded { evidence, .. } = &record.event {
        let evidence = plain(evidence);
        attributes.extend((!evidence.is_empty()).then(|| ("pointsman.evidence", Value::from(evidence))));
    }
    Some(Moment { at: now, name: format!("pointsman.{}", tag(&record.event)), attributes })
}

/// Who, and how they were recognised: no key, no signature, no address.
fn of_actor(actor: &Actor) -> Attributes {
    let proven = match &actor.by {
        Authentication::LocalUser { .. } => "local user",
        Authentication::Console { .. } => "signed in at the console",
        Authentication::Executor => "the run itself",
        Authentication::Signature { .. } => "SSH signature",
    };
    vec![("pointsman.by", actor.name().into()), ("pointsman.by.proven", proven.into())]
}
