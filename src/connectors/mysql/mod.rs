//! MySQL and MariaDB: one connector, the dialects told apart by the server.

mod figure;
mod gtid;
mod link;
mod name;
mod replica;
mod session;
mod store;
mod wait_replica;

pub(super) use store::open_store;
pub use wait_replica::WaitReplica;

use super::Registry;

/// Adds the actions of this connector.
pub(super) fn register(registry: &mut Registry) {
    registry.add(WaitReplica);
}
