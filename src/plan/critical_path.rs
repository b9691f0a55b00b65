//! The longest way through the forward section, in the worst case. Waits for persons and clocks are counted apart.
//!
//! Worst case means: every attempt takes its whole timeout, and every retry that is allowed is needed. Steps never wait for a
//! free place, except the items of a `foreach`, which run in as many rounds as `max_concurrent` makes of them.

use super::{Plan, PlannedStep, Section, StepIndex, StepKind, Wait};
use crate::model::Span;

/// The way that decides how long the forward section takes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CriticalPath {
    /// The steps on it, in order.
    pub steps: Vec<StepIndex>,
    /// The work on it, in the worst case.
    pub work: Span,
    /// The waits of the forward section, on the path or not: nobody knows how long persons take.
    pub waits: Vec<Waiting>,
    /// Steps whose number of items only the run knows; each counts as one item.
    pub open: Vec<StepIndex>,
}

/// A wait and how long it may take, where it says so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Waiting {
    /// The step.
    pub step: StepIndex,
    /// Its duration or deadline.
    pub limit: Option<Span>,
}

impl Plan {
    /// The critical path of the forward section.
    pub fn critical_path(&self) -> CriticalPath {
        let included: Vec<bool> = self.steps().iter().map(|step| step.section == Section::Forward).collect();
        let timeline = Timeline::new(self, &included);
        let last = timeline.latest(self.section(Section::Forward));
        CriticalPath {
            steps: last.map(|last| timeline.path_to(last)).unwrap_or_default(),
            work: last.map_or(Span::default(), |last| timeline.finish(last)),
            waits: waits(self, &included),
            open: open(self, &included),
        }
    }
}

impl PlannedStep {
    /// The longest time that the work of this step can take: all attempts with their pauses. A wait is no work.
    pub fn worst_case(&self) -> Span {
        let is_work = match &self.kind {
            StepKind::Action | StepKind::Spread { .. } => self.wait.is_none(),
            StepKind::Group { .. } => false,
            StepKind::Undo(_) => true,
        };
        if !is_work {
            return Span::default();
        }
        let attempts = u64::from(self.retry.max_attempts.max(1));
        let timeout = self.timeout.as_millis();
        // The pauses double: b, 2b, 4b, … which sums to b × (2^(attempts − 1) − 1).
        let doubled = u32::try_from(attempts - 1).ok().and_then(|shift| 1_u64.checked_shl(shift)).unwrap_or(u64::MAX);
        let pauses = self.retry.backoff.as_millis().saturating_mul(doubled - 1);
        let all = timeout.saturating_mul(attempts).saturating_add(pauses);
        let limit = self.retry.max_elapsed.map_or(u64::MAX, |elapsed| elapsed.as_millis().saturating_add(timeout));
        Span::from_millis(all.min(limit))
    }
}

/// When each step ends at the latest, counted from the start of the first.
pub(super) struct Timeline {
    finish: Vec<u64>,
    comes_after: Vec<Option<StepIndex>>,
}

impl Timeline {
    /// The times of the included steps. What they need outside of them counts as over.
    pub fn new(plan: &Plan, included: &[bool]) -> Self {
        let count = plan.steps().len();
        let mut line = Self { finish: vec![0; count], comes_after: vec![None; count] };
        for (at, step) in plan.steps().iter().enumerate() {
            if !included[at] {
                continue;
            }
            let needs = step.needs.iter().copied().filter(|need| included[need.get()]);
            let latest = line.latest(needs);
            let start = latest.map_or(0, |need| line.finish[need.get()]);
            line.comes_after[at] = latest;
            line.finish[at] = match step.kind {
                StepKind::Group { max_concurrent } => start.max(line.rounds(plan, step, max_concurrent)),
                StepKind::Action | StepKind::Spread { .. } | StepKind::Undo(_) => {
                    start.saturating_add(step.worst_case().as_millis())
                }
            };
        }
        line
    }

    /// When the items of a group are over if only some of them may run at the same time.
    fn rounds(&self, plan: &Plan, group: &PlannedStep, max_concurrent: u32) -> u64 {
        let items = || group.needs.iter().map(|need| (need, plan.step(*need)));
        let longest = items().map(|(_, item)| item.worst_case().as_millis()).max().unwrap_or(0);
        let start =
            items().map(|(at, item)| self.finish[at.get()].saturating_sub(item.worst_case().as_millis())).min().unwrap_or(0);
        let rounds = (group.needs.len() as u64).div_ceil(u64::from(max_concurrent.max(1)));
        start.saturating_add(longest.saturating_mul(rounds))
    }

    /// The step that ends last; the first of those that end together.
    pub fn latest(&self, steps: impl Iterator<Item = StepIndex>) -> Option<StepIndex> {
        steps.fold(None, |latest: Option<StepIndex>, step| match latest {
            Some(found) if self.finish[found.get()] >= self.finish[step.get()] => Some(found),
            _ => Some(step),
        })
    }

    pub fn finish(&self, step: StepIndex) -> Span {
        Span::from_millis(self.finish[step.get()])
    }

    /// The steps that decide when `last` ends, in order.
    pub fn path_to(&self, last: StepIndex) -> Vec<StepIndex> {
        let mut path = vec![last];
        while let Some(before) = self.comes_after[path[path.len() - 1].get()] {
            path.push(before);
        }
        path.reverse();
        path
    }
}

/// The waits among the included steps.
pub(super) fn waits(plan: &Plan, included: &[bool]) -> Vec<Waiting> {
    let steps = plan.steps().iter().enumerate().filter(|(at, _)| included[*at]);
    let waits = steps.filter_map(|(at, step)| {
        let limit = match step.wait.as_ref()? {
            Wait::Approval { deadline, .. } | Wait::Manual { deadline, .. } => *deadline,
            Wait::Hold { duration } => Some(*duration),
            Wait::Window => None,
        };
        Some(Waiting { step: StepIndex::new(at), limit })
    });
    waits.collect()
}

/// The included steps whose number of items only the run knows.
pub(super) fn open(plan: &Plan, included: &[bool]) -> Vec<StepIndex> {
    let steps =
        plan.steps().iter().enumerate().filter(|(at, step)| included[*at] && matches!(step.kind, StepKind::Spread { .. }));
    steps.map(|(at, _)| StepIndex::new(at)).collect()
}
