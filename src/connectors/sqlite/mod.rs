//! SQLite: freeze by triggers, thaw, drain a queue table, wait for a fence, read, change within bounds, measure.

mod canary;
mod cell;
mod drain;
mod execute;
mod fence;
mod freeze;
mod query;
mod schema;
mod session;
mod store;
mod thaw;
mod trigger;

pub use drain::Drain;
pub use execute::Execute;
pub use fence::WaitFence;
pub use freeze::FreezeWrites;
pub use query::Query;
pub(super) use store::open_store;
pub use thaw::AllowWrites;

use super::{ActionError, Call, Target};

/// The target of the step.
fn own_target(call: &Call) -> Result<&Target, ActionError> {
    call.target.as_ref().ok_or_else(|| ActionError::untouched("this action needs a `target`"))
}

fn count_of(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
