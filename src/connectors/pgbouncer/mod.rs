//! pgbouncer, spoken to through its admin console: pause, switch, resume.

mod config;
mod console;
mod ini;
mod landing;
mod order;
mod pause;
mod pool;
mod resume;
mod switch;

pub use pause::Pause;
pub use resume::Resume;
pub use switch::Switch;

use super::own_target;

/// Adds the actions of this connector.
pub(super) fn register(registry: &mut super::Registry) {
    registry.add(Pause);
    registry.add(Resume);
    registry.add(Switch);
}
