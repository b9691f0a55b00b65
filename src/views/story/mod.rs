//! What happened in a run, told after it: one replay of its records gives the pieces of work and waiting, the decisions, what
//! went wrong, the freezes, what was sent and where the time went. Report, comparison and history are made of it.

mod costs;
mod decision;
pub mod end;
mod freeze;
mod piece;
mod sent;
mod trouble;

pub use costs::{Awaited, Cost, Costs};
pub use decision::{Decision, Evidence, What};
pub use freeze::{Freeze, FreezeEnd};
pub use piece::{Doing, Piece};
pub use sent::{Sent, System};
pub use trouble::{Attempt, Doubt, Notable, Skip, UndoTried};

pub(super) use costs::Drivers;
pub(super) use decision::decided_by;
pub(super) use freeze::Freezes;
pub(super) use piece::Pieces;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::model::{StepId, Timestamp};
use crate::plan::Plan;
use crate::run::{Event, Record, State};

/// The story of a run, as far as its records go.
#[derive(Clone, Debug)]
pub struct Story {
    /// When the first record was written.
    pub from: Timestamp,
    /// The end of the run, or the moment up to which an unfinished one is told.
    pub until: Timestamp,
    /// What each step did and waited for, in the order in which it began.
    pub pieces: Vec<Piece>,
    /// What persons decided and ordered, in order.
    pub decisions: Vec<Decision>,
    /// Every attempt of every step.
    pub attempts: Vec<Attempt>,
    /// The steps that were passed over.
    pub skips: Vec<Skip>,
    /// The attempts whose end nobody saw.
    pub doubts: Vec<Doubt>,
    /// Every undo that was tried.
    pub undos: Vec<UndoTried>,
    /// When the run turned back.
    pub turned_back: Vec<Timestamp>,
    /// What else a reader has to know: crashes, repairs, deadlines, refusals.
    pub notables: Vec<Notable>,
    /// When no executor drove the run.
    pub undriven: Vec<(Timestamp, Timestamp)>,
    /// When writes were refused.
    pub freezes: Vec<Freeze>,
    /// What was sent, by system.
    pub systems: Vec<System>,
    /// Where the time went.
    pub costs: Costs,
}

impl Story {
    /// The story of these records; `until` is the moment up to which an unfinished run is told.
    pub fn of(plan: &Arc<Plan>, records: &[Record], until: Timestamp) -> Self {
        let mut state = State::new(plan.clone());
        let mut pieces = Pieces::default();
        let mut decisions = decision::Decisions::default();
        let mut troubles = trouble::Troubles::default();
        let mut freezes = Freezes::of(plan);
        let mut systems = sent::Systems::default();
        let mut drivers = Drivers::default();
        let mut turned_back = Vec::new();
        for record in records {
            // The records were folded before they came here; one that cannot be folded ends the story where it stands.
            if state.apply(record).is_err() {
                break;
            }
            let moved = pieces.take(&state, record);
            freezes.take(&state, record, &moved);
            decisions.take(&state, record);
            troubles.take(&state, record);
            systems.take(&state, record);
            drivers.take(record);
            if let Event::RollbackStarted { .. } = record.event {
                turned_back.push(record.at);
            }
        }
        let from = records.first().map_or(until, |record| record.at);
        let until = state.ended().unwrap_or(until).max(from);
        let pieces = pieces.end(until);
        let decisions = decisions.end();
        let stretches = drivers.end(until);
        let costs = Costs::of(&state, &pieces, &decisions, &stretches, (from, until));
        let undriven =
            stretches.into_iter().filter(|(cost, ..)| *cost == Cost::Nobody).map(|(_, from, until)| (from, until)).collect();
        let (attempts, skips, doubts, undos, notables) = troubles.end();
        let (freezes, systems) = (freezes.end(until), systems.end());
        Self {
            from,
            until,
            pieces,
            decisions,
            attempts,
            skips,
            doubts,
            undos,
            turned_back,
            notables,
            undriven,
            freezes,
            systems,
            costs,
        }
    }

    /// How long it all took.
    pub fn took(&self) -> Duration {
        self.until.since(self.from)
    }

    /// How long each step took: of an action its attempts, of a wait the wait, of a group its items. A step that never began has
    /// no length.
    pub fn lengths(&self, state: &State) -> HashMap<&StepId, Duration> {
        let mut found: HashMap<&StepId, Duration> = HashMap::new();
        for piece in &self.pieces {
            let counts = match piece.doing {
                Doing::Work | Doing::Items => true,
                Doing::People | Doing::Clock => state.planned(piece.instance).wait.is_some(),
                Doing::Undo | Doing::Pause | Doing::Doubt => false,
            };
            if counts {
                *found.entry(&piece.step).or_default() += piece.took;
            }
        }
        found
    }

    /// How many attempts each step had.
    pub fn attempts_of(&self) -> HashMap<&StepId, u32> {
        let mut counts = HashMap::new();
        for attempt in &self.attempts {
            *counts.entry(&attempt.step).or_default() += 1;
        }
        counts
    }
}

/// The step that a record is about; none where it is about the run.
pub fn step_of(event: &Event) -> Option<&StepId> {
    match event {
        Event::RunStarted { .. }
        | Event::ExecutorStarted { .. }
        | Event::ExecutorStopped { .. }
        | Event::JournalRepaired { .. }
        | Event::ClockJumped { .. }
        | Event::Paused { .. }
        | Event::Continued { .. }
        | Event::RollbackStarted { .. }
        | Event::AbortOrdered { .. }
        | Event::FinallyStarted { .. }
        | Event::RunEnded { .. }
        | Event::RunReopened { .. }
        | Event::RosterChanged { .. }
        | Event::RunNoted { .. }
        | Event::CommandRefused { .. } => None,
        Event::StepSkipped { step, .. }
        | Event::StepSpread { step, .. }
        | Event::GroupEnded { step, .. }
        | Event::WaitStarted { step, .. }
        | Event::WaitEnded { step }
        | Event::WaitExpired { step }
        | Event::ApprovalGranted { step, .. }
        | Event::ApprovalWithdrawn { step, .. }
        | Event::GlassBroken { step, .. }
        | Event::ApprovalLapsed { step, .. }
        | Event::StartRefused { step, .. }
        | Event::GateReopened { step, .. }
        | Event::WaitRejected { step, .. }
        | Event::TaskReported { step, .. }
        | Event::StepConfirmed { step, .. }
        | Event::AttemptStarted { step, .. }
        | Event::StatementSent { step, .. }
        | Event::QuestionAsked { step, .. }
        | Event::OutputCaptured { step, .. }
        | Event::ProgressNoted { step, .. }
        | Event::AttemptSucceeded { step, .. }
        | Event::AttemptFailed { step, .. }
        | Event::AttemptInterrupted { step, .. }
        | Event::AttemptProbed { step, .. }
        | Event::AttemptResolved { step, .. }
        | Event::LateResultIgnored { step, .. }
        | Event::RetryOrdered { step, .. }
        | Event::UndoStarted { step, .. }
        | Event::UndoSucceeded { step, .. }
        | Event::UndoFailed { step, .. }
        | Event::UndoInterrupted { step, .. }
        | Event::UndoResolved { step, .. } => Some(step),
    }
}
