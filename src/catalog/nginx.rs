//! nginx, switched by a file that it includes.

use super::{ActionSpec, ConnectorSpec};

pub(super) const ACTIONS: &[ActionSpec] = &[];

pub(super) const CONNECTORS: &[ConnectorSpec] = &[];
