//! A file that is read again once it is another: who may sign in is decided by what it says now, and not by what it said when
//! the console started.

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A file that was written this short a time ago may be written once more within the same tick of the file system's clock.
const SETTLED: Duration = Duration::from_secs(2);

/// How the file becomes what it says.
type Load<T> = fn(&Path) -> Result<T, String>;

/// A file, and what it says.
pub struct Reread<T> {
    path: PathBuf,
    load: Load<T>,
    held: Mutex<Held<T>>,
}

struct Held<T> {
    /// Which file was read; none where it has to be read again in any case.
    mark: Option<Mark>,
    /// What it said when it could last be understood.
    said: Arc<T>,
    /// Why it cannot be understood now.
    trouble: Option<String>,
}

/// By what a file is known to be the same.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Mark {
    inode: u64,
    length: u64,
    written: (i64, i64),
    changed: (i64, i64),
}

impl<T> Reread<T> {
    /// Reads it for the first time.
    ///
    /// # Errors
    /// When it cannot be read or understood.
    pub fn open(path: &Path, load: Load<T>) -> Result<Self, String> {
        let mark = mark(path);
        let said = Arc::new(load(path)?);
        Ok(Self { path: path.to_owned(), load, held: Mutex::new(Held { mark, said, trouble: None }) })
    }

    /// What it says now.
    ///
    /// # Errors
    /// When it cannot be read or understood any more: then nobody is let in by it.
    pub fn now(&self) -> Result<Arc<T>, String> {
        let held = self.looked_at();
        match &held.trouble {
            Some(trouble) => Err(trouble.clone()),
            None => Ok(held.said.clone()),
        }
    }

    /// What it said when it could last be understood: a file that is just being edited throws nobody out.
    pub fn last(&self) -> Arc<T> {
        self.looked_at().said.clone()
    }

    fn looked_at(&self) -> MutexGuard<'_, Held<T>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let mark = mark(&self.path);
        if mark.is_none() || mark != held.mark {
            held.mark = mark;
            match (self.load)(&self.path) {
                Ok(said) => (held.said, held.trouble) = (Arc::new(said), None),
                Err(trouble) => {
                    if held.trouble.as_ref() != Some(&trouble) {
                        tracing::warn!("{} cannot be used any more, so nobody is let in by it: {trouble}", self.path.display());
                    }
                    held.trouble = Some(trouble);
                }
            }
        }
        held
    }
}

/// The mark of a file that has been left alone for a while.
fn mark(path: &Path) -> Option<Mark> {
    let meta = fs::metadata(path).ok()?;
    let changed = UNIX_EPOCH + Duration::new(u64::try_from(meta.ctime()).ok()?, u32::try_from(meta.ctime_nsec()).ok()?);
    // A clock that was set back makes a file of the future: that one is not settled either.
    let is_settled = SystemTime::now().duration_since(changed).is_ok_and(|since| since > SETTLED);
    is_settled.then(|| Mark {
        inode: meta.ino(),
        length: meta.len(),
        written: (meta.mtime(), meta.mtime_nsec()),
        changed: (meta.ctime(), meta.ctime_nsec()),
    })
}

impl<T> fmt::Debug for Reread<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reread").field("path", &self.path).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(path: &Path) -> Result<u32, String> {
        fs::read_to_string(path).map_err(|error| error.to_string())?.parse().map_err(|_| "it is no number".to_owned())
    }

    #[test]
    fn what_a_file_says_now_counts_and_what_cannot_be_understood_counts_for_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("number");
        let write = |text: &str| fs::write(&path, text).expect("written");
        assert!(Reread::open(&path, number).is_err());
        write("1");
        let file = Reread::open(&path, number).expect("a number");
        assert_eq!(file.now().as_deref(), Ok(&1));
        // Of the same length, within the same moment.
        for told in 2..9 {
            write(&told.to_string());
            assert_eq!(file.now().as_deref(), Ok(&told));
        }
        write("eight");
        assert_eq!((file.now(), *file.last()), (Err("it is no number".to_owned()), 8));
        fs::remove_file(&path).expect("removed");
        assert!(file.now().is_err());
        write("9");
        assert_eq!((file.now().as_deref(), *file.last()), (Ok(&9), 9));
    }
}
