//! When writes were refused: from the first attempt that denies them until the other side is open, or until they were allowed
//! again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::model::{Span, StepId, Timestamp};
use crate::plan::{Fact, Plan, Section, StepIndex};
use crate::run::{Instance, Record, State, StepStatus};

/// One freeze of the plan, and what became of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Freeze {
    /// What is frozen.
    pub frozen: String,
    /// The longest that the plan gave it, without waits for people.
    pub worst: Span,
    /// The step that begins it, and the one that ends it by opening the other side, as planned.
    pub planned: (StepId, Option<StepId>),
    /// When the first attempt to deny writes began, and which step it was.
    pub began: Option<(Timestamp, StepId)>,
    /// When and how it ended.
    pub ended: Option<FreezeEnd>,
    /// How long it lasted, up to its end or up to where the record goes.
    pub took: Option<Duration>,
}

/// The end of a freeze.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FreezeEnd {
    /// When.
    pub at: Timestamp,
    /// The step.
    pub step: StepId,
    /// What that step did to it, in words.
    pub how: &'static str,
}

/// The freezes while the records are read.
#[derive(Debug)]
pub(in crate::views) struct Freezes {
    freezes: Vec<Watched>,
}

#[derive(Debug)]
struct Watched {
    freeze: Freeze,
    denies: BTreeSet<StepIndex>,
    opens: Option<StepIndex>,
    active: BTreeSet<Instance>,
}

impl Freezes {
    pub fn of(plan: &Arc<Plan>) -> Self {
        let watched = plan.freeze_times().into_iter().map(|time| {
            let denies = |at: &StepIndex| {
                let facts = plan.step(*at).facts();
                facts.iter().any(|fact| matches!(fact, Fact::WritesDenied(frozen) if *frozen == time.frozen))
            };
            let until = time.until.map(|at| plan.step(at).id.clone());
            Watched {
                denies: plan.section(Section::Forward).filter(denies).collect(),
                opens: time.until,
                active: BTreeSet::new(),
                freeze: Freeze {
                    frozen: time.frozen.clone(),
                    worst: time.work,
                    planned: (plan.step(time.from).id.clone(), until),
                    began: None,
                    ended: None,
                    took: None,
                },
            }
        });
        Self { freezes: watched.collect() }
    }

    pub fn take(&mut self, state: &State, record: &Record, moved: &[Instance]) {
        for watched in &mut self.freezes {
            for i in moved {
                watched.look(state, *i, record.at);
            }
        }
    }

    /// The freezes as far as the records were read; how long one took is known at the end.
    pub fn so_far(&self) -> impl Iterator<Item = &Freeze> {
        self.freezes.iter().map(|watched| &watched.freeze)
    }

    pub fn end(self, until: Timestamp) -> Vec<Freeze> {
        let ended = self.freezes.into_iter().map(|watched| {
            let mut freeze = watched.freeze;
            let last = freeze.ended.as_ref().map_or(until, |end| end.at);
            freeze.took = freeze.began.as_ref().map(|(from, _)| last.since(*from));
            freeze
        });
        ended.collect()
    }
}

impl Watched {
    fn look(&mut self, state: &State, i: Instance, at: Timestamp) {
        let status = state.step(i).status;
        let Some(index) = state.plan().find(&state.planned(i).id) else { return };
        if self.denies.contains(&index) && !crate::views::steps::is_group(state, i) {
            self.denying(state, i, at, status);
        }
        if self.opens == Some(index) && self.freeze.began.is_some() {
            match status {
                StepStatus::Succeeded if self.freeze.ended.is_none() => self.over(state, i, at, "opened the other side"),
                // What opened the other side is being taken back, and the old side is still closed.
                StepStatus::Undoing if !self.active.is_empty() => self.freeze.ended = None,
                _ => {}
            }
        }
    }

    fn denying(&mut self, state: &State, i: Instance, at: Timestamp, status: StepStatus) {
        match status {
            StepStatus::Running => {
                self.active.insert(i);
                if self.freeze.began.is_none() {
                    self.freeze.began = Some((at, state.id(i).clone()));
                }
            }
            StepStatus::Undone if self.active.remove(&i) && self.active.is_empty() && self.freeze.ended.is_none() => {
                self.over(state, i, at, "was undone: writes are allowed again");
            }
            StepStatus::Failed | StepStatus::Rejected | StepStatus::Skipped
                if !state.step(i).touched && self.active.remove(&i) && self.active.is_empty() && self.freeze.ended.is_none() =>
            {
                self.over(state, i, at, "ended and had changed nothing");
            }
            _ => {}
        }
    }

    fn over(&mut self, state: &State, i: Instance, at: Timestamp, how: &'static str) {
        self.freeze.ended = Some(FreezeEnd { at, step: state.id(i).clone(), how });
    }
}
