//! What was not as planned: each with its moment, its step and its record, so that a reader can look it up.

use std::time::Duration;

use super::StepRow;
use crate::model::{StepId, Timestamp};
use crate::run::{State, StepStatus};
use crate::views::clock;
use crate::views::story::Story;

/// The kind of a deviation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// An attempt failed.
    Failed,
    /// An attempt was repeated.
    Repeated,
    /// A step was passed over by order.
    Skipped,
    /// Nobody saw the end of an attempt.
    InDoubt,
    /// An undo failed.
    UndoFailed,
    /// Steps were never reached.
    NotReached,
    /// It took longer than nine of ten times before.
    Slow,
    /// It was outside of the window.
    Window,
    /// The freeze lasted longer than the plan's worst case.
    Freeze,
    /// Something else that happened to the run.
    Event,
}

/// One deviation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Deviation {
    /// When.
    pub at: Timestamp,
    /// The record, where one says it.
    pub seq: Option<u64>,
    /// The step, where it is about one.
    pub step: Option<StepId>,
    /// The kind.
    pub kind: Kind,
    /// What it is.
    pub text: String,
}

impl Kind {
    /// The words for it; with underscores they are the name in JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Repeated => "repeated",
            Self::Skipped => "skipped",
            Self::InDoubt => "in doubt",
            Self::UndoFailed => "undo failed",
            Self::NotReached => "not reached",
            Self::Slow => "slower than usual",
            Self::Window => "outside of the window",
            Self::Freeze => "frozen longer",
            Self::Event => "event",
        }
    }
}

pub(super) fn deviations(state: &State, story: &Story, rows: &[StepRow]) -> Vec<Deviation> {
    let mut found = Vec::new();
    let of = |at, seq, step: &StepId, kind, text| Deviation { at, seq: Some(seq), step: Some(step.clone()), kind, text };
    for attempt in &story.attempts {
        let at = attempt.until.unwrap_or(attempt.from);
        if let Some(error) = &attempt.error {
            found.push(of(at, attempt.seq, &attempt.step, Kind::Failed, format!("attempt {} failed: {error}", attempt.number)));
        }
        if let Some(again) = &attempt.again {
            let text = format!("another attempt after attempt {}, {again}", attempt.number);
            found.push(of(at, attempt.seq, &attempt.step, Kind::Repeated, text));
        }
    }
    for skip in &story.skips {
        if let Some(by) = &skip.by {
            found.push(of(skip.at, skip.seq, &skip.step, Kind::Skipped, format!("passed over by {by}: {}", skip.why)));
        }
    }
    for doubt in &story.doubts {
        let resolved = match &doubt.resolved {
            Some((at, by, finding)) => format!("after {} {by} took it to be {finding}", clock::length(at.since(doubt.from))),
            None => "nobody has decided it".to_owned(),
        };
        let text = format!("{} {} in doubt: {}; {resolved}", doubt.of, doubt.attempt, doubt.reason);
        found.push(of(doubt.from, doubt.seq, &doubt.step, Kind::InDoubt, text));
    }
    for undo in story.undos.iter().filter(|undo| undo.failed) {
        let text = format!("undo {} {}", undo.number, undo.end);
        found.push(of(undo.until.unwrap_or(undo.from), undo.seq, &undo.step, Kind::UndoFailed, text));
    }
    found.extend(story.notables.iter().map(|notable| Deviation {
        at: notable.at,
        seq: Some(notable.seq),
        step: notable.step.clone(),
        kind: Kind::Event,
        text: notable.text.clone(),
    }));
    found.extend(slow(story, rows));
    found.extend(around(state, story, rows));
    found.sort_by_key(|deviation| (deviation.at, deviation.seq));
    found
}

/// Longer than the slowest tenth of what was measured, and by more than a second: less than that is noise.
fn slow<'a>(story: &'a Story, rows: &'a [StepRow]) -> impl Iterator<Item = Deviation> + 'a {
    rows.iter().filter_map(|row| {
        let (took, expected) = (row.succeeded_in?, row.expected.filter(|expected| expected.samples > 0)?);
        let (usual, slow) = (expected.usual.as_duration(), expected.slow.as_duration());
        if took <= slow + Duration::from_secs(1) {
            return None;
        }
        let text = format!(
            "took {}; usually {}, and {} in nine of ten of {} times",
            clock::length(took),
            clock::length(usual),
            clock::length(slow),
            expected.samples
        );
        let at = story.pieces.iter().rfind(|piece| piece.step == row.step).map_or(story.until, |piece| piece.until);
        Some(Deviation { at, seq: None, step: Some(row.step.clone()), kind: Kind::Slow, text })
    })
}

/// What is about the run as a whole.
fn around(state: &State, story: &Story, rows: &[StepRow]) -> Vec<Deviation> {
    let mut found = Vec::new();
    let mut say = |at, kind, text| found.push(Deviation { at, seq: None, step: None, kind, text });
    let unreached: Vec<&str> =
        rows.iter().filter(|row| row.status == StepStatus::NotReached).map(|row| row.step.as_str()).collect();
    if !unreached.is_empty() {
        say(story.until, Kind::NotReached, format!("never reached: {}", unreached.join(", ")));
    }
    if let Some(window) = &state.plan().content().window {
        if story.from < window.opens {
            let early = clock::coarse(window.opens.since(story.from));
            say(story.from, Kind::Window, format!("started {early} before the window opened"));
        }
        if story.until > window.closes {
            say(
                story.until,
                Kind::Window,
                format!("went on for {} after the window", clock::coarse(story.until.since(window.closes))),
            );
        }
    }
    for freeze in &story.freezes {
        if let (Some((from, _)), Some(took)) = (&freeze.began, freeze.took)
            && took > freeze.worst.as_duration()
        {
            let text = format!(
                "nobody could write to {} for {}; the work of the plan allows {}, and waits come on top",
                freeze.frozen,
                clock::length(took),
                clock::length(freeze.worst.as_duration())
            );
            say(*from, Kind::Freeze, text);
        }
    }
    found
}
