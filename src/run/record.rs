//! One event at its place in the journal: what the fold reads.

use std::time::Duration;

use super::Event;
use crate::model::Timestamp;

/// An event with its number, epoch and time.
#[derive(Clone, PartialEq, Debug)]
pub struct Record {
    /// The number of the record, from 1, without gaps.
    pub seq: u64,
    /// The epoch of the executor that wrote it; a taker-over raises it.
    pub epoch: u64,
    /// The wall clock when it was written.
    pub at: Timestamp,
    /// The monotonic clock of that boot when it was written, in milliseconds.
    pub uptime_ms: u64,
    /// What happened.
    pub event: Event,
}

/// The place of a record in time.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    /// The wall clock.
    pub at: Timestamp,
    epoch: u64,
    uptime_ms: u64,
}

impl Record {
    /// Its place in time.
    pub const fn mark(&self) -> Mark {
        Mark { at: self.at, epoch: self.epoch, uptime_ms: self.uptime_ms }
    }
}

impl Mark {
    /// By the monotonic clock within one executor's life: a wall clock that jumped is no measurement.
    pub fn since(self, earlier: Self) -> Duration {
        let steady = self.uptime_ms.checked_sub(earlier.uptime_ms).filter(|_| self.epoch == earlier.epoch && self.uptime_ms > 0);
        steady.map_or_else(|| self.at.since(earlier.at), Duration::from_millis)
    }
}
