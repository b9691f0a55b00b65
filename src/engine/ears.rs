//! What an executor listens to: ends of verbs, notes, orders, and the wish to stop.

use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;

use super::socket::Incoming;
use crate::connectors::Note;
use crate::run::Input;

/// What an executor listens to.
pub(super) struct Ears {
    pub inputs: UnboundedReceiver<Input>,
    pub notes: UnboundedReceiver<Note>,
    pub orders: UnboundedReceiver<Incoming>,
    pub stop: CancellationToken,
}
