//! Redis: freeze by access rules on every node, thaw, pause, drain, wait for replicas, promote, look, compare.

mod account;
mod address;
mod canary;
mod freeze;
mod group;
mod reply;
mod restore;
mod session;
mod survey;

pub use freeze::FreezeWrites;

use super::{Registry, count_of, own_target};

/// Adds the actions of this connector.
pub(super) fn register(registry: &mut Registry) {
    registry.add(FreezeWrites);
}
