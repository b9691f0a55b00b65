//! RabbitMQ: freeze users and thaw them, drain queues, look at shovels, over the management API and AMQP.

mod amqp;
mod broker;
mod bypass;
mod canary;
mod depth;
mod drain;
mod feed;
mod freeze;
mod permission;
mod sessions;
mod shovel;
mod thaw;

pub use drain::Drain;
pub use freeze::FreezeWrites;
pub use shovel::CheckShovels;
pub use thaw::AllowWrites;

use super::{Registry, own_target};

/// Adds the actions of this connector.
pub(super) fn register(registry: &mut Registry) {
    registry.add(FreezeWrites);
    registry.add(AllowWrites);
    registry.add(Drain);
    registry.add(CheckShovels);
}
