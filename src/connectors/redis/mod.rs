//! Redis: freeze by access rules on every node, thaw, drain, wait for replicas, promote, look.

mod account;
mod address;
mod canary;
mod check;
mod drain;
mod freeze;
mod group;
mod keys;
mod pause;
mod promote;
mod replica;
mod reply;
mod restore;
mod session;
mod survey;
mod thaw;

pub use check::Check;
pub use drain::Drain;
pub use freeze::FreezeWrites;
pub use keys::CheckKeys;
pub use pause::PauseWrites;
pub use promote::Promote;
pub use replica::WaitReplica;
pub use thaw::AllowWrites;

use super::{Registry, count_of, own_target};

/// Adds the actions of this connector.
pub(super) fn register(registry: &mut Registry) {
    registry.add(FreezeWrites);
    registry.add(AllowWrites);
    registry.add(Drain);
    registry.add(WaitReplica);
    registry.add(Promote);
    registry.add(Check);
    registry.add(CheckKeys);
    registry.add(PauseWrites);
}
