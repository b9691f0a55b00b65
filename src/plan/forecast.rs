//! When a plan is expected to be done, from how long its steps took before; the waiting of persons apart.

use super::history::Took;
use super::{History, Plan, Section, StepIndex, StepKind, Wait};
use crate::model::Span;

/// What is expected of the forward section, or of what is left of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Forecast {
    /// The work, when every step takes its median.
    pub usual: Span,
    /// The work, when every step is as slow as one time in ten.
    pub slow: Span,
    /// The steps that decide `usual`, in order.
    pub path: Vec<StepIndex>,
    /// By how much a step that is not on the path may be late before it decides.
    pub slack: Vec<(StepIndex, Span)>,
    /// The persons that are waited for, and how long they usually take, where that is known.
    pub people: Vec<(StepIndex, Option<Span>)>,
    /// How many steps were measured, of all that work.
    pub measured: (usize, usize),
}

impl Plan {
    /// The forecast from `history`; `left` says what is left of a step that usually takes so long.
    pub fn forecast(&self, history: &History, left: impl Fn(StepIndex, Span) -> Span) -> Forecast {
        let usual = self.chain(|at| left(at, self.expected(history, at, 50)));
        let slow = self.chain(|at| left(at, self.expected(history, at, 90)));
        let forward = || self.section(Section::Forward);
        let works = |at: &StepIndex| matches!(self.step(*at).kind, StepKind::Action) && self.step(*at).wait.is_none();
        let measured = |at: &StepIndex| !history.samples(Took::Work, &self.step(*at).id).is_empty();
        let asks = forward().filter(|at| matches!(self.step(*at).wait, Some(Wait::Approval { .. } | Wait::Manual { .. })));
        let open = asks.filter(|at| left(*at, Span::from_millis(1)).as_millis() > 0);
        Forecast {
            usual: Span::from_millis(usual.whole),
            slow: Span::from_millis(slow.whole),
            slack: usual.slack(self),
            path: usual.path,
            people: open.map(|at| (at, history.quantile(Took::People, &self.step(at).id, 50))).collect(),
            measured: (forward().filter(works).filter(measured).count(), forward().filter(works).count()),
        }
    }

    /// When each forward step is expected to begin and to end, counted from the start of the run: every step takes its median,
    /// and persons what they usually take, where that is known.
    pub fn schedule(&self, history: &History) -> Vec<(StepIndex, Span, Span)> {
        let people = |at: StepIndex| match self.step(at).wait {
            Some(Wait::Approval { .. } | Wait::Manual { .. }) => history.quantile(Took::People, &self.step(at).id, 50),
            Some(Wait::Hold { .. } | Wait::Window) | None => None,
        };
        let chain = self.chain(|at| people(at).unwrap_or_else(|| self.expected(history, at, 50)));
        let forward = self.section(Section::Forward).map(|at| {
            let (takes, finish) = (chain.takes[at.get()], chain.finish[at.get()]);
            (at, Span::from_millis(finish.saturating_sub(takes)), Span::from_millis(finish))
        });
        forward.collect()
    }

    /// How long one step is expected to take.
    pub(super) fn expected(&self, history: &History, at: StepIndex, percent: usize) -> Span {
        let step = self.step(at);
        match (&step.kind, &step.wait) {
            (StepKind::Group { .. } | StepKind::Undo(_), _) => Span::default(),
            (_, Some(Wait::Hold { duration })) => *duration,
            (_, Some(Wait::Approval { .. } | Wait::Manual { .. } | Wait::Window)) => Span::default(),
            (_, None) => history.quantile(Took::Work, &step.id, percent).unwrap_or_else(|| step.usual()),
        }
    }

    /// The longest chain through the forward section.
    pub(super) fn chain(&self, takes: impl Fn(StepIndex) -> Span) -> Chain {
        let count = self.steps().len();
        let mut chain =
            Chain { takes: vec![0; count], finish: vec![0; count], before: vec![None; count], whole: 0, path: Vec::new() };
        let mut last = None;
        for at in self.section(Section::Forward) {
            let latest = self.step(at).needs.iter().copied().max_by_key(|need| chain.finish[need.get()]);
            let start = latest.map_or(0, |need| chain.finish[need.get()]);
            chain.takes[at.get()] = takes(at).as_millis();
            chain.finish[at.get()] = start.saturating_add(chain.takes[at.get()]);
            chain.before[at.get()] = latest;
            if last.is_none() || chain.finish[at.get()] > chain.whole {
                (last, chain.whole) = (Some(at), chain.finish[at.get()]);
            }
        }
        while let Some(at) = last {
            chain.path.push(at);
            last = chain.before[at.get()];
        }
        chain.path.reverse();
        chain.path.retain(|at| chain.takes[at.get()] > 0);
        chain
    }
}

/// When each step of the forward section is over, counted from its start.
pub(super) struct Chain {
    pub takes: Vec<u64>,
    pub finish: Vec<u64>,
    before: Vec<Option<StepIndex>>,
    pub whole: u64,
    path: Vec<StepIndex>,
}

impl Chain {
    /// The latest finish of each step that delays nothing, less its finish.
    fn slack(&self, plan: &Plan) -> Vec<(StepIndex, Span)> {
        let mut latest = vec![self.whole; self.finish.len()];
        let mut found = Vec::new();
        let forward: Vec<StepIndex> = plan.section(Section::Forward).collect();
        for at in forward.iter().rev() {
            for dependent in plan.dependents(*at).iter().filter(|d| plan.step(**d).section == Section::Forward) {
                let begins = latest[dependent.get()].saturating_sub(self.takes[dependent.get()]);
                latest[at.get()] = latest[at.get()].min(begins);
            }
            let slack = latest[at.get()].saturating_sub(self.finish[at.get()]);
            if slack > 0 && self.takes[at.get()] > 0 {
                found.push((*at, Span::from_millis(slack)));
            }
        }
        found.reverse();
        found
    }
}
