//! Stretches of time in which a step did or awaited one thing: what a timeline is drawn from.
//!
//! They follow the statuses of the state machine and not single events, so that they say what the run itself said.

use std::collections::BTreeMap;
use std::time::Duration;

use super::step_of;
use crate::model::{StepId, Timestamp};
use crate::run::{Instance, Mark, Record, State, StepStatus};
use crate::views::steps::is_group;

/// What a step does or waits for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Doing {
    /// An attempt is under way.
    Work,
    /// Its undo is under way.
    Undo,
    /// Persons are awaited: an approval, a task, a confirmation, or what to do about a failure.
    People,
    /// A moment is awaited: a hold, a window.
    Clock,
    /// The pause before the next attempt.
    Pause,
    /// Nobody knows what the attempt left.
    Doubt,
    /// It stands for its items, which are under way.
    Items,
}

/// One stretch of one step.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Piece {
    /// The instance.
    pub instance: Instance,
    /// The step.
    pub step: StepId,
    /// What it did.
    pub doing: Doing,
    /// The status in which it did it.
    pub status: StepStatus,
    /// The number of the attempt or of the undo attempt.
    pub attempt: u32,
    /// When it began.
    pub from: Timestamp,
    /// When it was over, or up to when it is told.
    pub until: Timestamp,
    /// How long it took, by the clock that does not jump where there is one.
    pub took: Duration,
    /// The status after it; none while it goes on.
    pub end: Option<StepStatus>,
}

impl Piece {
    /// Whether it is an attempt that succeeded.
    pub fn is_success(&self) -> bool {
        self.doing == Doing::Work && matches!(self.end, Some(StepStatus::Succeeded | StepStatus::AwaitingConfirm))
    }
}

impl Doing {
    /// Every kind, in the order of a legend.
    pub const ALL: [Self; 7] = [Self::Work, Self::Undo, Self::People, Self::Clock, Self::Pause, Self::Doubt, Self::Items];

    /// The words for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Work => "work",
            Self::Undo => "undo",
            Self::People => "waiting for people",
            Self::Clock => "waiting for a moment",
            Self::Pause => "pause before the next attempt",
            Self::Doubt => "in doubt",
            Self::Items => "its items",
        }
    }

    fn of(state: &State, i: Instance) -> Option<Self> {
        match state.step(i).status {
            StepStatus::Running if is_group(state, i) => Some(Self::Items),
            StepStatus::Running => Some(Self::Work),
            StepStatus::Undoing => Some(Self::Undo),
            StepStatus::AwaitingPeople | StepStatus::AwaitingConfirm | StepStatus::Held | StepStatus::UndoFailed => {
                Some(Self::People)
            }
            StepStatus::AwaitingTime => Some(Self::Clock),
            StepStatus::BackingOff => Some(Self::Pause),
            StepStatus::InDoubt | StepStatus::UndoInDoubt => Some(Self::Doubt),
            StepStatus::Pending
            | StepStatus::Ready
            | StepStatus::Succeeded
            | StepStatus::Failed
            | StepStatus::Rejected
            | StepStatus::Skipped
            | StepStatus::NotReached
            | StepStatus::AwaitingUndo
            | StepStatus::Undone => None,
        }
    }
}

/// The pieces while the records are read.
#[derive(Default, Debug)]
pub(in crate::views) struct Pieces {
    pieces: Vec<Piece>,
    /// What goes on: the status, where its piece is, and when it began.
    open: BTreeMap<Instance, (StepStatus, usize, Mark)>,
}

impl Pieces {
    /// Takes a record that was just applied; answers which instances it can have moved.
    pub fn take(&mut self, state: &State, record: &Record) -> Vec<Instance> {
        let named = step_of(&record.event).and_then(|step| state.find(step));
        let mut looked: Vec<Instance> = self.open.keys().copied().chain(named).collect();
        looked.sort_unstable();
        looked.dedup();
        for i in &looked {
            self.look(state, *i, record.mark());
        }
        looked
    }

    fn look(&mut self, state: &State, i: Instance, mark: Mark) {
        let step = state.step(i);
        match self.open.get(&i) {
            Some((was, ..)) if *was == step.status => return,
            Some((_, at, from)) => {
                let piece = &mut self.pieces[*at];
                piece.until = mark.at;
                piece.took = mark.since(*from);
                piece.end = Some(step.status);
                self.open.remove(&i);
            }
            None => {}
        }
        let Some(doing) = Doing::of(state, i) else { return };
        self.open.insert(i, (step.status, self.pieces.len(), mark));
        self.pieces.push(Piece {
            instance: i,
            step: state.id(i).clone(),
            doing,
            status: step.status,
            attempt: if doing == Doing::Undo { step.undo_attempt } else { step.attempt },
            from: mark.at,
            until: mark.at,
            took: Duration::ZERO,
            end: None,
        });
    }

    /// The newest piece of an instance, where one goes on.
    pub fn open_of(&self, i: Instance) -> Option<(usize, &Piece)> {
        self.open.get(&i).map(|(_, at, _)| (*at, &self.pieces[*at]))
    }

    /// The pieces in the order in which they began; what goes on is told up to `until`.
    pub fn end(mut self, until: Timestamp) -> Vec<Piece> {
        for (_, at, _) in self.open.values() {
            let piece = &mut self.pieces[*at];
            piece.until = until.max(piece.from);
            piece.took = piece.until.since(piece.from);
        }
        self.pieces
    }
}
