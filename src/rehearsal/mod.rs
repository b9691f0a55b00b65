//! A simulated world: seeded faults, virtual time, crashes, humans; and the rehearsal of a runbook in it.
//!
//! The state machine and the journal in here are the real ones; only the disk, the clock, the targets and the people are
//! made of a seed. A seed that once broke something becomes a named test.

pub mod chance;
pub mod crew;
pub mod dry_run;
pub mod end;
pub mod model;
pub mod random_plan;
pub mod readiness;
pub mod simulation;
pub mod theatre;
pub mod trouble;
pub mod wishes;

mod night;
mod pen;
mod people;
mod stage;
mod unproven;
mod verdict;
mod world;

pub use chance::Chance;
pub use crew::Need;
pub use dry_run::{DryRun, DryStep, Fidelity, dry_run};
pub use end::{End, Side};
pub use readiness::{Crashes, Drawn, Finding, Performed, Point, Readiness};
pub use simulation::{Faults, Script, Simulation, Size, rehearse, simulate};
pub use theatre::rehearsal;
pub use trouble::{Remedy, Rest, Trouble};
pub use wishes::{Steps, Wishes};
