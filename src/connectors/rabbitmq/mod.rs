//! RabbitMQ: freeze users and thaw them, close connections, drain queues, look at queues and shovels, over the management API and AMQP.

mod amqp;
mod broker;
mod bypass;
mod canary;
mod close;
mod depth;
mod drain;
mod feed;
mod freeze;
mod permission;
mod queues;
mod secured;
mod sessions;
mod shovel;
mod thaw;

pub use close::CloseConnections;
pub use drain::Drain;
pub use freeze::FreezeWrites;
pub use queues::CheckQueues;
pub use shovel::CheckShovels;
pub use thaw::AllowWrites;

use super::{Registry, own_target};

/// Adds the actions of this connector.
pub(super) fn register(registry: &mut Registry) {
    registry.add(FreezeWrites);
    registry.add(AllowWrites);
    registry.add(Drain);
    registry.add(CheckQueues);
    registry.add(CheckShovels);
    registry.add(CloseConnections);
}
