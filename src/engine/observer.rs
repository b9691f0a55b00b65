//! Who looks on while an executor drives its run.

use crate::model::Timestamp;
use crate::run::{Record, State};

/// Watches a run. It is told of records only after they are durable.
pub trait Observer {
    /// Records became durable; `state` is their fold.
    fn recorded(&mut self, state: &State, records: &[Record]);

    /// Time passed.
    fn tick(&mut self, _state: &State, _now: Timestamp) {}
}

/// Watches nothing.
impl Observer for () {
    fn recorded(&mut self, _state: &State, _records: &[Record]) {}
}
