//! Hosts over SSH: programs, files, units, cron tables, processes, network rules.

use super::Registry;

/// Adds the actions of this connector.
pub(super) fn register(_registry: &mut Registry) {}
