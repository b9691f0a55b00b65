//! PostgreSQL.

mod carry_sequences;
mod link;
mod lsn;
mod name;
mod place;
mod session;
mod wait_subscription;

pub use carry_sequences::CarrySequences;
pub(super) use place::{FINGERPRINT, fingerprint, host_and_port};
pub use wait_subscription::WaitSubscription;

use super::Registry;

/// Adds the actions of this connector.
pub(super) fn register(registry: &mut Registry) {
    registry.add(WaitSubscription);
    registry.add(CarrySequences);
}
