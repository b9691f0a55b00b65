//! One event at its place in the journal: what the fold reads.

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
