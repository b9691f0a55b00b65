//! Hosts over SSH: programs, files, units, cron tables, processes, network rules.

use super::{ActionSpec, ConnectorSpec};

pub(super) const ACTIONS: &[ActionSpec] = &[];

pub(super) const CONNECTORS: &[ConnectorSpec] = &[];
