//! Runs that are over and are told again: their records kept in memory for a while, and folded up to whatever record is asked
//! for, by the same views as the night screen of a run that goes on.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::json;

use super::problem::Problem;
use crate::engine::{EngineError, Follow, Home, history};
use crate::model::{RunId, Timestamp, Value};
use crate::plan::History;
use crate::run::{Record, State};
use crate::views::Invocation;
use crate::views::night::{Night, replay};
use crate::views::screen::due;
use crate::views::status::Life;

/// How many runs are kept: those that were asked for last.
const KEPT: usize = 3;

/// The runs that are told again.
#[derive(Debug)]
pub struct Tapes {
    home: Home,
    how: Invocation,
    kept: Mutex<VecDeque<Arc<Tape>>>,
}

/// One run that is told again.
#[derive(Debug)]
pub struct Tape {
    run: RunId,
    how: Invocation,
    history: History,
    reel: Mutex<Reel>,
}

#[derive(Debug)]
struct Reel {
    follow: Follow,
    records: Vec<Record>,
    /// When each record is due.
    due: Vec<Timestamp>,
    /// The run as it was behind the record that was asked for last: most who ask go on from there.
    played: State,
}

impl Tapes {
    /// Keeps nothing yet.
    pub fn new(home: Home, how: Invocation) -> Self {
        Self { home, how, kept: Mutex::default() }
    }

    /// The tape of a run. Reads its journal, so it is to be called where waiting is allowed.
    ///
    /// # Errors
    /// When the run cannot be read, or is not over.
    pub fn of(&self, run: &RunId) -> Result<Arc<Tape>, Problem> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let tape = match kept.iter().position(|tape| tape.run == *run).and_then(|at| kept.remove(at)) {
            Some(tape) => tape,
            None => Arc::new(Tape::open(&self.home, run, &self.how)?),
        };
        kept.push_front(tape.clone());
        kept.truncate(KEPT);
        drop(kept);
        tape.reel().catch_up()?;
        Ok(tape)
    }
}

impl Tape {
    fn open(home: &Home, run: &RunId, how: &Invocation) -> Result<Self, Problem> {
        let follow = Follow::open(home, run)?;
        let plan = follow.state().plan().clone();
        let history = history(home, &plan.content().runbook, Some(run)).unwrap_or_default();
        let reel = Reel { played: State::new(plan), follow, records: Vec::new(), due: Vec::new() };
        Ok(Self { run: run.clone(), how: how.clone(), history, reel: Mutex::new(reel) })
    }

    /// How the night goes, and its beginning as the night screen shows it.
    ///
    /// # Errors
    /// When the records do not follow each other.
    pub fn whole(&self) -> Result<Value, Problem> {
        let mut reel = self.reel();
        reel.play(1)?;
        let mut told = replay(reel.played.plan(), &reel.records);
        told["night"] = self.night(&reel).snapshot(&reel.records[..reel.shown()]);
        Ok(told)
    }

    /// The run as it was behind record `seq`. Whoever has it as it was behind an earlier one, `since`, gets only what changed.
    ///
    /// # Errors
    /// When there is no such record.
    pub fn at(&self, seq: u64, since: Option<u64>) -> Result<Value, Problem> {
        let mut reel = self.reel();
        reel.play(seq)?;
        let since = since.filter(|since| (1..=seq).contains(since));
        let (shown, night) = (reel.shown(), self.night(&reel));
        let mut told = match since.and_then(|since| usize::try_from(since).ok()) {
            Some(since) => night.patch(&reel.records[since.min(shown)..shown]),
            None => night.moment(&reel.records[..shown]),
        };
        told["since"] = json!(since);
        Ok(told)
    }

    fn night<'a>(&'a self, reel: &'a Reel) -> Night<'a> {
        let now = reel.shown().checked_sub(1).map_or_else(Timestamp::default, |last| reel.due[last]);
        Night { state: &reel.played, life: Life::Past, history: &self.history, now, how: &self.how }
    }

    fn reel(&self) -> MutexGuard<'_, Reel> {
        self.reel.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reel {
    /// Reads what came since: somebody may have taken the run up again.
    fn catch_up(&mut self) -> Result<(), Problem> {
        let fresh = self.follow.poll()?;
        if fresh.first().is_some_and(|first| first.seq == 1) {
            self.records.clear();
            self.played = State::new(self.follow.state().plan().clone());
        }
        if !fresh.is_empty() {
            self.records.extend(fresh);
            self.due = due(&self.records);
        }
        if self.follow.is_ended() {
            return Ok(());
        }
        Err(Problem::conflict("the run is not over: its own page shows it, and a replay tells what is past"))
    }

    fn shown(&self) -> usize {
        usize::try_from(self.played.last_seq()).unwrap_or(usize::MAX).min(self.records.len())
    }

    /// Folds up to record `seq`, from the beginning where that is behind.
    fn play(&mut self, seq: u64) -> Result<(), Problem> {
        let upto = usize::try_from(seq).unwrap_or(usize::MAX);
        if upto == 0 || upto > self.records.len() {
            let last = self.records.len();
            return Err(Problem::not_found(format!("there is no record {seq}: the records of this run are 1 to {last}")));
        }
        if upto < self.shown() {
            self.played = State::new(self.played.plan().clone());
        }
        let from = self.shown();
        for record in &self.records[from..upto] {
            self.played.apply(record).map_err(EngineError::Fold)?;
        }
        Ok(())
    }
}
