//! The pure state machine: events, statuses, decisions, one file per operator command.
//!
//! Sans-IO: no clock, no disk, no async, no randomness. The live engine, crash recovery, the rehearsal and the seeded
//! simulation are this same code with different hands.

pub mod event;
pub mod record;

pub use event::{Event, Resolver, RollbackCause, SkipReason};
pub use record::Record;
