//! PostgreSQL.

mod link;
mod name;
mod session;

use super::Registry;

/// Adds the actions of this connector.
pub(super) fn register(_registry: &mut Registry) {}
