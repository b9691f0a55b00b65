//! The journal on a real disk: the files of a run's folder, held by its one executor.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::folder::{RunFolder, sync_folder, write_whole, write_whole_with};
use super::lock::{LockError, RunLock};
use super::storage::{ReadAt, Storage};

/// The files of one run, locked.
#[derive(Debug)]
pub struct Files {
    folder: RunFolder,
    lock: RunLock,
    journal: Option<File>,
}

impl Files {
    /// Locks the run in `folder` and opens its journal where there is one.
    ///
    /// # Errors
    /// When another executor holds the run, or its files cannot be opened.
    pub fn lock(folder: &RunFolder) -> Result<Self, LockError> {
        let lock = RunLock::acquire(folder)?;
        let journal = match open_rw(&folder.journal()) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error.into()),
        };
        Ok(Self { folder: folder.clone(), lock, journal })
    }

    /// The folder of the run.
    pub const fn folder(&self) -> &RunFolder {
        &self.folder
    }

    fn file(&self) -> io::Result<&File> {
        self.journal.as_ref().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the run has no journal"))
    }

    /// Copies a part of the journal into a file of its own, durable before it has its name.
    fn copy(&self, to: &Path, from: u64, upto: u64) -> io::Result<()> {
        let mut source = self.file()?;
        write_whole_with(to, |copy| {
            source.seek(io::SeekFrom::Start(from))?;
            let copied = io::copy(&mut source.take(upto - from), copy)?;
            if copied == upto - from { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
        })
    }

    fn kept_folder(&self) -> io::Result<std::path::PathBuf> {
        let kept = self.folder.kept();
        match fs::create_dir(&kept) {
            Ok(()) => sync_folder(self.folder.path())?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        Ok(kept)
    }
}

impl ReadAt for Files {
    fn size(&self) -> io::Result<u64> {
        Ok(self.file()?.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        ReadAt::read_at(self.file()?, buffer, offset)
    }
}

impl ReadAt for File {
    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, buffer, offset)
    }
}

impl Storage for Files {
    fn create(&mut self, bytes: &[u8]) -> io::Result<()> {
        let path = self.folder.journal();
        if path.exists() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        write_whole(&path, bytes)?;
        self.journal = Some(open_rw(&path)?);
        Ok(())
    }

    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file()?.write_all_at(bytes, offset)
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.file()?.set_len(len)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file()?.sync_data()
    }

    fn sync_folder(&mut self) -> io::Result<()> {
        sync_folder(self.folder.path())
    }

    fn keep(&mut self, name: &str, from: u64) -> io::Result<String> {
        let kept = self.kept_folder()?;
        self.copy(&kept.join(name), from, self.size()?)?;
        Ok(format!("kept/{name}"))
    }

    fn rebuild(&mut self, name: &str, upto: u64) -> io::Result<String> {
        let path = self.folder.journal();
        let old = self.kept_folder()?.join(name);
        // The old file gets a second name first, so that at every moment there is a journal and nothing is lost.
        match fs::hard_link(&path, &old) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(_) => self.copy(&old, 0, self.size()?)?,
        }
        self.copy(&path, 0, upto)?;
        self.journal = Some(open_rw(&path)?);
        Ok(format!("kept/{name}"))
    }

    fn claim(&mut self, epoch: u64) -> io::Result<()> {
        self.lock.claim(epoch)
    }

    fn holder(&mut self) -> io::Result<u64> {
        Ok(self.lock.holder()?.map_or(0, |holder| holder.epoch))
    }
}

fn open_rw(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}
