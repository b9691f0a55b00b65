//! nginx, here or behind SSH, switched by a file that it includes: an upstream at once, or clients in shares.

mod generation;
mod include;
mod place;
mod route;
mod split;
mod switch;

pub use split::Split;
pub use switch::Switch;

use super::Registry;

/// Adds the actions of this connector.
pub(super) fn register(registry: &mut Registry) {
    registry.add(Switch);
    registry.add(Split);
}
