//! PostgreSQL.

mod carry_sequences;
mod figure;
mod link;
mod lsn;
mod name;
mod place;
mod query;
mod session;
mod store;
mod wait_subscription;

pub use carry_sequences::CarrySequences;
pub(super) use place::{FINGERPRINT, fingerprint, host_and_port};
pub use query::Query;
pub(super) use store::open_store;
pub use wait_subscription::WaitSubscription;

use super::Registry;

/// Adds the actions of this connector.
pub(super) fn register(registry: &mut Registry) {
    registry.add(WaitSubscription);
    registry.add(CarrySequences);
    registry.add(Query);
}
