//! Interlocks: rules that hold in every state that a run of a plan can reach.
//!
//! Pure, over the plan and the facts that the catalog says its steps make true. `proof` holds every rule against every
//! interleaving, failure, order to stop and way back, and tells the shortest story that breaks one.

pub mod facts;
pub mod proof;
pub mod reached;
pub mod unit;
pub mod watch;

mod condition;
mod entry;
mod moves;
mod names;
mod own;
mod rules;
mod search;
mod story;
mod task;

pub use facts::Facts;
pub use proof::{Proof, prove};
pub use reached::{Part, Reached};
pub use watch::{Known, Progress, Refusal, ToldFact, Watch};

use crate::diagnostic::Report;
use crate::plan::{Places, Plan};

/// Every broken interlock of a plan, each with the shortest story that breaks it.
pub fn interlocks(plan: &Plan, places: &Places) -> Report {
    prove(plan, places).report
}
