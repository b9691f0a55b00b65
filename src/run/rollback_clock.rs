//! The rollback clock: how long the run may still turn back and be done with it before the window closes.
//!
//! The clock is the end of the window, less now, less the worst case of the way back from what really ran. The way back is
//! kept as the run goes: one addition per step, so that the clock costs nothing in a plan of a hundred thousand steps.

use super::Event;
use super::conductor::{Conductor, Recording};
use super::state::{Instance, Phase, State};
use crate::model::{Actor, Span, Timestamp};
use crate::plan::{Plan, StepIndex};

/// The longest chain of undos that is owed now.
#[derive(Clone, Debug, Default)]
pub(super) struct WayBack {
    /// By instance: the undos of the chain that ends there, in milliseconds. Empty without a window.
    ends: Vec<u64>,
    longest_ms: u64,
    /// By instance: its own undo, in milliseconds; and how many are owed, and what they are together.
    own: Vec<u64>,
    owed: u64,
    all_ms: u64,
    /// How many undos run at the same time, at most.
    places: u64,
    /// The steps of `rollback` beside the undos, in the worst case.
    beside_ms: u64,
    /// Whether the clock ran out and a person was asked.
    pub asked: bool,
}

/// The clock at one state of a run; it needs a moment to be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RollbackClock {
    /// When the window closes.
    pub closes: Timestamp,
    /// The way back from what ran so far, in the worst case.
    pub path_back: Span,
}

impl RollbackClock {
    /// The last moment at which the run can turn back and be done before the window closes.
    pub fn last_moment(&self) -> Timestamp {
        let path = i64::try_from(self.path_back.as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_millis(self.closes.as_millis().saturating_sub(path))
    }

    /// What is left of it at `now`, in milliseconds; negative when it is too late.
    pub fn left_ms(&self, now: Timestamp) -> i64 {
        self.last_moment().as_millis().saturating_sub(now.as_millis())
    }
}

impl WayBack {
    pub fn of(plan: &Plan) -> Self {
        if plan.content().window.is_none() {
            return Self::default();
        }
        let count = plan.steps().len();
        let (beside_ms, places) = (plan.beside_undos().as_millis(), u64::from(plan.content().max_concurrent.max(1)));
        Self { ends: vec![0; count], own: vec![0; count], beside_ms, places, ..Self::default() }
    }

    /// What the undos take in the worst case. While there is a place for each, the longest chain decides; where there is not, what is
    /// outside of it is shared over the places: whatever the order, it takes no longer.
    fn undos_ms(&self) -> u64 {
        if self.owed <= self.places {
            return self.longest_ms;
        }
        self.longest_ms.saturating_add(self.all_ms.saturating_sub(self.longest_ms).div_ceil(self.places))
    }

    fn owes(&mut self, i: Instance, own: u64) {
        if self.own.len() <= i.get() {
            self.own.resize(i.get() + 1, 0);
        }
        let was = std::mem::replace(&mut self.own[i.get()], own);
        self.owed = self.owed + u64::from(own > 0) - u64::from(was > 0);
        self.all_ms = self.all_ms.saturating_sub(was).saturating_add(own);
    }
}

impl State {
    /// The clock, while the run goes forward in a window and can still turn back.
    pub fn rollback_clock(&self) -> Option<RollbackClock> {
        let window = self.plan.content().window.as_ref()?;
        let running = self.phase == Phase::Forward && !self.is_past_no_return();
        let undos_ms = self.way_back.undos_ms();
        let path_ms = if undos_ms == 0 { 0 } else { undos_ms.saturating_add(self.way_back.beside_ms) };
        running.then(|| RollbackClock { closes: window.closes, path_back: Span::from_millis(path_ms) })
    }

    /// Whether the run is held because the clock ran out.
    pub fn is_held_by_the_clock(&self) -> bool {
        self.paused.as_ref().is_some_and(|by| *by == Actor::executor())
    }

    /// The next moment at which something happens by itself.
    pub fn next_timer(&self) -> Option<Timestamp> {
        let timer = self.timers.first().map(|(at, _)| *at);
        let freezes = self.freezes_outlast().map(|(at, _)| at);
        timer.into_iter().chain(self.clock_runs_out()).chain(freezes).min()
    }

    /// When the run is held and somebody is asked: once, before the point of no return, with something to undo.
    fn clock_runs_out(&self) -> Option<Timestamp> {
        let asks = !self.way_back.asked && self.way_back.longest_ms > 0 && self.paused.is_none() && self.turn_wanted.is_none();
        self.rollback_clock().filter(|_| asks).map(|clock| clock.last_moment())
    }

    /// A step began to owe an undo, or is over: the chain of undos that ends at it is known.
    pub(super) fn lengthen_way_back(&mut self, i: Instance) {
        if self.plan.content().window.is_none() {
            return;
        }
        let own = if self.owes_undo(i) { self.planned(i).timeout.as_millis() } else { 0 };
        let end = |at: Instance| self.way_back.ends.get(at.get()).copied().unwrap_or(0);
        let needs = self.planned(i).needs.iter().map(|need: &StepIndex| end(Instance::of(*need)));
        let before = needs.chain(self.children(i).iter().map(|child| end(*child))).max().unwrap_or(0);
        let reached = before.saturating_add(own);
        self.way_back.owes(i, own);
        let ends = &mut self.way_back.ends;
        if ends.len() <= i.get() {
            ends.resize(i.get() + 1, 0);
        }
        let was = std::mem::replace(&mut ends[i.get()], reached);
        if reached >= self.way_back.longest_ms {
            self.way_back.longest_ms = reached;
        } else if was == self.way_back.longest_ms {
            self.way_back.longest_ms = self.way_back.ends.iter().copied().max().unwrap_or(0);
        }
    }
}

impl Conductor {
    /// Before the point of no return a clock that ran out holds the run: turning back later would outlast the window.
    pub(super) fn hold_for_the_clock(&mut self, now: Timestamp, journal: &mut impl Recording) {
        let Some(clock) = self.state.rollback_clock() else { return };
        if self.state.clock_runs_out().is_some_and(|at| at <= now) {
            let reason = format!(
                "the rollback clock ran out: the way back takes up to {}, and the window closes at {}",
                clock.path_back, clock.closes
            );
            self.note(Event::Paused { by: Actor::executor(), reason }, journal);
        }
    }
}
