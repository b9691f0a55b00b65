//! The list of runs: one row each, the newest first.

use super::event::outcome_tone;
use super::status::{Life, brief, is_over};
use super::{Clock, Invocation, Line, Tone, asks, clock};
use crate::model::{RunId, Timestamp, Value};
use crate::run::{Phase, State};

/// One run of the list.
#[derive(Clone, Debug)]
pub enum Row {
    /// A run that can be read.
    Read(Box<State>, Life),
    /// A run whose record cannot be read, and why.
    Unreadable(RunId, String),
}

/// The table.
pub fn text(rows: &[Row], now: Timestamp) -> Vec<Line> {
    let name = |row: &Row| match row {
        Row::Read(state, _) => state.run().map_or(0, |run| run.as_str().len()),
        Row::Unreadable(run, _) => run.as_str().len(),
    };
    let width = rows.iter().map(name).max().unwrap_or(0).max(3);
    let mut lines = vec![
        Line::new()
            .cell(Tone::Faint, width, "run")
            .cell(Tone::Faint, 19, "started (UTC)")
            .cell(Tone::Faint, 7, "   took")
            .and(Tone::Faint, "state"),
    ];
    for row in rows {
        lines.push(match row {
            Row::Read(state, life) => read(state, *life, width, now),
            Row::Unreadable(run, why) => Line::new()
                .cell(Tone::Plain, width, run.as_str())
                .cell(Tone::Faint, 19, "")
                .cell(Tone::Faint, 7, "")
                .and(Tone::Bad, why),
        });
    }
    lines
}

/// One run for a program; a run that cannot be read has `run` and `error` alone.
pub fn json(row: &Row, now: Timestamp) -> Value {
    match row {
        Row::Read(state, life) => brief(state, *life, now),
        Row::Unreadable(run, why) => serde_json::json!({ "run": run.as_str(), "error": why }),
    }
}

fn read(state: &State, life: Life, width: usize, now: Timestamp) -> Line {
    let started = state.started().unwrap_or_default();
    let took = clock::length(state.ended().unwrap_or(now).since(started));
    let (tone, word) = match state.phase() {
        Phase::Ended(outcome) => (outcome_tone(outcome), outcome.to_string()),
        Phase::Finally(outcome) => (outcome_tone(outcome), format!("finally, then {outcome}")),
        Phase::New => (Tone::Faint, "not started".to_owned()),
        Phase::Forward => (Tone::Active, "going forward".to_owned()),
        Phase::RollingBack => (Tone::Bad, "rolling back".to_owned()),
        Phase::Aborting => (Tone::Bad, "aborting".to_owned()),
    };
    let mut line = Line::new()
        .cell(Tone::Plain, width, state.run().map_or("", |run| run.as_str()))
        .cell(Tone::Faint, 19, Clock::utc().moment(started))
        .cell(Tone::Faint, 7, format!("{took:>7}"))
        .and(tone, word);
    if let Some(profile) = &state.plan().content().profile {
        line = line.and(Tone::Wait, format!(", rehearsal under {}", profile.name));
    }
    if life == Life::Left && !is_over(state) {
        line = line.and(Tone::Wait, ", no executor");
    }
    if state.paused().is_some() {
        line = line.and(Tone::Wait, ", paused");
    }
    let awaited: Vec<String> = asks(state, &Invocation::default()).into_iter().map(|ask| ask.step.to_string()).collect();
    match awaited.as_slice() {
        [] => line,
        [one] => line.and(Tone::Wait, format!(", awaits {one}")),
        [one, more @ ..] => line.and(Tone::Wait, format!(", awaits {one} and {} more", more.len())),
    }
}
