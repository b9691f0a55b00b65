//! Two runs side by side: a rehearsal and the night, or this time and last time. What differed in the plan, the ends, the lengths,
//! the decisions and the attempts.

mod json;
mod text;

pub use json::json;
pub use text::text;

use std::collections::HashMap;
use std::time::Duration;

use super::story::{Cost, Decision, Story, What, end};
use super::{rehearsed, steps};
use crate::model::{RunId, StepId, Timestamp};
use crate::plan::difference;
use crate::run::{Record, State, StepStatus};

/// One of the two runs.
#[derive(Clone, Debug)]
pub struct Side {
    /// The run.
    pub run: RunId,
    /// When it started.
    pub started: Timestamp,
    /// How it ended, or where it is.
    pub end: &'static str,
    /// Why it turned back, if it did.
    pub because: Option<String>,
    /// Under which profile it ran, if it is a rehearsal.
    pub kind: Option<String>,
    /// How long it took.
    pub took: Duration,
    /// The digest of its plan.
    pub plan: String,
    state: State,
    story: Story,
}

/// One thing in both runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Both<T> {
    /// In the first run.
    pub a: T,
    /// In the second.
    pub b: T,
}

/// One step in both runs; none where a run does not have it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StepDiff {
    /// The step.
    pub step: StepId,
    /// How it ended.
    pub status: Both<Option<StepStatus>>,
    /// How long it took.
    pub took: Both<Option<Duration>>,
    /// How many attempts it had.
    pub attempts: Both<u32>,
}

/// What persons decided at one place, where it was not the same.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DecisionDiff {
    /// The step; none for the run.
    pub step: Option<StepId>,
    /// What was decided, in order.
    pub decided: Both<Vec<String>>,
}

/// What differed between two runs.
#[derive(Clone, Debug)]
pub struct Diff {
    /// The first run.
    pub a: Side,
    /// The second.
    pub b: Side,
    /// What the second plan does otherwise.
    pub plan: Vec<String>,
    /// Every step of both.
    pub steps: Vec<StepDiff>,
    /// The decisions that differ.
    pub decisions: Vec<DecisionDiff>,
    /// Where the time went.
    pub costs: Vec<(Cost, Both<Duration>)>,
}

impl Side {
    /// A run as far as its records go; none without a first record.
    pub fn of(state: &State, records: &[Record]) -> Option<Self> {
        let story = Story::of(state.plan(), records, records.last()?.at);
        Some(Self {
            run: state.run()?.clone(),
            started: state.started()?,
            end: end::word(state),
            because: end::because(state, &story),
            kind: rehearsed::mark(state.plan()),
            took: story.took(),
            plan: state.plan().digest().to_string(),
            state: state.clone(),
            story,
        })
    }
}

impl StepDiff {
    /// Whether it ended otherwise, or took another number of attempts.
    pub fn ended_otherwise(&self) -> bool {
        self.status.a != self.status.b || self.attempts.a != self.attempts.b
    }

    /// Whether it took clearly longer or shorter: by a fifth and by more than a second. Less than that is noise.
    pub fn took_otherwise(&self) -> bool {
        let (Some(a), Some(b)) = (self.took.a, self.took.b) else { return false };
        let apart = a.abs_diff(b);
        apart > Duration::from_secs(1) && apart * 5 > a.max(b)
    }
}

impl Diff {
    /// What differed between `a` and `b`.
    pub fn of(a: Side, b: Side) -> Self {
        let plan = if a.plan == b.plan { Vec::new() } else { difference(a.state.plan().content(), b.state.plan().content()) };
        let steps = both_steps(&a, &b);
        let decisions = both_decisions(&a, &b);
        let costs = Cost::ALL.into_iter().map(|cost| (cost, Both { a: a.story.costs.part(cost), b: b.story.costs.part(cost) }));
        let costs = costs.filter(|(_, both)| !both.a.is_zero() || !both.b.is_zero()).collect();
        Self { a, b, plan, steps, decisions, costs }
    }
}

fn both_steps(a: &Side, b: &Side) -> Vec<StepDiff> {
    let (in_a, in_b) = (of_side(a), of_side(b));
    let gone = in_b.0.iter().filter(|id| !in_a.1.contains_key(*id));
    let all = in_a.0.iter().chain(gone);
    all.map(|id| {
        let (x, y) = (in_a.1.get(id), in_b.1.get(id));
        StepDiff {
            step: id.clone(),
            status: Both { a: x.map(|found| found.0), b: y.map(|found| found.0) },
            took: Both { a: x.and_then(|found| found.1), b: y.and_then(|found| found.1) },
            attempts: Both { a: x.map_or(0, |found| found.2), b: y.map_or(0, |found| found.2) },
        }
    })
    .collect()
}

type Steps = (Vec<StepId>, HashMap<StepId, (StepStatus, Option<Duration>, u32)>);

/// The steps of a run in order, and how each of them went.
fn of_side(side: &Side) -> Steps {
    let (lengths, attempts) = (side.story.lengths(&side.state), side.story.attempts_of());
    let shown = steps::sections(&side.state).into_iter().flat_map(|(section, _)| steps::of_section(&side.state, section));
    let mut found = (Vec::new(), HashMap::new());
    for i in shown {
        let id = side.state.id(i);
        found.0.push(id.clone());
        let attempts = attempts.get(id).copied().unwrap_or(0);
        found.1.insert(id.clone(), (side.state.step(i).status, lengths.get(id).copied(), attempts));
    }
    found
}

fn both_decisions(a: &Side, b: &Side) -> Vec<DecisionDiff> {
    let mut found: Vec<DecisionDiff> = Vec::new();
    let decisions = [(a, 0), (b, 1)].into_iter().flat_map(|(side, at)| side.story.decisions.iter().map(move |d| (d, at)));
    for (decision, at) in decisions.filter(|(decision, _)| decision.what != What::Started) {
        let place = found.iter().position(|diff| diff.step == decision.step).unwrap_or_else(|| {
            let decided = Both { a: Vec::new(), b: Vec::new() };
            found.push(DecisionDiff { step: decision.step.clone(), decided });
            found.len() - 1
        });
        let decided = &mut found[place].decided;
        let list = if at == 0 { &mut decided.a } else { &mut decided.b };
        list.push(said(decision));
    }
    found.retain(|diff| diff.decided.a != diff.decided.b);
    found
}

fn said(decision: &Decision) -> String {
    let words = if decision.said.is_empty() { String::new() } else { format!(": {}", decision.said) };
    let about = match decision.what {
        What::Resolved | What::WasRefused => format!(" ({})", decision.about),
        What::Started
        | What::Approved
        | What::Withdrew
        | What::Rejected
        | What::BrokeGlass
        | What::Answered
        | What::Confirmed
        | What::Retried
        | What::Skipped
        | What::Paused
        | What::Continued
        | What::TurnedBack
        | What::Aborted
        | What::TookUp => String::new(),
    };
    format!("{} {}{about}{words}", decision.by.name(), decision.what.word())
}
