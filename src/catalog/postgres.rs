//! PostgreSQL.

use super::{ActionSpec, ConnectorSpec};

pub(super) const ACTIONS: &[ActionSpec] = &[];

pub(super) const CONNECTORS: &[ConnectorSpec] = &[];
