//! The log follows the journals: frames that are durable in a journal and not yet in the log are added to it.
//!
//! Whatever a crash kept from the log is found here, because the journal says how far it is and the log says how far it is.
//! A journal that no longer holds what the log has of it is not followed: that is for a verification to tell.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use super::entry::Entry;
use super::tree::leaf_hash;
use super::{Log, LogError};
use crate::journal::Nonce;
use crate::journal::frame::{HEADER, Header};
use crate::journal::head::Position;
use crate::journal::recovery::{ExamineError, read_heads};
use crate::journal::storage::read_exact_at;
use crate::journal::stream::{Cursor, Frames, Step};
use crate::model::Digest;

/// How many entries are added with one sync, at most.
const PART: usize = 1 << 16;

impl Log {
    /// Follows every journal below `runs` as [`Self::follow_each`] does; gives how many entries were added.
    ///
    /// # Errors
    /// The first thing that kept a journal from being followed.
    pub fn follow_all(&mut self, runs: &Path) -> Result<u64, LogError> {
        let (added, troubles) = self.follow_each(runs)?;
        troubles.into_iter().next().map_or(Ok(added), Err)
    }

    /// Follows every journal below `runs`, as far as each acknowledges its records; gives how many entries were added, and why
    /// a journal was not followed. It keeps no other from it.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn follow_each(&mut self, runs: &Path) -> Result<(u64, Vec<LogError>), LogError> {
        let failed = || LogError::io("read", runs);
        let mut journals = Vec::new();
        match fs::read_dir(runs) {
            Ok(found) => {
                for run in found {
                    journals.push(run.map_err(failed())?.path().join("journal"));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed()(error)),
        }
        journals.sort();
        let (mut added, mut troubles) = (0, Vec::new());
        for journal in journals.iter().filter(|journal| journal.exists()) {
            match self.follow(journal, None) {
                Ok(more) => added += more,
                Err(error) => troubles.push(error),
            }
        }
        Ok((added, troubles))
    }

    /// Follows one journal up to the record `upto`, which is durable; without it as far as the journal's head acknowledges.
    ///
    /// # Errors
    /// When the journal cannot be read or is not what the log knows of it, or the entries cannot be written.
    pub fn follow(&mut self, journal: &Path, upto: Option<u64>) -> Result<u64, LogError> {
        let failed = || LogError::io("read", journal);
        let file = File::open(journal).map_err(failed())?;
        let heads = match read_heads(&file) {
            Ok(heads) => heads,
            Err(ExamineError::Io(error)) => return Err(failed()(error)),
            Err(ExamineError::NotAJournal) => return Ok(0),
        };
        // Without a head it is not known what is acknowledged; its next executor decides that.
        let Some(head) = heads.newest() else { return Ok(0) };
        let upto = upto.unwrap_or(head.acked.seq);
        if self.last.get(&head.nonce).is_some_and(|last| last.seq >= upto) || upto == 0 {
            return Ok(0);
        }
        let _turn = self.folder.lock()?;
        self.refresh()?;
        self.add(&file, journal, head.nonce, Cursor::START, upto)
    }

    /// Adds the frames of a file behind those that are in the log. The caller holds the lock.
    pub(super) fn add(&mut self, file: &File, path: &Path, nonce: Nonce, start: Cursor, upto: u64) -> Result<u64, LogError> {
        let failed = || LogError::io("read", path);
        let from = match self.last.get(&nonce) {
            Some(last) => after(file, last)
                .map_err(failed())?
                .ok_or_else(|| LogError::Foreign { journal: path.to_owned(), seq: last.seq })?,
            None => start,
        };
        let mut frames = Frames::new(nonce, from);
        let (mut new, mut added) = (Vec::new(), 0);
        while frames.cursor().position.seq < upto {
            let offset = frames.cursor().position.offset;
            match frames.next(file).map_err(failed())? {
                Step::Frame { header, frame, .. } => {
                    new.push(Entry { leaf: leaf_hash(frame), nonce, seq: header.seq, offset });
                }
                Step::End | Step::Flaw(_) => break,
            }
            if new.len() == PART {
                self.append(&new)?;
                added += new.len() as u64;
                new.clear();
            }
        }
        if !new.is_empty() {
            self.append(&new)?;
            added += new.len() as u64;
        }
        Ok(added)
    }
}

/// The cursor behind an entry; `None` when the file does not hold the frame that the entry is of.
fn after(file: &File, entry: &Entry) -> io::Result<Option<Cursor>> {
    let read = |bytes: &mut [u8]| match read_exact_at(file, bytes, entry.offset) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    };
    let mut header = [0; HEADER];
    if !read(&mut header)? {
        return Ok(None);
    }
    let Ok(header) = Header::parse(&header) else { return Ok(None) };
    let mut frame = vec![0; header.frame_len()];
    if !read(&mut frame)? || leaf_hash(&frame) != entry.leaf {
        return Ok(None);
    }
    let position = Position { seq: header.seq, offset: entry.offset + frame.len() as u64, chain: Digest::of(&frame) };
    Ok(Some(Cursor { position, epoch: header.epoch, batch: header.batch }))
}
