//! What a simulated turn writes with: the real journal, and the virtual clock.

use crate::journal::{JournalError, Writer};
use crate::model::Timestamp;
use crate::run::{Event, Record, Recording};

/// Writes records with the virtual clock; a failed append comes out at the commit.
pub(super) struct Pen {
    pub writer: Writer,
    pub now: Timestamp,
    pub seq: u64,
    pub failed: Option<JournalError>,
    pub last: Option<Record>,
}

impl Recording for Pen {
    fn record(&mut self, event: Event) -> &Record {
        self.seq += 1;
        let record = match self.writer.append(self.now, 0, event.clone()) {
            Ok(record) => record,
            Err(error) => {
                self.failed.get_or_insert(error);
                Record { seq: self.seq, epoch: self.writer.epoch(), at: self.now, uptime_ms: 0, event }
            }
        };
        self.last.insert(record)
    }
}

impl Pen {
    pub fn commit(&mut self) -> Result<(), JournalError> {
        match self.failed.take() {
            Some(error) => Err(error),
            None => self.writer.commit(),
        }
    }
}
