//! Salvage: the valid prefix of a damaged journal, copied into a new file. The damaged file is not touched.

use std::fs::File;
use std::io;
use std::path::Path;

use super::folder::write_whole_with;
use super::head::{Clocks, FRAMES_START, Head, Origin, first_blocks};
use super::recovery::{ExamineError, Verdict, examine};
use super::storage::{ReadAt, read_exact_at};
use crate::model::Timestamp;

/// What was salvaged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Salvaged {
    /// What was wrong.
    pub verdict: Verdict,
    /// How many records the new file holds.
    pub records: u64,
    /// From which byte of the damaged file nothing was taken.
    pub upto: u64,
    /// How many bytes were left behind.
    pub left: u64,
}

/// Why nothing was salvaged.
#[derive(Debug, thiserror::Error)]
pub enum SalvageError {
    /// The file is no journal, or cannot be read.
    #[error(transparent)]
    Examine(#[from] ExamineError),
    /// The new file exists already.
    #[error("the new file exists already")]
    Exists,
    /// The new file cannot be written.
    #[error("the new file cannot be written")]
    Io(#[from] io::Error),
}

/// Copies the records that can be trusted from the journal at `from` into a new journal at `to`.
///
/// The head of the new file says that it was salvaged, and so does every later one: an audit of that run will always say so.
///
/// # Errors
/// When `from` is no journal, or `to` exists or cannot be written.
pub fn salvage(from: &Path, to: &Path) -> Result<Salvaged, SalvageError> {
    let source = File::open(from)?;
    let found = examine(&source)?;
    if to.exists() {
        return Err(SalvageError::Exists);
    }
    let end = found.end.position;
    let newest = found.heads.newest();
    let head = Head {
        generation: 1,
        nonce: found.nonce,
        epoch: newest.map_or(0, |head| head.epoch).max(found.end.epoch),
        acked: end,
        clocks: newest.map_or_else(
            || Clocks { at: Timestamp::from_millis(0), uptime_ms: 0, boot: String::new() },
            |head| head.clocks.clone(),
        ),
        origin: Origin::Salvage,
    };
    write_whole_with(to, |file| {
        use std::io::Write as _;
        file.write_all(&first_blocks(&head))?;
        let mut part = vec![0; 1 << 20];
        let mut at = FRAMES_START;
        while at < end.offset {
            let len = usize::try_from(end.offset - at).unwrap_or(usize::MAX).min(part.len());
            read_exact_at(&source, &mut part[..len], at)?;
            file.write_all(&part[..len])?;
            at += len as u64;
        }
        Ok(())
    })?;
    Ok(Salvaged { verdict: found.verdict, records: end.seq, upto: end.offset, left: source.size()?.saturating_sub(end.offset) })
}
