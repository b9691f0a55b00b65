//! The folder of one run: what lies where.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// The folder of one run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RunFolder(PathBuf);

impl RunFolder {
    /// The folder at `path`; nothing is read or made.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Makes the folder with the stored plan in it, both durable.
    ///
    /// # Errors
    /// When the folder exists already or cannot be written.
    pub fn create(path: impl Into<PathBuf>, stored_plan: &[u8]) -> io::Result<Self> {
        let folder = Self::at(path);
        fs::create_dir(&folder.0)?;
        write_whole(&folder.plan(), stored_plan)?;
        if let Some(parent) = folder.0.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            sync_folder(parent)?;
        }
        Ok(folder)
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The journal.
    pub fn journal(&self) -> PathBuf {
        self.0.join("journal")
    }

    /// The plan that the run was started with.
    pub fn plan(&self) -> PathBuf {
        self.0.join("plan.json")
    }

    /// The lock that its executor holds.
    pub fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }

    /// What repairs kept.
    pub fn kept(&self) -> PathBuf {
        self.0.join("kept")
    }
}

/// Writes a file that is either there with all of `bytes` or not at all: a temporary file, synced, renamed, the folder synced.
///
/// # Errors
/// When any of that fails; an earlier file of that name is then still whole.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_whole_with(path, |file| file.write_all(bytes))
}

/// [`write_whole`], with the bytes coming from `fill`.
///
/// # Errors
/// When `fill` or the file operations around it fail.
pub fn write_whole_with(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = Path::new(&temporary);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(temporary)?;
    fill(&mut file)?;
    file.sync_all()?;
    fs::rename(temporary, path)?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// Makes the names in a folder durable.
///
/// # Errors
/// When the folder cannot be opened or synced.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
