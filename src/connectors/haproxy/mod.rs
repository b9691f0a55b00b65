//! HAProxy, spoken to through its runtime API: close an entry, drain, switch by weights or by a map, and look.

mod climb;
mod fleet;
mod maintenance;
mod server;
mod session;
mod shut;
mod stats;
mod switch;
mod weights;

pub use maintenance::Maintenance;
pub use switch::Switch;

use super::Registry;

/// Adds the actions of this connector.
pub(super) fn register(registry: &mut Registry) {
    registry.add(Maintenance);
    registry.add(Switch);
}
