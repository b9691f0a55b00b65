//! One row per step: how it ended, how long it took, how long it was expected to take, and how long it took beside.

use std::collections::HashMap;
use std::time::Duration;

use super::Beside;
use crate::model::{Span, StepId};
use crate::plan::{History, PlannedStep, Section, Took, Wait};
use crate::run::{Instance, State, StepStatus};
use crate::views::steps;
use crate::views::story::Story;

/// How long a step was expected to take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Expected {
    /// The median, or the default where nothing was measured.
    pub usual: Span,
    /// What nine of ten do not exceed.
    pub slow: Span,
    /// How many times it was measured; 0 is a default.
    pub samples: usize,
}

/// A step of the report.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StepRow {
    /// The instance.
    pub instance: Instance,
    /// The step.
    pub step: StepId,
    /// The part of the runbook.
    pub section: Section,
    /// Whether it only stands for others.
    pub stands_for: Option<usize>,
    /// Whether it is an item of a group.
    pub is_item: bool,
    /// The action.
    pub action: String,
    /// The target.
    pub target: Option<String>,
    /// The status at the end.
    pub status: StepStatus,
    /// How many attempts it had.
    pub attempts: u32,
    /// How long its attempts took together, or how long it waited.
    pub took: Option<Duration>,
    /// How long the attempt took that succeeded.
    pub succeeded_in: Option<Duration>,
    /// What was expected.
    pub expected: Option<Expected>,
    /// When it was expected to begin and end, counted from the start of the run.
    pub scheduled: Option<(Span, Span)>,
    /// How long it took in the run beside.
    pub beside: Option<Duration>,
    /// The last error or reason.
    pub error: Option<String>,
}

pub(super) fn rows(state: &State, story: &Story, history: &History, beside: Option<&Beside>) -> Vec<StepRow> {
    let schedule: HashMap<Instance, (Span, Span)> =
        state.plan().schedule(history).into_iter().map(|(at, from, until)| (Instance::of(at), (from, until))).collect();
    let lengths = story.lengths(state);
    let there = beside.map(|beside| beside.story.lengths(&beside.state));
    let succeeded: HashMap<&StepId, Duration> =
        story.pieces.iter().filter(|piece| piece.is_success()).map(|piece| (&piece.step, piece.took)).collect();
    let attempts = story.attempts_of();
    let mut rows = Vec::new();
    for (section, _) in steps::sections(state) {
        for i in steps::of_section(state, section) {
            let (planned, step, id) = (state.planned(i), state.step(i), state.id(i));
            let is_group = steps::is_group(state, i);
            rows.push(StepRow {
                instance: i,
                step: id.clone(),
                section,
                stands_for: is_group.then(|| state.children(i).len()),
                is_item: state.group(i).is_some(),
                action: planned.action.clone(),
                target: planned.target.as_ref().map(ToString::to_string),
                status: step.status,
                attempts: attempts.get(id).copied().unwrap_or(0),
                took: lengths.get(id).copied(),
                succeeded_in: succeeded.get(id).copied(),
                expected: if is_group { None } else { expected(planned, history) },
                scheduled: schedule.get(&i).copied(),
                beside: there.as_ref().and_then(|there| there.get(id).copied()),
                error: step.error().map(str::to_owned),
            });
        }
    }
    rows
}

fn expected(planned: &PlannedStep, history: &History) -> Option<Expected> {
    let sort = match &planned.wait {
        Some(Wait::Approval { .. } | Wait::Manual { .. }) => Took::People,
        Some(Wait::Hold { duration }) => return Some(Expected { usual: *duration, slow: *duration, samples: 0 }),
        Some(Wait::Window) => return None,
        None => Took::Work,
    };
    let samples = history.samples(sort, &planned.id).len();
    let at = |percent| history.quantile(sort, &planned.id, percent);
    match (at(50), at(90), sort) {
        (Some(usual), Some(slow), _) => Some(Expected { usual, slow, samples }),
        (_, _, Took::Work | Took::Undo) => Some(Expected { usual: planned.usual(), slow: planned.usual(), samples: 0 }),
        (_, _, Took::People) => None,
    }
}
