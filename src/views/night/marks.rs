//! What a reader of a night that is over looks for first, each with the record to go to: for the scrubber of a replay.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::model::{StepId, Timestamp};
use crate::plan::Plan;
use crate::run::{Event, Record, State};
use crate::views::screen::due;
use crate::views::story::{Story, step_of};
use crate::views::{Clock, event};

/// When each record is due in a replay, what is worth going to, and which stretches of time had a name.
pub fn replay(plan: &Arc<Plan>, records: &[Record]) -> Value {
    let due = due(records);
    let end = due.last().copied().unwrap_or_default();
    let story = Story::of(plan, records, end);
    let stretches = stretches(&story, records, end);
    let mut marks = marks(plan, records);
    marks.extend(freezes(plan, records, &story));
    marks.sort_by_key(|mark| mark["seq"].as_u64());
    json!({ "due": due, "marks": marks, "stretches": stretches })
}

fn marks(plan: &Arc<Plan>, records: &[Record]) -> Vec<Value> {
    let mut state = State::new(plan.clone());
    let mut was_past = false;
    let mut found = Vec::new();
    for record in records {
        // The records were folded before they came here.
        if state.apply(record).is_err() {
            break;
        }
        let is_past = state.is_past_no_return();
        let kind = if is_past && !was_past { Some("no_return") } else { kind(&record.event) };
        was_past = is_past;
        if let Some(kind) = kind {
            found.push(mark(plan, record, kind));
        }
    }
    found
}

fn mark(plan: &Plan, record: &Record, kind: &str) -> Value {
    let told = event::tell(&record.event, plan, &Clock::of(plan));
    json!({ "seq": record.seq, "at": record.at, "kind": kind, "step": told.step, "text": told.text, "tone": told.tone.word() })
}

/// Where each freeze begins and ends.
fn freezes(plan: &Plan, records: &[Record], story: &Story) -> Vec<Value> {
    let of = |at: Timestamp, step: &StepId, kind: &str| {
        let found = records.iter().find(|record| record.at == at && step_of(&record.event) == Some(step));
        found.map(|record| mark(plan, record, kind))
    };
    let ends = story.freezes.iter().flat_map(|freeze| {
        let began = freeze.began.as_ref().and_then(|(at, step)| of(*at, step, "frozen"));
        let ended = freeze.ended.as_ref().and_then(|end| of(end.at, &end.step, "thawed"));
        [began, ended]
    });
    ends.flatten().collect()
}

/// What kind of mark an event is; none where it is the usual course of a night.
const fn kind(event: &Event) -> Option<&'static str> {
    match event {
        Event::RunStarted { .. } => Some("began"),
        Event::RunEnded { .. } => Some("ended"),
        Event::AttemptFailed { .. }
        | Event::UndoFailed { .. }
        | Event::WaitExpired { .. }
        | Event::StartRefused { .. }
        | Event::ApprovalLapsed { .. }
        | Event::GateReopened { .. } => Some("failed"),
        Event::AttemptInterrupted { .. } | Event::UndoInterrupted { .. } => Some("doubt"),
        Event::RollbackStarted { .. } | Event::AbortOrdered { .. } => Some("turned"),
        Event::ApprovalGranted { .. }
        | Event::ApprovalWithdrawn { .. }
        | Event::GlassBroken { .. }
        | Event::WaitRejected { .. }
        | Event::TaskReported { .. }
        | Event::StepConfirmed { .. }
        | Event::AttemptResolved { .. }
        | Event::UndoResolved { .. }
        | Event::RetryOrdered { .. }
        | Event::Paused { .. }
        | Event::Continued { .. }
        | Event::RunReopened { .. } => Some("decided"),
        Event::ExecutorStarted { .. }
        | Event::ExecutorStopped { .. }
        | Event::JournalRepaired { .. }
        | Event::ClockJumped { .. }
        | Event::FinallyStarted { .. }
        | Event::RosterChanged { .. }
        | Event::RunNoted { .. }
        | Event::CommandRefused { .. }
        | Event::StepSkipped { .. }
        | Event::StepSpread { .. }
        | Event::GroupEnded { .. }
        | Event::WaitStarted { .. }
        | Event::WaitEnded { .. }
        | Event::AttemptStarted { .. }
        | Event::StatementSent { .. }
        | Event::QuestionAsked { .. }
        | Event::OutputCaptured { .. }
        | Event::ProgressNoted { .. }
        | Event::AttemptSucceeded { .. }
        | Event::AttemptProbed { .. }
        | Event::LateResultIgnored { .. }
        | Event::UndoStarted { .. }
        | Event::UndoSucceeded { .. } => None,
    }
}

/// The freezes, the way back and the time without an executor, as the report tells them. A freeze that nothing ended lasts to
/// the end of the record.
fn stretches(story: &Story, records: &[Record], end: Timestamp) -> Vec<Value> {
    // Several records can be of the same moment: the one is meant that the stretch begins with.
    let seq = |at: Timestamp, is_it: &dyn Fn(&Event) -> bool| {
        let found = records.iter().find(|record| record.at == at && is_it(&record.event));
        found.map_or(1, |record| record.seq)
    };
    let mut found = Vec::new();
    for freeze in &story.freezes {
        let Some((from, by)) = &freeze.began else { continue };
        found.push(json!({
            "kind": "frozen", "of": freeze.frozen, "from": from, "until": freeze.ended.as_ref().map_or(end, |end| end.at),
            "seq": seq(*from, &|event| step_of(event) == Some(by)),
            "how": freeze.ended.as_ref().map(|end| format!("{} {}", end.step, end.how)),
        }));
    }
    for from in &story.turned_back {
        let turned = seq(*from, &|event| matches!(event, Event::RollbackStarted { .. }));
        found.push(json!({ "kind": "way_back", "from": from, "until": end, "seq": turned }));
    }
    for (from, until) in &story.undriven {
        let taken_up = seq(*until, &|event| matches!(event, Event::ExecutorStarted { .. }));
        found.push(json!({ "kind": "undriven", "from": from, "until": until, "seq": taken_up }));
    }
    found
}
