//! HAProxy, spoken to through its runtime API.

use super::{ActionSpec, ConnectorSpec};

pub(super) const ACTIONS: &[ActionSpec] = &[];

pub(super) const CONNECTORS: &[ConnectorSpec] = &[];
