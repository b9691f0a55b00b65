//! The verdict over a journal as it was found: the table of `docs/journal.md`, every row.
//!
//! The heart of it: a batch is written only after the batch before it was synced, and an effect follows only a synced batch.
//! So a crash can leave holes in the last batch and nowhere else. A hole that anything later than its own batch stands
//! behind is damage to acknowledged records, and no repair may hide it.

use std::io;

use super::frame::{Flaw, HEADER, Header, MAGIC, Nonce};
use super::head::{FRAMES_START, Head, Heads, Position, SLOT};
use super::storage::{ReadAt, read_exact_at};
use super::stream::{Cursor, Frames, Step};
use super::writer::MAX_BATCH;
use crate::model::Digest;

/// What was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Every record is acknowledged and nothing follows.
    Clean,
    /// Valid records follow the acknowledged ones, no more than a crash explains; they are kept.
    Unacknowledged {
        /// How many.
        records: u64,
    },
    /// The last batch is torn: its whole records are kept, the rest is copied away and cut.
    TornTail {
        /// Valid records after the acknowledged ones.
        records: u64,
        /// Where the torn bytes begin.
        offset: u64,
        /// How many bytes they are.
        bytes: u64,
    },
    /// Both slots are damaged and there is one record: nothing had happened yet, so the head is made anew.
    HeadRebuilt,
    /// An acknowledged record is damaged or lost. A person has to decide.
    Corrupt(Corruption),
}

/// How a journal contradicts itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Corruption {
    /// Fewer records can be read than the head acknowledges.
    #[error("record {} is acknowledged, but {flaw} at byte {offset}, after record {last}", .acked)]
    AcknowledgedLost {
        /// The last acknowledged record.
        acked: u64,
        /// The last record that can be read.
        last: u64,
        /// Where reading ended.
        offset: u64,
        /// What stands there.
        flaw: Flaw,
    },
    /// The file ends before the last acknowledged record.
    #[error("record {acked} is acknowledged, but the file ends at byte {offset}, after record {last}")]
    Shortened {
        /// The last acknowledged record.
        acked: u64,
        /// The last record that can be read.
        last: u64,
        /// Where the file ends.
        offset: u64,
    },
    /// The acknowledged record is not the one that the head describes.
    #[error("record {seq}, which ends at byte {offset}, is not the one that the head acknowledged")]
    ChainBroken {
        /// The record.
        seq: u64,
        /// Where it ends.
        offset: u64,
    },
    /// A record stands behind a hole that its own batch cannot explain.
    #[error("bytes that are no record stand at byte {hole}, and record {seq} stands behind them at byte {offset}")]
    RecordAfterHole {
        /// Where the hole begins.
        hole: u64,
        /// Where the record stands.
        offset: u64,
        /// Its number.
        seq: u64,
    },
    /// More follows the acknowledged records than a crash can leave.
    #[error("the head acknowledges record {acked}, but the records after byte {offset} are more than a crash can leave")]
    HeadBehind {
        /// The last acknowledged record.
        acked: u64,
        /// Where the first record stands that is too many.
        offset: u64,
    },
    /// Bytes that are no records follow, more than one batch can hold.
    #[error("{bytes} bytes that are no records stand at byte {offset}, more than one batch can hold")]
    TailTooLong {
        /// Where they begin.
        offset: u64,
        /// How many.
        bytes: u64,
    },
    /// Both slots of the head are damaged.
    #[error("both slots of the head are damaged, and the journal holds {records} records or more")]
    HeadLost {
        /// How many records can be read.
        records: u64,
    },
    /// The two slots speak of different runs.
    #[error("the two slots of the head speak of different runs")]
    HeadsDisagree,
}

impl Corruption {
    /// The first byte from which the journal cannot be trusted.
    pub const fn offset(&self) -> u64 {
        match self {
            Self::AcknowledgedLost { offset, .. }
            | Self::Shortened { offset, .. }
            | Self::ChainBroken { offset, .. }
            | Self::HeadBehind { offset, .. }
            | Self::TailTooLong { offset, .. } => *offset,
            Self::RecordAfterHole { hole, .. } => *hole,
            Self::HeadLost { .. } | Self::HeadsDisagree => 0,
        }
    }
}

/// A journal after it was read from end to end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Examination {
    /// The verdict.
    pub verdict: Verdict,
    /// The run's nonce.
    pub nonce: Nonce,
    /// The slots of the head.
    pub heads: Heads,
    /// The place after the last valid record.
    pub end: Cursor,
}

/// Why a file could not be examined.
#[derive(Debug, thiserror::Error)]
pub enum ExamineError {
    /// It cannot be read.
    #[error("the journal cannot be read")]
    Io(#[from] io::Error),
    /// It has neither a head nor a first record.
    #[error("this file is not a journal: it has neither a head nor a first record")]
    NotAJournal,
}

/// The most batches that a crash leaves behind the head: the one whose acknowledgement was on its way, and the one in flight.
const BATCHES_IN_FLIGHT: u32 = 2;

/// Reads the whole journal and says what state it is in. Changes nothing.
///
/// # Errors
/// When the file cannot be read, or is no journal at all.
pub fn examine(file: &(impl ReadAt + ?Sized)) -> Result<Examination, ExamineError> {
    let heads = read_heads(file)?;
    examine_from(file, heads, Cursor::START, &mut |_, _| {})
}

/// Reads the blocks before the first frame.
///
/// # Errors
/// When the file cannot be read, or is too short to hold them.
pub fn read_heads(file: &(impl ReadAt + ?Sized)) -> Result<Heads, ExamineError> {
    let mut bytes = [0; 3 * SLOT];
    match read_exact_at(file, &mut bytes, 0) {
        Ok(()) => Ok(Heads::from_bytes(&bytes)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(ExamineError::NotAJournal),
        Err(error) => Err(error.into()),
    }
}

/// Examines the rest of a journal whose frames up to `from` are known to be good, and shows every good frame to `visit`.
///
/// # Errors
/// As [`examine`].
pub fn examine_from(
    file: &(impl ReadAt + ?Sized),
    heads: Heads,
    from: Cursor,
    visit: &mut dyn FnMut(&Header, &[u8]),
) -> Result<Examination, ExamineError> {
    let nonce = match heads.newest() {
        Some(head) => head.nonce,
        None => first_nonce(file)?,
    };
    let mut scan = Scan { frames: Frames::new(nonce, from), batches: 0, broken: None };
    let stop = scan.run(file, &heads, visit)?;
    let end = scan.frames.cursor();
    let verdict = match (scan.broken, heads.newest()) {
        (Some(corruption), _) => Verdict::Corrupt(corruption),
        (None, None) => without_head(end.position, &stop)?,
        (None, Some(head)) => scan.compare(file, &heads, head, &stop)?,
    };
    Ok(Examination { verdict, nonce, heads, end })
}

/// Where the valid frames ended.
enum Stop {
    End,
    Flaw(Flaw),
}

struct Scan {
    frames: Frames,
    /// Batches that begin after the acknowledged records.
    batches: u32,
    broken: Option<Corruption>,
}

impl Scan {
    /// Reads frame after frame until one is not the next, or one contradicts the head.
    fn run(&mut self, file: &(impl ReadAt + ?Sized), heads: &Heads, visit: &mut dyn FnMut(&Header, &[u8])) -> io::Result<Stop> {
        let newest = heads.newest();
        let older = heads.older().map(|head| head.acked);
        let acked = newest.map(|head| head.acked);
        loop {
            let before = self.frames.cursor().position;
            if self.broken.is_none() {
                self.broken = [acked, older].into_iter().flatten().find_map(|said| contradiction(said, before));
            }
            if self.broken.is_some() {
                return Ok(Stop::End);
            }
            let header = match self.frames.next(file)? {
                Step::Frame { header, payload, .. } => {
                    visit(&header, payload);
                    header
                }
                Step::End => return Ok(Stop::End),
                Step::Flaw(flaw) => return Ok(Stop::Flaw(flaw)),
            };
            let Some(head) = newest else { continue };
            if header.seq <= head.acked.seq {
                continue;
            }
            // The acknowledgement may have split nothing: a head always stands at the end of a batch.
            self.batches += u32::from(header.batch == header.seq);
            if self.batches > BATCHES_IN_FLIGHT || header.batch <= head.acked.seq || header.epoch > head.epoch {
                self.broken = Some(Corruption::HeadBehind { acked: head.acked.seq, offset: before.offset });
            }
        }
    }

    /// Compares the end of the valid frames with what the newest head says.
    fn compare(&self, file: &(impl ReadAt + ?Sized), heads: &Heads, head: &Head, stop: &Stop) -> io::Result<Verdict> {
        let end = self.frames.cursor();
        let Position { seq: last, offset, .. } = end.position;
        let acked = head.acked.seq;
        if heads.older().is_some_and(|older| older.nonce != head.nonce) {
            return Ok(Verdict::Corrupt(Corruption::HeadsDisagree));
        }
        if last < acked {
            return Ok(Verdict::Corrupt(match stop {
                Stop::End => Corruption::Shortened { acked, last, offset },
                Stop::Flaw(flaw) => Corruption::AcknowledgedLost { acked, last, offset, flaw: *flaw },
            }));
        }
        let records = last - acked;
        match stop {
            Stop::End if records == 0 => Ok(Verdict::Clean),
            Stop::End => Ok(Verdict::Unacknowledged { records }),
            Stop::Flaw(_) => {
                let bytes = file.size()?.saturating_sub(offset);
                if bytes > MAX_BATCH as u64 {
                    return Ok(Verdict::Corrupt(Corruption::TailTooLong { offset, bytes }));
                }
                let found = search(file, head.nonce, offset, bytes)?;
                Ok(match found.into_iter().find(|(_, header)| !self.torn_with(header)) {
                    Some((at, header)) => {
                        Verdict::Corrupt(Corruption::RecordAfterHole { hole: offset, offset: at, seq: header.seq })
                    }
                    None => Verdict::TornTail { records, offset, bytes },
                })
            }
        }
    }

    /// Whether a header behind the hole can be of the batch that the hole is in: the one of the last valid frame going on,
    /// or the one that begins where the hole is.
    fn torn_with(&self, header: &Header) -> bool {
        let end = self.frames.cursor();
        let next = end.position.seq + 1;
        let goes_on = header.batch == end.batch && header.epoch == end.epoch && self.batches > 0;
        let begins = header.batch == next && header.epoch >= end.epoch && self.batches < BATCHES_IN_FLIGHT;
        header.seq >= next && (goes_on || begins)
    }
}

/// What a head and a place contradict each other in, if they do.
fn contradiction(said: Position, place: Position) -> Option<Corruption> {
    let past = place.offset > said.offset && place.seq <= said.seq;
    let differs = place.seq == said.seq && place != said;
    (past || differs).then_some(Corruption::ChainBroken { seq: place.seq, offset: place.offset })
}

/// The verdict when neither slot can be read.
fn without_head(end: Position, stop: &Stop) -> Result<Verdict, ExamineError> {
    match (end.seq, stop) {
        (0, _) => Err(ExamineError::NotAJournal),
        (1, Stop::End) => Ok(Verdict::HeadRebuilt),
        (records, _) => Ok(Verdict::Corrupt(Corruption::HeadLost { records })),
    }
}

/// The nonce of the first frame, when its header is whole.
fn first_nonce(file: &(impl ReadAt + ?Sized)) -> Result<Nonce, ExamineError> {
    let mut bytes = [0; HEADER];
    match read_exact_at(file, &mut bytes, FRAMES_START) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(ExamineError::NotAJournal),
        Err(error) => return Err(error.into()),
    }
    let header = Header::parse(&bytes).map_err(|_| ExamineError::NotAJournal)?;
    if header.seq == 1 && header.prev == Digest::ZERO { Ok(header.nonce) } else { Err(ExamineError::NotAJournal) }
}

/// Every whole header of this run in the `bytes` bytes from `from` on, whatever stands between them.
///
/// A header is enough: its checksum proves that somebody wrote it, even when its payload is torn.
fn search(file: &(impl ReadAt + ?Sized), nonce: Nonce, from: u64, bytes: u64) -> io::Result<Vec<(u64, Header)>> {
    const WINDOW: usize = 256 * 1024;
    let mut found = Vec::new();
    let mut start = from;
    while start < from + bytes {
        let remaining = usize::try_from(from + bytes - start).unwrap_or(usize::MAX);
        let mut window = vec![0; remaining.min(WINDOW)];
        read_exact_at(file, &mut window, start)?;
        for at in 0..window.len().saturating_sub(HEADER - 1) {
            if window[at] != MAGIC[0] {
                continue;
            }
            if let Ok(header) = Header::parse(&window[at..])
                && header.nonce == nonce
            {
                found.push((start + at as u64, header));
            }
        }
        if window.len() == remaining {
            break;
        }
        start += (window.len() - (HEADER - 1)) as u64;
    }
    Ok(found)
}
