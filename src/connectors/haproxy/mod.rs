//! HAProxy, spoken to through its runtime API.

use super::Registry;

/// Adds the actions of this connector.
pub(super) fn register(_registry: &mut Registry) {}
