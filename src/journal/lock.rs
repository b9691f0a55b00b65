//! One executor per run: an operating-system lock on the run's folder, and who holds it.
//!
//! The lock file is never deleted. It names the holder's epoch: a writer reads it again before each commit, so that an
//! executor that was taken over (its lock lost with a network mount, its file replaced) stops instead of writing.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::time::Duration;

use super::folder::RunFolder;

/// How often a taken lock is tried again: somebody may only be looking whether it is held.
const TRIES: u32 = 5;
const BETWEEN_TRIES: Duration = Duration::from_millis(20);

/// Who holds a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Holder {
    /// The process id.
    pub pid: u32,
    /// The epoch; 0 before the holder has read the journal.
    pub epoch: u64,
}

/// Why a run could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another executor drives the run.
    #[error("another executor drives this run{}", .0.map_or(String::new(), |holder| format!(" (process {})", holder.pid)))]
    Held(Option<Holder>),
    /// The lock file cannot be used.
    #[error("the run cannot be locked")]
    Io(#[from] io::Error),
}

/// The lock of a run; let go when it is dropped or its process ends.
#[derive(Debug)]
pub struct RunLock {
    file: File,
    path: PathBuf,
}

impl RunLock {
    /// Locks the run in `folder`.
    ///
    /// # Errors
    /// `Held` when another executor has it.
    pub fn acquire(folder: &RunFolder) -> Result<Self, LockError> {
        let path = folder.lock();
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
        for attempt in 1.. {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if attempt < TRIES => std::thread::sleep(BETWEEN_TRIES),
                Err(TryLockError::WouldBlock) => return Err(LockError::Held(read(&file)?)),
                Err(TryLockError::Error(error)) => return Err(error.into()),
            }
        }
        let lock = Self { file, path };
        lock.claim(0)?;
        Ok(lock)
    }

    /// Writes down the epoch of the holder.
    ///
    /// # Errors
    /// When the lock file cannot be written.
    pub fn claim(&self, epoch: u64) -> io::Result<()> {
        // The width is fixed, so that a reader never sees half of an old text behind a new one.
        self.file.write_all_at(format!("pid {:010} epoch {epoch:020}\n", std::process::id()).as_bytes(), 0)
    }

    /// Who the file under the lock's name says holds the run: this executor, unless it was taken over.
    ///
    /// # Errors
    /// When the lock file is gone or cannot be read.
    pub fn holder(&self) -> io::Result<Option<Holder>> {
        read(&File::open(&self.path)?)
    }
}

/// Who drives the run in `folder` right now; `None` when nobody does.
///
/// # Errors
/// When the lock file cannot be read.
pub fn holder(folder: &RunFolder) -> io::Result<Option<Holder>> {
    let file = match File::open(folder.lock()) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => Ok(Some(read(&file)?.unwrap_or(Holder { pid: 0, epoch: 0 }))),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn read(file: &File) -> io::Result<Option<Holder>> {
    let mut text = [0; 64];
    let len = file.read_at(&mut text, 0)?;
    let Ok(text) = std::str::from_utf8(&text[..len]) else { return Ok(None) };
    let mut words = text.split_whitespace();
    let (Some("pid"), Some(pid), Some("epoch"), Some(epoch)) = (words.next(), words.next(), words.next(), words.next()) else {
        return Ok(None);
    };
    Ok(pid.parse().ok().zip(epoch.parse().ok()).map(|(pid, epoch)| Holder { pid, epoch }))
}
