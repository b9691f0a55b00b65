//! Local programs, each in a process group of its own, so that nothing of them is left when their time is up.

mod action;
mod capture;
mod check;
mod child;
mod order;
mod survivor;

pub use action::Command;
#[cfg(feature = "ssh")]
pub(super) use capture::{Capture, Printed};
pub use check::CommandCheck;
pub(super) use child::{End, run_looking};

/// Adds the actions of this connector.
pub(super) fn register(registry: &mut super::Registry) {
    registry.add(Command);
    registry.add(CommandCheck);
}
