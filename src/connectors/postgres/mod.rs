//! PostgreSQL.

mod link;
mod name;
mod place;
mod session;

pub(super) use place::{FINGERPRINT, fingerprint, host_and_port};

use super::Registry;

/// Adds the actions of this connector.
pub(super) fn register(_registry: &mut Registry) {}
