//! The pen: turns events into records of the journal, with the clocks of the moment.
//!
//! It never fails in the middle of a turn. A failed append is kept and comes out at the commit, so that a turn is either
//! durable as a whole or leads to nothing.

use super::clock::Reading;
use crate::journal::{JournalError, Writer};
use crate::run::{Event, Record, Recording};

/// What a turn writes with.
#[derive(Debug)]
pub(super) struct Pen {
    writer: Writer,
    reading: Reading,
    next_seq: u64,
    failed: Option<JournalError>,
    fresh: Vec<Record>,
}

impl Pen {
    pub fn new(writer: Writer, reading: Reading) -> Self {
        let next_seq = writer.appended().seq + 1;
        Self { writer, reading, next_seq, failed: None, fresh: Vec::new() }
    }

    /// The clocks that the next records carry.
    pub const fn set(&mut self, reading: Reading) {
        self.reading = reading;
    }

    /// What was recorded since the last commit.
    pub fn fresh(&self) -> &[Record] {
        &self.fresh
    }

    /// The last record that is durable.
    pub fn durable(&self) -> u64 {
        self.writer.durable().seq
    }

    /// Makes everything recorded since the last commit durable, and hands it out.
    pub fn commit(&mut self) -> Result<Vec<Record>, JournalError> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        self.writer.commit()?;
        Ok(std::mem::take(&mut self.fresh))
    }

    /// Brings the head up to date when nothing else is to be written.
    pub fn settle(&mut self) -> Result<(), JournalError> {
        self.writer.settle()
    }
}

impl Recording for Pen {
    fn record(&mut self, event: Event) -> &Record {
        let Reading { now, uptime_ms, .. } = self.reading;
        let mut seq = self.next_seq;
        if self.failed.is_none() {
            match self.writer.append_ref(now, uptime_ms, &event) {
                Ok(given) => seq = given,
                Err(error) => self.failed = Some(error),
            }
        }
        self.next_seq = seq + 1;
        let at = self.fresh.len();
        self.fresh.push(Record { seq, epoch: self.writer.epoch(), at: now, uptime_ms, event });
        &self.fresh[at]
    }
}
