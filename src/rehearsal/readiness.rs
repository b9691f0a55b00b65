//! What a rehearsal found: every failure point and where the run ended, the ways back, the people, the time, and where it lies.

use std::collections::BTreeMap;

use super::crew::Need;
use super::end::{End, Side};
use super::trouble::{Remedy, Trouble};
use crate::model::{Digest, RunOutcome, StepId};

/// The report of one rehearsal.
#[derive(Clone, Debug)]
pub struct Readiness {
    /// The runbook's name.
    pub runbook: String,
    /// The digest of the plan.
    pub plan: Digest,
    /// The digest of the plan without its targets and the place of its file.
    pub rehearsed: Digest,
    /// The night in which nothing goes wrong but what was asked for everywhere.
    pub quiet: Performed,
    /// What was asked to go wrong in every night.
    pub always: Vec<Trouble>,
    /// Nights with one trouble each.
    pub points: Vec<Point>,
    /// Nights in which an undo failed.
    pub undo_points: Vec<Point>,
    /// Nights in which the executor died.
    pub crashes: Vec<Crashes>,
    /// Nights that were drawn.
    pub drawn: Option<Drawn>,
    /// When the night ends, from nights in which only lengths were drawn: sorted, in milliseconds.
    pub finishes: Vec<u64>,
    /// How long nobody could write in those nights, sorted, in milliseconds.
    pub frozen: Vec<u64>,
    /// How often each undo was exercised, by step; zero for one that no night reached.
    pub undos: BTreeMap<StepId, u64>,
    /// How many different ways back there were.
    pub ways_back: usize,
    /// The actions that were modelled, and in which steps.
    pub modelled: BTreeMap<String, Vec<StepId>>,
    /// Steps whose time is a default, because nothing was ever measured.
    pub unmeasured: Vec<StepId>,
    /// From how many real runs the lengths are.
    pub measured_runs: usize,
    /// What this rehearsal cannot say.
    pub unproven: Vec<String>,
    /// How many nights were simulated.
    pub nights: u64,
    /// How long they were together, in virtual milliseconds.
    pub virtual_ms: u64,
}

/// A night with one trouble.
#[derive(Clone, Debug)]
pub struct Point {
    /// The trouble.
    pub trouble: Trouble,
    /// Another trouble that brings the run to where this one can happen.
    pub behind: Option<Trouble>,
    /// What came of it.
    pub night: Performed,
}

/// One night.
#[derive(Clone, Debug)]
pub struct Performed {
    /// How it ended.
    pub end: End,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// How long nobody could write to the old side, in milliseconds.
    pub frozen_ms: Option<u64>,
    /// Turns of the state machine.
    pub turns: u32,
    /// Operations of the disk.
    pub operations: u64,
    /// How often a trouble really happened.
    pub struck: u64,
    /// Who was needed, in order.
    pub needs: Vec<Need>,
    /// The steps that were undone, in order.
    pub undone: Vec<StepId>,
    /// Each step that began: when it began and ended, in milliseconds since the start.
    pub steps: Vec<(StepId, u64, Option<u64>)>,
}

/// The nights in which the executor died, at every moment of one story.
#[derive(Clone, Debug)]
pub struct Crashes {
    /// What else went wrong.
    pub along: Option<Trouble>,
    /// How many nights.
    pub nights: u64,
    /// How many ended on the old side, whole.
    pub old: u64,
    /// How many ended on the new side, whole.
    pub new: u64,
    /// Those that ended otherwise.
    pub findings: Vec<(Trouble, End)>,
}

/// Nights drawn from seeds.
#[derive(Clone, Debug, Default)]
pub struct Drawn {
    /// How many.
    pub nights: u64,
    /// How many ended on the old side, whole.
    pub old: u64,
    /// How many ended on the new side, whole.
    pub new: u64,
    /// Those that ended otherwise: the seed, what went wrong, and the end.
    pub findings: Vec<(u64, Vec<Trouble>, End)>,
}

/// Something that somebody has to look at before the night.
#[derive(Clone, Debug)]
pub struct Finding<'a> {
    /// What went wrong, in order.
    pub troubles: Vec<&'a Trouble>,
    /// The seed, of a drawn night.
    pub seed: Option<u64>,
    /// How it ended.
    pub end: &'a End,
}

impl Readiness {
    /// Everything that did not end with one side whole.
    pub fn findings(&self) -> Vec<Finding<'_>> {
        let always = || self.always.iter();
        let mut found = Vec::new();
        if self.quiet.end.is_finding() {
            found.push(Finding { troubles: always().collect(), seed: None, end: &self.quiet.end });
        }
        for point in self.points.iter().chain(&self.undo_points).filter(|point| point.is_finding()) {
            let troubles = always().chain(&point.behind).chain([&point.trouble]).collect();
            found.push(Finding { troubles, seed: None, end: &point.night.end });
        }
        for crashes in &self.crashes {
            for (crash, end) in &crashes.findings {
                found.push(Finding { troubles: always().chain(&crashes.along).chain([crash]).collect(), seed: None, end });
            }
        }
        for (seed, troubles, end) in self.drawn.iter().flat_map(|drawn| &drawn.findings) {
            found.push(Finding { troubles: always().chain(troubles).collect(), seed: Some(*seed), end });
        }
        found
    }
}

impl Point {
    /// Whether people gave an undo up in it.
    pub const fn is_given_up(&self) -> bool {
        matches!(self.trouble, Trouble::UndoFails(_, Remedy::GivenUp))
    }

    /// Whether somebody has to look at this before the night. An undo that is given up leaves something behind by what it is: the
    /// run has to say so, and to end as one that needs attention.
    pub fn is_finding(&self) -> bool {
        let end = &self.night.end;
        if self.is_given_up() && self.night.struck > 0 {
            return end.outcome != Some(RunOutcome::NeedsAttention) || !end.broken.is_empty();
        }
        end.is_finding()
    }
}

impl Crashes {
    pub(super) fn new(along: Option<Trouble>) -> Self {
        Self { along, nights: 0, old: 0, new: 0, findings: Vec::new() }
    }

    pub(super) fn add(&mut self, crash: Trouble, end: End) {
        self.nights += 1;
        match end.side {
            _ if end.is_finding() => self.findings.push((crash, end)),
            Side::Old => self.old += 1,
            Side::New => self.new += 1,
            Side::Neither(_) => {}
        }
    }
}

impl Drawn {
    pub(super) fn add(&mut self, seed: u64, troubles: Vec<Trouble>, end: End) {
        self.nights += 1;
        match end.side {
            _ if end.is_finding() => self.findings.push((seed, troubles, end)),
            Side::Old => self.old += 1,
            Side::New => self.new += 1,
            Side::Neither(_) => {}
        }
    }
}
