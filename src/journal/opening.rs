//! Opening a journal: examine, claim, repair what a crash explains, refuse the rest.
//!
//! Every repair can be interrupted anywhere and started again: bytes are kept before they are cut, and the head speaks of
//! nothing that is not durable.

use std::io;

use super::head::{Clocks, Head, MARK_START, Mark, Origin, Position};
use super::recovery::{Corruption, Examination, ExamineError, Verdict, examine};
use super::storage::{Storage, read_exact_at};
use super::writer::Writer;

/// A journal that was opened.
#[derive(Debug)]
pub struct Opened {
    /// The writer, in a new epoch; `writer.records()` reads what is there.
    pub writer: Writer,
    /// What was found.
    pub verdict: Verdict,
    /// What had to be cut or copied; goes into the journal as `JournalRepaired`.
    pub repaired: Option<Repaired>,
}

/// What a repair did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Repaired {
    /// The torn bytes that were cut; 0 when the journal was only copied after a failed sync.
    pub bytes: u64,
    /// The file that holds what was taken away, relative to the run's folder.
    pub kept: String,
}

/// Why a journal was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// An acknowledged record is damaged or lost.
    #[error(
        "the journal is corrupt from byte {} on: {}. Nothing was changed. \
         `pointsman journal salvage` copies the records before that byte into a new file",
        .0.offset(),
        .0
    )]
    Corrupt(Corruption),
    /// The file is no journal.
    #[error("this file is not a journal: it has neither a head nor a first record")]
    NotAJournal,
    /// A file operation failed.
    #[error("the journal could not be opened while trying to {attempted}")]
    Io {
        /// What was tried.
        attempted: &'static str,
        /// What the disk said.
        #[source]
        source: io::Error,
    },
}

/// Opens the journal of a run that was started before. The storage is locked already, by its type.
///
/// `clocks` are the clocks of now; they stand in the head until the first record is acknowledged.
///
/// # Errors
/// `Corrupt` when a repair would lose an acknowledged record; nothing is changed then.
pub fn open(storage: impl Storage + 'static, clocks: Clocks) -> Result<Opened, OpenError> {
    let mut storage: Box<dyn Storage> = Box::new(storage);
    // What an earlier executor wrote and did not sync becomes durable, or the failure shows, before anything is believed.
    if let Err(source) = storage.sync() {
        mark_poisoned(&mut *storage);
        return Err(OpenError::Io { attempted: "sync it before reading", source });
    }
    storage.sync_folder().map_err(|source| OpenError::Io { attempted: "sync its folder", source })?;
    let found = match examine(&*storage) {
        Ok(found) => found,
        Err(ExamineError::NotAJournal) => return Err(OpenError::NotAJournal),
        Err(ExamineError::Io(source)) => return Err(OpenError::Io { attempted: "read it", source }),
    };
    let newest = found.heads.newest();
    let epoch = newest.map_or(0, |head| head.epoch).max(found.end.epoch) + 1;
    let acked = newest.map_or(Position::START, |head| head.acked);
    let generation = newest.map_or(1, |head| head.generation + 1);

    let mut repair = Repair { storage: &mut *storage, found: &found, epoch };
    let repaired = match found.verdict {
        Verdict::Corrupt(corruption) => return Err(OpenError::Corrupt(corruption)),
        Verdict::Clean | Verdict::Unacknowledged { .. } | Verdict::HeadRebuilt => {
            repair.claim()?;
            repair.copy_if_poisoned()?
        }
        Verdict::TornTail { offset, bytes, .. } => {
            repair.claim()?;
            match repair.copy_if_poisoned()? {
                // The old file is kept whole, the torn bytes in it.
                Some(copied) => Some(Repaired { bytes, ..copied }),
                None => {
                    let kept = repair.keep_tail(offset)?;
                    repair.cut(offset)?;
                    Some(Repaired { bytes, kept })
                }
            }
        }
    };
    repair.rewrite(acked.offset)?;
    // A salvaged journal stays one: what it lost does not come back.
    let origin = newest.map_or(Origin::Executor, |head| head.origin);
    let head = Head { generation, nonce: found.nonce, epoch, acked: found.end.position, clocks, origin };
    repair.write_head(&head, Lasting::from(&found))?;
    Ok(Opened { writer: Writer::resume(storage, head), verdict: found.verdict, repaired })
}

/// Whether the file has a durable head that a torn write of the new one would leave.
enum Lasting {
    Head,
    Nothing,
}

impl From<&Examination> for Lasting {
    fn from(found: &Examination) -> Self {
        if found.heads.newest().is_some() { Self::Head } else { Self::Nothing }
    }
}

struct Repair<'s> {
    storage: &'s mut dyn Storage,
    found: &'s Examination,
    epoch: u64,
}

impl Repair<'_> {
    fn claim(&mut self) -> Result<(), OpenError> {
        self.storage.claim(self.epoch).map_err(|source| OpenError::Io { attempted: "claim the run", source })
    }

    fn keep_tail(&mut self, offset: u64) -> Result<String, OpenError> {
        let name = format!("torn-after-{}-epoch-{}", self.found.end.position.seq, self.epoch);
        self.storage.keep(&name, offset).map_err(|source| OpenError::Io { attempted: "keep a copy of the torn tail", source })
    }

    /// After a failed write or sync the valid prefix is copied into a new file before anything is appended.
    fn copy_if_poisoned(&mut self) -> Result<Option<Repaired>, OpenError> {
        match self.found.heads.mark {
            Mark::None => Ok(None),
            Mark::Poisoned => {
                let name = format!("journal-before-epoch-{}", self.epoch);
                let kept = self
                    .storage
                    .rebuild(&name, self.found.end.position.offset)
                    .map_err(|source| OpenError::Io { attempted: "copy it into a new file", source })?;
                Ok(Some(Repaired { bytes: 0, kept }))
            }
        }
    }

    fn cut(&mut self, offset: u64) -> Result<(), OpenError> {
        self.storage.truncate(offset).map_err(|source| OpenError::Io { attempted: "cut the torn tail", source })?;
        self.sync("sync the cut")
    }

    /// Writes the newest head and the unacknowledged records over themselves. Should their first sync have failed unseen,
    /// memory takes them for clean, and only a new write makes the next sync carry them.
    fn rewrite(&mut self, from: u64) -> Result<(), OpenError> {
        const PART: u64 = 1 << 20;
        let failed = |source| OpenError::Io { attempted: "write unacknowledged records again", source };
        if let Some(head) = self.found.heads.newest() {
            self.storage.write_at(&head.to_bytes(), head.offset()).map_err(failed)?;
        }
        let upto = self.found.end.position.offset;
        let mut at = from;
        while at < upto {
            let len = usize::try_from(PART.min(upto - at)).expect("invariant: a part fits in memory");
            let mut part = vec![0; len];
            read_exact_at(&*self.storage, &mut part, at).map_err(|source| OpenError::Io { attempted: "read it", source })?;
            self.storage.write_at(&part, at).map_err(failed)?;
            at += len as u64;
        }
        self.sync("sync unacknowledged records")
    }

    fn write_head(&mut self, head: &Head, lasting: Lasting) -> Result<(), OpenError> {
        let mut write = |head: &Head| {
            self.storage
                .write_at(&head.to_bytes(), head.offset())
                .map_err(|source| OpenError::Io { attempted: "write its head", source })
        };
        match lasting {
            Lasting::Head => {}
            Lasting::Nothing => write(&Head { generation: head.generation - 1, ..head.clone() })?,
        }
        write(head)?;
        match self.found.heads.mark {
            Mark::None => {}
            Mark::Poisoned => self
                .storage
                .write_at(&Mark::None.to_bytes(), MARK_START)
                .map_err(|source| OpenError::Io { attempted: "clear the mark of the failed write", source })?,
        }
        self.sync("sync its head")
    }

    fn sync(&mut self, attempted: &'static str) -> Result<(), OpenError> {
        self.storage.sync().map_err(|source| {
            mark_poisoned(self.storage);
            OpenError::Io { attempted, source }
        })
    }
}

/// Tells the next start of a failed sync, as the writer does.
fn mark_poisoned(storage: &mut dyn Storage) {
    let _ = storage.write_at(&Mark::Poisoned.to_bytes(), MARK_START);
}
