//! Reading records without the lock: status, audit, and the fold of an executor that resumes.
//!
//! A live run may be in the middle of a write: what follows the acknowledged records ends quietly at the first byte that is
//! no record. What the head acknowledges has to be there.

use std::fs::File;
use std::io;
use std::path::Path;

use super::frame::Nonce;
use super::head::{Head, Heads, Position};
use super::recovery::{Corruption, ExamineError, read_heads};
use super::storage::ReadAt;
use super::stream::{Cursor, Frames, Step};
use super::wire;
use crate::model::Digest;
use crate::run::Record;

/// One record with its place in the chain.
#[derive(Clone, PartialEq, Debug)]
pub struct Entry {
    /// The record.
    pub record: Record,
    /// Where its frame begins, in bytes.
    pub offset: u64,
    /// The SHA-256 of its frame.
    pub chain: Digest,
    /// The number of the first record that was synced with it.
    pub batch: u64,
}

/// Why a record could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be read.
    #[error("the journal cannot be read")]
    Io(#[from] io::Error),
    /// The file is no journal.
    #[error("this file is not a journal: it has neither a head nor a first record")]
    NotAJournal,
    /// An acknowledged record is damaged or lost.
    #[error("the journal is corrupt from byte {} on: {}", .0.offset(), .0)]
    Corrupt(Corruption),
    /// A frame is whole, but its payload is none that this version knows.
    #[error("record {seq} at byte {offset} is whole, but this version cannot read what it says")]
    Payload {
        /// The record.
        seq: u64,
        /// Where its frame begins.
        offset: u64,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
}

impl From<ExamineError> for ReadError {
    fn from(error: ExamineError) -> Self {
        match error {
            ExamineError::Io(error) => Self::Io(error),
            ExamineError::NotAJournal => Self::NotAJournal,
        }
    }
}

/// The records of a journal in order. After the last one it can be asked again: a live run appends more.
#[derive(Debug)]
pub struct Reader<F = File> {
    file: F,
    head: Head,
    frames: Frames,
}

impl Reader {
    /// Opens the journal at `path` for reading, without its lock.
    ///
    /// # Errors
    /// When it cannot be read, or has no valid head.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        Self::over(File::open(path)?)
    }
}

impl<F: ReadAt> Reader<F> {
    /// Reads from any file.
    ///
    /// # Errors
    /// When it cannot be read, or has no valid head.
    pub fn over(file: F) -> Result<Self, ReadError> {
        let head = newest(&read_heads(&file)?)?;
        let frames = Frames::new(head.nonce, Cursor::START);
        Ok(Self { file, head, frames })
    }

    /// The newest head: how far the records are acknowledged, by which epoch, and when.
    pub const fn head(&self) -> &Head {
        &self.head
    }

    /// The place after the last record that was read.
    pub const fn place(&self) -> Position {
        self.frames.cursor().position
    }

    fn read(&mut self) -> Result<Option<Entry>, ReadError> {
        let before = self.place();
        let acked = self.head.acked;
        if before.seq == acked.seq && before != acked {
            return Err(ReadError::Corrupt(Corruption::ChainBroken { seq: before.seq, offset: before.offset }));
        }
        let lost = before.seq < acked.seq;
        let (last, offset) = (before.seq, before.offset);
        match self.frames.next(&self.file)? {
            Step::Frame { header, payload, hash, .. } => {
                let content = wire::decode(payload).map_err(|source| ReadError::Payload { seq: header.seq, offset, source })?;
                let wire::Content { at, uptime_ms, event } = content;
                let record = Record { seq: header.seq, epoch: header.epoch, at, uptime_ms, event };
                Ok(Some(Entry { record, offset, chain: hash, batch: header.batch }))
            }
            Step::End if lost => Err(ReadError::Corrupt(Corruption::Shortened { acked: acked.seq, last, offset })),
            Step::Flaw(flaw) if lost => {
                Err(ReadError::Corrupt(Corruption::AcknowledgedLost { acked: acked.seq, last, offset, flaw }))
            }
            Step::End | Step::Flaw(_) => Ok(None),
        }
    }
}

impl<F: ReadAt> Iterator for Reader<F> {
    type Item = Result<Entry, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

/// The records of an open journal, read back through its writer's file.
pub struct Records<'s> {
    file: &'s dyn ReadAt,
    frames: Frames,
}

impl<'s> Records<'s> {
    pub(super) fn new(file: &'s dyn ReadAt, nonce: Nonce) -> Self {
        Self { file, frames: Frames::new(nonce, Cursor::START) }
    }
}

impl Iterator for Records<'_> {
    type Item = Result<Record, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let offset = self.frames.cursor().position.offset;
        match self.frames.next(self.file) {
            Ok(Step::Frame { header, payload, .. }) => Some(
                wire::decode(payload)
                    .map(|wire::Content { at, uptime_ms, event }| Record {
                        seq: header.seq,
                        epoch: header.epoch,
                        at,
                        uptime_ms,
                        event,
                    })
                    .map_err(|source| ReadError::Payload { seq: header.seq, offset, source }),
            ),
            // The file was examined when it was opened and is locked since: what ends it is its end.
            Ok(Step::End | Step::Flaw(_)) => None,
            Err(error) => Some(Err(error.into())),
        }
    }
}

impl std::fmt::Debug for Records<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Records").field("frames", &self.frames).finish_non_exhaustive()
    }
}

/// A live journal as it was at one moment: the head, and the file no longer than it was then.
///
/// The head is read before and after the length; when it is the same, no more than a crash could leave follows it.
///
/// # Errors
/// When the file cannot be read, or is too short to hold a head.
pub fn still<F: ReadAt>(file: &F) -> Result<(Heads, Still<'_, F>), ExamineError> {
    const TRIES: u32 = 1_000;
    let mut heads = read_heads(file)?;
    for _ in 0..TRIES {
        let len = file.size()?;
        let after = read_heads(file)?;
        if after == heads {
            return Ok((heads, Still { file, len }));
        }
        heads = after;
    }
    Ok((heads, Still { file, len: file.size()? }))
}

/// The first `len` bytes of a file that may be growing.
#[derive(Debug)]
pub struct Still<'f, F> {
    file: &'f F,
    /// How many bytes there were.
    pub len: u64,
}

impl<F: ReadAt> ReadAt for Still<'_, F> {
    fn size(&self) -> io::Result<u64> {
        Ok(self.len)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let left = usize::try_from(self.len.saturating_sub(offset)).unwrap_or(usize::MAX).min(buffer.len());
        self.file.read_at(&mut buffer[..left], offset)
    }
}

fn newest(heads: &Heads) -> Result<Head, ReadError> {
    heads.newest().cloned().ok_or(ReadError::Corrupt(Corruption::HeadLost { records: 0 }))
}
