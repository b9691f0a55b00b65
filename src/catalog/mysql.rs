//! MySQL and MariaDB: one connector, the dialects told apart by the server.

use super::{ActionSpec, ConnectorSpec};

pub(super) const ACTIONS: &[ActionSpec] = &[];

pub(super) const CONNECTORS: &[ConnectorSpec] = &[];
