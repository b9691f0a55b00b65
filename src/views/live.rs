//! The frame of the live view: the same heading, rows and questions as the status, fitted to the lines that there are.
//!
//! It is drawn again and again, so it stays calm: rows keep their order and their columns, and what is long past folds up.

use super::status::{awaited, heading};
use super::steps::{self, Widths};
use super::{Invocation, Line, Tone};
use crate::model::Timestamp;
use crate::run::{Instance, State, StepStatus};

/// What the executor is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mood {
    /// It drives the run.
    Driving,
    /// It was asked to let go, and waits for the work under way.
    Suspending,
}

impl Mood {
    /// What Ctrl-C does now.
    pub fn line(self) -> Line {
        match self {
            Self::Driving => Line::toned(Tone::Faint, "Ctrl-C suspends the run in good order; it can be resumed."),
            Self::Suspending => Line::toned(
                Tone::Wait,
                "Suspending: nothing new starts, work under way finishes. Ctrl-C again leaves it in doubt.",
            ),
        }
    }
}

/// The frame, at most `height` lines.
pub fn frame(state: &State, now: Timestamp, height: usize, mood: Mood, how: &Invocation) -> Vec<Line> {
    let head = vec![heading(state, now)];
    let mut tail = awaited(state, now, how);
    tail.push(Line::new());
    tail.push(mood.line());
    let room = height.saturating_sub(head.len() + tail.len() + 1);
    let rows = rows(state, now, room.max(3));
    let mut lines = head;
    lines.push(Line::new());
    lines.extend(rows);
    lines.extend(tail);
    if lines.len() > height {
        // The questions matter most, and the newest of them are asked last: what does not fit is cut from the rows above.
        let cut = lines.len() - height;
        lines.drain(1..=cut.min(lines.len().saturating_sub(2)));
    }
    lines
}

/// The height that a frame of this plan would like to have.
pub fn wished_height(state: &State) -> usize {
    let steps: usize = steps::sections(state).iter().map(|(section, _)| steps::of_section(state, *section).len()).sum();
    steps.saturating_add(14)
}

fn rows(state: &State, now: Timestamp, room: usize) -> Vec<Line> {
    let all: Vec<Instance> = steps::sections(state).iter().flat_map(|(section, _)| steps::of_section(state, *section)).collect();
    let (first, count) = fit(state, &all, room);
    let widths = Widths::of(state, &all).steady();
    let mut lines = Vec::new();
    lines.extend(folded(state, &all[..first]));
    lines.extend(all[first..first + count].iter().map(|i| widths.row(state, *i, now)));
    lines.extend(folded(state, &all[first + count..]));
    lines
}

/// One stretch of rows that holds what matters now, as long as the room allows: from the first step that is not over on.
pub(super) fn fit(state: &State, all: &[Instance], room: usize) -> (usize, usize) {
    if all.len() <= room {
        return (0, all.len());
    }
    let room = room.saturating_sub(2).max(1);
    let is_busy = |i: &Instance| {
        let status = state.step(*i).status;
        !matches!(
            status,
            StepStatus::Pending | StepStatus::Succeeded | StepStatus::Skipped | StepStatus::NotReached | StepStatus::Undone
        )
    };
    let first = all.iter().position(is_busy).or_else(|| all.iter().position(|i| state.step(*i).status == StepStatus::Pending));
    let start = first.unwrap_or(all.len()).saturating_sub(room / 3).min(all.len() - room);
    // A single hidden row takes as much room as the line that would stand for it.
    let (start, room) = if start == 1 { (0, room + 1) } else { (start, room) };
    let room = if start + room + 1 == all.len() { room + 1 } else { room };
    (start, room)
}

/// `… 12 succeeded, 3 skipped`
pub(super) fn folded(state: &State, hidden: &[Instance]) -> Option<Line> {
    if hidden.is_empty() {
        return None;
    }
    Some(Line::toned(Tone::Faint, format!("  … {}", counted(state, hidden))))
}

/// `12 succeeded, 3 skipped`
pub(super) fn counted(state: &State, instances: &[Instance]) -> String {
    let parts: Vec<String> = StepStatus::ALL
        .into_iter()
        .filter_map(|status| match instances.iter().filter(|i| state.step(**i).status == status).count() {
            0 => None,
            count => Some(format!("{count} {status}")),
        })
        .collect();
    parts.join(", ")
}
