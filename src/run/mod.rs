//! The pure state machine: events, statuses, decisions, one file per operator command.
//!
//! Sans-IO: no clock, no disk, no async, no randomness. The live engine, crash recovery, the rehearsal and the seeded
//! simulation are this same code with different hands.

pub mod command;
pub mod conductor;
pub mod effect;
pub mod event;
pub mod fold;
pub mod note;
pub mod reason;
pub mod record;
pub mod state;
pub mod status;

mod advance;
mod attempts;
mod call;
mod card;
mod decide;
mod gates;
mod giver;
mod guard;
mod phases;
mod quorum;
mod reopening;
mod rollback_clock;
mod undo_pass;
mod undoing;
mod waits;
mod warrant;

pub use card::CardLine;
pub use command::{Answer, Command, Submission, typed_answers};
pub use conductor::{Conductor, Recording, Turn};
pub use effect::{CallSpec, Effect, Failure, Input, Look, Preparation, Success};
pub use event::Event;
pub use fold::FoldError;
pub use note::RunNote;
pub use reason::{Resolver, RollbackCause, SkipReason};
pub use record::{Mark, Record};
pub use rollback_clock::RollbackClock;
pub use state::{Detail, Instance, Phase, State, StepState};
pub use status::{StepEvent, StepStatus, next_status};
pub use warrant::Bound;
