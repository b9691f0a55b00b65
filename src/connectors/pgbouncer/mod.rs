//! pgbouncer, spoken to through its admin console.

use super::Registry;

/// Adds the actions of this connector.
pub(super) fn register(_registry: &mut Registry) {}
