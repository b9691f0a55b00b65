//! Where the time went: every moment of the run counts once, work before waiting, so that the parts sum up to the whole.

use std::time::Duration;

use super::piece::{Doing, Piece};
use super::{Decision, What};
use crate::model::{StepId, Timestamp};
use crate::plan::Wait;
use crate::run::{Event, Record, State, StepStatus};

/// What a moment of a run was for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Cost {
    /// No executor drove the run.
    Nobody,
    /// At least one attempt was under way.
    Work,
    /// At least one undo was under way, and no attempt.
    WayBack,
    /// An attempt was in doubt, and nothing ran.
    Doubt,
    /// The run was paused, and nothing ran.
    Paused,
    /// Persons were awaited, and nothing ran.
    People,
    /// A hold, a window or the pause before an attempt, and nobody was awaited.
    Clock,
    /// None of these: reading, deciding, writing the record.
    Rest,
}

impl Cost {
    /// Every kind; a moment that is of several kinds counts as the first.
    pub const ALL: [Self; 8] =
        [Self::Nobody, Self::Work, Self::WayBack, Self::Doubt, Self::Paused, Self::People, Self::Clock, Self::Rest];

    /// The words for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Nobody => "no executor drove the run",
            Self::Work => "work of steps",
            Self::WayBack => "the way back",
            Self::Doubt => "in doubt",
            Self::Paused => "paused by order",
            Self::People => "waiting for people",
            Self::Clock => "waiting for a moment",
            Self::Rest => "between steps",
        }
    }
}

/// One wait for persons.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Awaited {
    /// The step.
    pub step: StepId,
    /// Of whom something was asked.
    pub of: String,
    /// What for.
    pub why: &'static str,
    /// Since when.
    pub from: Timestamp,
    /// How long.
    pub took: Duration,
    /// Who ended it; empty where nobody did.
    pub by: Vec<String>,
}

/// Where the time of a run went.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Costs {
    /// Each kind with its share, those of no length left out.
    pub parts: Vec<(Cost, Duration)>,
    /// The work of all steps added up: more than the part where steps ran side by side.
    pub work_of_steps: Duration,
    /// The waits for persons, one by one.
    pub awaited: Vec<Awaited>,
}

impl Costs {
    pub(super) fn of(
        state: &State,
        pieces: &[Piece],
        decisions: &[Decision],
        undriven: &[(Cost, Timestamp, Timestamp)],
        (from, until): (Timestamp, Timestamp),
    ) -> Self {
        let cost = |piece: &Piece| match piece.doing {
            Doing::Work => Some(Cost::Work),
            Doing::Undo => Some(Cost::WayBack),
            Doing::People => Some(Cost::People),
            Doing::Clock | Doing::Pause => Some(Cost::Clock),
            Doing::Doubt => Some(Cost::Doubt),
            Doing::Items => None,
        };
        let mut stretches = undriven.to_vec();
        stretches.extend(pieces.iter().filter_map(|piece| Some((cost(piece)?, piece.from, piece.until))));
        Self {
            parts: parts(&stretches, from, until),
            work_of_steps: pieces.iter().filter(|piece| piece.doing == Doing::Work).map(|piece| piece.took).sum(),
            awaited: pieces.iter().filter(|p| p.doing == Doing::People).map(|piece| awaited(state, piece, decisions)).collect(),
        }
    }

    /// How long one kind took.
    pub fn part(&self, cost: Cost) -> Duration {
        self.parts.iter().find(|(kind, _)| *kind == cost).map_or(Duration::ZERO, |(_, took)| *took)
    }
}

/// Goes through the moments at which something began or ended; between two of them the kinds are the same.
fn parts(stretches: &[(Cost, Timestamp, Timestamp)], from: Timestamp, until: Timestamp) -> Vec<(Cost, Duration)> {
    let mut edges: Vec<(Timestamp, Cost, i64)> = Vec::new();
    for (cost, begin, end) in stretches.iter().filter(|(_, begin, end)| begin < end) {
        edges.push((*begin, *cost, 1));
        edges.push((*end, *cost, -1));
    }
    edges.sort_unstable();
    let mut running = [0_i64; Cost::ALL.len()];
    let mut sums = [Duration::ZERO; Cost::ALL.len()];
    let mut now = from;
    for (at, cost, change) in edges.into_iter().chain([(until, Cost::Rest, 0)]) {
        let kind = running.iter().position(|open| *open > 0).unwrap_or(Cost::Rest as usize);
        let upto = at.clamp(now, until.max(now));
        sums[kind] += upto.since(now);
        now = upto;
        running[cost as usize] += change;
    }
    Cost::ALL.into_iter().zip(sums).filter(|(_, took)| !took.is_zero()).collect()
}

fn awaited(state: &State, piece: &Piece, decisions: &[Decision]) -> Awaited {
    let planned = state.planned(piece.instance);
    let (of, why) = match &planned.wait {
        Some(Wait::Approval { approvers, .. }) => {
            let roles: Vec<String> = approvers.iter().map(|a| format!("{} ({})", a.role, a.count)).collect();
            (roles.join(", "), "approval")
        }
        Some(Wait::Manual { role, .. }) => {
            (role.as_ref().map_or_else(|| "anybody".to_owned(), |role| role.to_string()), "manual task")
        }
        Some(Wait::Hold { .. } | Wait::Window) | None => {
            let owner = planned.owner.as_ref().map_or_else(|| "the operator".to_owned(), |owner| owner.to_string());
            match (piece.status, &planned.confirm) {
                (StepStatus::AwaitingConfirm, Some(role)) => (role.to_string(), "confirmation"),
                (StepStatus::UndoFailed, _) => (owner, "what to do about a failed undo"),
                _ => (owner, "what to do about a failure"),
            }
        }
    };
    let ends = |decision: &&Decision| {
        let about_run = matches!(decision.what, What::TurnedBack | What::Aborted);
        let about_step = decision.step.as_ref() == Some(&piece.step);
        (about_step || (about_run && piece.until == decision.at)) && (piece.from..=piece.until).contains(&decision.at)
    };
    let mut by: Vec<String> = decisions.iter().filter(ends).map(|decision| decision.by.name().to_owned()).collect();
    by.dedup();
    Awaited { step: piece.step.clone(), of, why, from: piece.from, took: piece.took, by }
}

/// When an executor drove the run, and when it was paused.
#[derive(Default, Debug)]
pub(in crate::views) struct Drivers {
    stretches: Vec<(Cost, Timestamp, Timestamp)>,
    /// The last record that the present executor wrote, and whether it let go.
    last: Option<(u64, Timestamp, bool)>,
    paused: Option<Timestamp>,
}

impl Drivers {
    pub fn take(&mut self, record: &Record) {
        match &record.event {
            Event::ExecutorStarted { .. } => {
                if let Some((_, at, _)) = self.last.replace((record.epoch, record.at, false)) {
                    self.stretches.push((Cost::Nobody, at, record.at));
                }
            }
            Event::ExecutorStopped { .. } => self.last = Some((record.epoch, record.at, true)),
            Event::Paused { .. } => self.paused = self.paused.or(Some(record.at)),
            Event::Continued { .. } | Event::AbortOrdered { .. } | Event::RollbackStarted { .. } | Event::RunEnded { .. } => {
                self.unpause(record.at);
            }
            _ => {}
        }
        if let Some((epoch, at, stopped)) = &mut self.last
            && *epoch == record.epoch
            && !*stopped
        {
            *at = record.at;
        }
    }

    /// The stretches that are over.
    pub fn stretches(&self) -> &[(Cost, Timestamp, Timestamp)] {
        &self.stretches
    }

    fn unpause(&mut self, at: Timestamp) {
        if let Some(from) = self.paused.take() {
            self.stretches.push((Cost::Paused, from, at));
        }
    }

    pub fn end(mut self, until: Timestamp) -> Vec<(Cost, Timestamp, Timestamp)> {
        self.unpause(until);
        self.stretches
    }
}
