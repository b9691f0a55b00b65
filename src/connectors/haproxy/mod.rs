//! HAProxy, spoken to through its runtime API: close an entry, drain, switch by weights or by a map, and look.

mod check;
mod chosen;
mod climb;
mod door;
mod drain;
mod fleet;
mod hand;
mod maintenance;
mod map;
mod server;
mod session;
mod shut;
mod spot;
mod stats;
mod switch;
mod weights;

pub use check::Check;
pub use door::{DisableFrontend, EnableFrontend};
pub use drain::Drain;
pub use maintenance::Maintenance;
pub use map::Map;
pub use switch::Switch;

use super::Registry;

/// Adds the actions of this connector.
pub(super) fn register(registry: &mut Registry) {
    registry.add(Check);
    registry.add(DisableFrontend);
    registry.add(Drain);
    registry.add(EnableFrontend);
    registry.add(Maintenance);
    registry.add(Map);
    registry.add(Switch);
}
