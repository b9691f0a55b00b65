//! `switch.file`: a configuration file that applications read, replaced atomically.

mod content;
pub(super) mod replace;
mod switch;

pub use switch::SwitchFile;

/// Adds the actions of this connector.
pub(super) fn register(registry: &mut super::Registry) {
    registry.add(SwitchFile);
}
