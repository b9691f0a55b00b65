//! The writer: append, commit, settle. After `commit` returned, what was appended is durable.
//!
//! One sync per commit, whatever the batch: the head of the batch before is written into the same file just before the
//! frames, so that one sync carries both. When nothing follows, `settle` writes the head by itself.
//! After a failed write or sync the writer is poisoned for ever: a sync is never tried twice, because the second one can
//! say yes to bytes that the first one lost.

use std::io;

use super::frame::{self, MAX_FRAME, MAX_PAYLOAD, Nonce, Place};
use super::head::{Clocks, Head, MARK_START, Mark, Origin, Position, SLOT, first_blocks};
use super::reader::Records;
use super::storage::Storage;
use super::wire;
use crate::model::Timestamp;
use crate::run::{Event, Record};

/// The most bytes that one batch holds; an append beyond it commits what is there first.
pub const MAX_BATCH: usize = 8 << 20;

/// Writes the journal of one run.
pub struct Writer {
    storage: Box<dyn Storage>,
    nonce: Nonce,
    epoch: u64,
    boot: String,
    /// The newest head that is durable.
    head: Head,
    /// The durable records.
    durable: Position,
    /// The clocks of the last durable record.
    durable_clocks: (Timestamp, u64),
    /// The records in `buffer` too.
    appended: Position,
    appended_clocks: (Timestamp, u64),
    buffer: Vec<u8>,
    poison: Option<String>,
}

/// Why the journal did not take a record.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A write or a sync failed. The run is poisoned; nothing that was not committed counts.
    #[error("the journal could not be written while trying to {attempted}")]
    Failed {
        /// What was tried.
        attempted: &'static str,
        /// What the disk said.
        #[source]
        source: io::Error,
    },
    /// An earlier write or sync failed; this writer will never write again.
    #[error("the journal is closed after an earlier failure: {0}")]
    Poisoned(String),
    /// Another executor has taken over.
    #[error("another executor holds this run: epoch {holder}, this one is {epoch}")]
    Fenced {
        /// The epoch of the holder.
        holder: u64,
        /// The epoch of this writer.
        epoch: u64,
    },
    /// A record is larger than a frame may be. Nothing was written and the journal is well.
    #[error("a record of {bytes} bytes is more than the journal takes ({MAX_PAYLOAD})")]
    TooLarge {
        /// The bytes of its payload.
        bytes: usize,
    },
    /// A record cannot be written as JSON. Nothing was written and the journal is well.
    #[error("a record cannot be written as JSON")]
    Unwritable(#[source] serde_json::Error),
}

impl Writer {
    /// Makes the journal of a new run: durable and empty, epoch 1.
    ///
    /// # Errors
    /// When a journal exists there already, or it cannot be written.
    pub fn create(storage: impl Storage + 'static, nonce: Nonce, clocks: Clocks) -> Result<Self, JournalError> {
        let mut storage: Box<dyn Storage> = Box::new(storage);
        let head = Head { generation: 1, nonce, epoch: 1, acked: Position::START, clocks, origin: Origin::Executor };
        storage.create(&first_blocks(&head)).map_err(|source| JournalError::Failed { attempted: "create it", source })?;
        storage.claim(1).map_err(|source| JournalError::Failed { attempted: "claim the run", source })?;
        Ok(Self::resume(storage, head))
    }

    /// A writer that goes on after a durable head that acknowledges everything.
    pub(super) fn resume(storage: Box<dyn Storage>, head: Head) -> Self {
        let clocks = (head.clocks.at, head.clocks.uptime_ms);
        Self {
            storage,
            nonce: head.nonce,
            epoch: head.epoch,
            boot: head.clocks.boot.clone(),
            durable: head.acked,
            durable_clocks: clocks,
            appended: head.acked,
            appended_clocks: clocks,
            head,
            buffer: Vec::new(),
            poison: None,
        }
    }

    /// Adds a record to the batch. It is not durable, and nothing may act on it, before [`Self::commit`] returned.
    ///
    /// # Errors
    /// `TooLarge` and `Unwritable` leave the journal as it was. A full batch is committed first, which can fail as `commit`.
    pub fn append(&mut self, at: Timestamp, uptime_ms: u64, event: Event) -> Result<Record, JournalError> {
        let seq = self.append_ref(at, uptime_ms, &event)?;
        Ok(Record { seq, epoch: self.epoch, at, uptime_ms, event })
    }

    /// As [`Self::append`], for a caller that keeps the event; gives the number of the record.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub fn append_ref(&mut self, at: Timestamp, uptime_ms: u64, event: &Event) -> Result<u64, JournalError> {
        self.check_poison()?;
        if self.buffer.len() + MAX_FRAME > MAX_BATCH {
            self.commit()?;
        }
        let start = frame::begin(&mut self.buffer);
        let encoded = wire::encode(at, uptime_ms, event, &mut self.buffer);
        let bytes = self.buffer.len() - start - frame::HEADER;
        if let Err(error) = encoded {
            self.buffer.truncate(start);
            return Err(JournalError::Unwritable(error));
        }
        if bytes > MAX_PAYLOAD {
            self.buffer.truncate(start);
            return Err(JournalError::TooLarge { bytes });
        }
        let seq = self.appended.seq + 1;
        let place = Place { seq, batch: self.durable.seq + 1, epoch: self.epoch, nonce: self.nonce, prev: self.appended.chain };
        let chain = frame::seal(&mut self.buffer, start, place);
        let offset = self.appended.offset + (self.buffer.len() - start) as u64;
        self.appended = Position { seq, offset, chain };
        self.appended_clocks = (at, uptime_ms);
        Ok(seq)
    }

    /// Makes every appended record durable, with one sync.
    ///
    /// # Errors
    /// `Failed` and `Fenced` poison the writer: whether the batch is durable is not known, and nothing may act on it.
    pub fn commit(&mut self) -> Result<(), JournalError> {
        self.check_poison()?;
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.check_holder()?;
        let following = self.following_head();
        if let Some(head) = &following {
            let slot = head.to_bytes();
            self.storage.write_at(&slot, head.offset()).map_err(|source| self.fail("write its head", source))?;
        }
        // The buffer is taken so that a failure leaves nothing behind that could be written again.
        let mut batch = std::mem::take(&mut self.buffer);
        let offset = self.durable.offset;
        self.storage.write_at(&batch, offset).map_err(|source| self.fail("write records", source))?;
        self.storage.sync().map_err(|source| self.fail("sync records", source))?;
        if let Some(head) = following {
            self.head = head;
        }
        self.durable = self.appended;
        self.durable_clocks = self.appended_clocks;
        batch.clear();
        batch.shrink_to(MAX_PAYLOAD);
        self.buffer = batch;
        Ok(())
    }

    /// Commits, and lets the head follow, so that no record of a quiet journal is in doubt. Costs nothing when it has.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub fn settle(&mut self) -> Result<(), JournalError> {
        self.commit()?;
        let Some(head) = self.following_head() else { return Ok(()) };
        self.check_holder()?;
        self.storage.write_at(&head.to_bytes(), head.offset()).map_err(|source| self.fail("write its head", source))?;
        self.storage.sync().map_err(|source| self.fail("sync its head", source))?;
        self.head = head;
        Ok(())
    }

    /// Every record of the journal from the first, durable or not, read back from the file in constant memory.
    pub fn records(&self) -> Records<'_> {
        Records::new(&*self.storage, self.nonce)
    }

    /// The epoch of this writer.
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The run's nonce.
    pub const fn nonce(&self) -> Nonce {
        self.nonce
    }

    /// How far the records are durable.
    pub const fn durable(&self) -> Position {
        self.durable
    }

    /// How far records were appended, durable or not.
    pub const fn appended(&self) -> Position {
        self.appended
    }

    /// Whether a failed write or sync closed this writer for ever.
    pub const fn is_poisoned(&self) -> bool {
        self.poison.is_some()
    }

    /// The head that the durable records ask for; `None` when the durable head says it already.
    fn following_head(&self) -> Option<Head> {
        let (at, uptime_ms) = self.durable_clocks;
        (self.head.acked != self.durable).then(|| Head {
            generation: self.head.generation + 1,
            nonce: self.nonce,
            epoch: self.epoch,
            acked: self.durable,
            clocks: Clocks { at, uptime_ms, boot: self.boot.clone() },
            origin: self.head.origin,
        })
    }

    fn check_poison(&self) -> Result<(), JournalError> {
        self.poison.as_ref().map_or(Ok(()), |why| Err(JournalError::Poisoned(why.clone())))
    }

    /// A writer that was taken over must not write: the file may be another's by now.
    fn check_holder(&mut self) -> Result<(), JournalError> {
        let holder = match self.storage.holder() {
            Ok(holder) => holder,
            Err(source) => {
                self.poison = Some(format!("cannot tell who holds the run: {source}"));
                return Err(JournalError::Failed { attempted: "see who holds the run", source });
            }
        };
        if holder == self.epoch {
            return Ok(());
        }
        self.poison = Some(format!("epoch {holder} has taken over"));
        Err(JournalError::Fenced { holder, epoch: self.epoch })
    }

    /// Poisons the writer, and leaves the mark that makes the next start copy the file.
    fn fail(&mut self, attempted: &'static str, source: io::Error) -> JournalError {
        self.poison = Some(format!("could not {attempted}: {source}"));
        let _ = self.storage.write_at(&Mark::Poisoned.to_bytes(), MARK_START);
        JournalError::Failed { attempted, source }
    }
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer")
            .field("epoch", &self.epoch)
            .field("durable", &self.durable)
            .field("appended", &self.appended)
            .field("poison", &self.poison)
            .finish_non_exhaustive()
    }
}

const _: () = assert!(MAX_BATCH > MAX_FRAME + SLOT, "a batch holds at least one record of the largest size");
