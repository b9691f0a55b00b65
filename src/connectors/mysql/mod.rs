//! MySQL and MariaDB: one connector, the dialects told apart by the server.

mod gtid;
mod link;
mod name;
mod replica;
mod session;
mod wait_replica;

pub use wait_replica::WaitReplica;

use super::Registry;

/// Adds the actions of this connector.
pub(super) fn register(registry: &mut Registry) {
    registry.add(WaitReplica);
}
