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

use super::{count_of, own_target};

/// Adds the actions of this connector.
pub(super) fn register(registry: &mut super::Registry) {
    registry.add(FreezeWrites);
    registry.add(AllowWrites);
    registry.add(Drain);
    registry.add(WaitFence);
    registry.add(Query);
    registry.add(Execute);
}
