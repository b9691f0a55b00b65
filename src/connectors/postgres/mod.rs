//! PostgreSQL: freeze writes by taking grants away, thaw exactly, allow writes; wait for a subscription, carry sequences over.

mod allow;
mod barrier;
mod bypass;
mod canary;
mod carry_sequences;
mod figure;
mod freeze;
mod grant;
mod link;
mod lsn;
mod name;
mod place;
mod proof;
mod query;
mod saved;
mod scope;
mod session;
mod store;
mod wait_subscription;

pub use carry_sequences::CarrySequences;
pub(super) use place::{FINGERPRINT, fingerprint, host_and_port};
pub use query::Query;
pub(super) use store::open_store;
pub use wait_subscription::WaitSubscription;

pub use allow::AllowWrites;
pub use freeze::FreezeWrites;

use super::Registry;

/// Adds the actions of this connector.
pub(super) fn register(registry: &mut Registry) {
    registry.add(WaitSubscription);
    registry.add(CarrySequences);
    registry.add(Query);
    registry.add(FreezeWrites);
    registry.add(AllowWrites);
}
