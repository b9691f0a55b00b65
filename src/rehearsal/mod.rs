//! A simulated world: seeded faults, virtual time, crashes, humans.
//!
//! The state machine and the journal in here are the real ones; only the disk, the clock, the targets and the people are
//! made of a seed. A seed that once broke something becomes a named test.

pub mod chance;
pub mod random_plan;
pub mod simulation;

mod night;
mod people;
mod verdict;
mod world;

pub use chance::Chance;
pub use simulation::{Faults, Script, Simulation, Size, rehearse, simulate};
