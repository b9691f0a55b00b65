//! The folder of the log in the home of an installation: what lies where, and the lock that writers take turns with.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::LogError;

/// How long a writer waits for its turn: another one writes a few entries and syncs them.
const PATIENCE: Duration = Duration::from_secs(5);
const GLANCE: Duration = Duration::from_millis(2);

/// The folder of one log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogFolder(PathBuf);

impl LogFolder {
    /// The folder at `path`; nothing is read or made.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The log of the home at `home`.
    pub fn of_home(home: &Path) -> Self {
        Self(home.join("log"))
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The private key.
    pub fn key(&self) -> PathBuf {
        self.0.join("key")
    }

    /// The public key.
    pub fn public_key(&self) -> PathBuf {
        self.0.join("key.pub")
    }

    /// The entries.
    pub fn leaves(&self) -> PathBuf {
        self.0.join("leaves")
    }

    /// The newest checkpoint.
    pub fn checkpoint(&self) -> PathBuf {
        self.0.join("checkpoint")
    }

    /// How one key followed another.
    pub fn rotations(&self) -> PathBuf {
        self.0.join("rotations")
    }

    /// The installation's own entries.
    pub fn diary(&self) -> PathBuf {
        self.0.join("diary")
    }

    /// The checkpoints that left this host.
    pub fn published(&self) -> PathBuf {
        self.0.join("published")
    }

    /// Who outside is told.
    pub fn outside(&self) -> PathBuf {
        self.0.join("outside")
    }

    /// Makes the folder, for its owner, and for the group that the home was made for.
    pub(super) fn make(&self) -> Result<(), LogError> {
        use std::os::unix::fs::PermissionsExt as _;
        let failed = || LogError::io("make", &self.0);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.0).map_err(failed())?;
        let home = self.0.parent().map(fs::metadata).and_then(Result::ok).map_or(0, |meta| meta.permissions().mode());
        let mode = if home & 0o070 == 0o070 { 0o2770 } else { 0o700 };
        fs::set_permissions(&self.0, fs::Permissions::from_mode(mode)).map_err(failed())
    }

    /// Waits for the turn to write; let go when the file is dropped.
    pub(super) fn lock(&self) -> Result<File, LogError> {
        let path = self.0.join("lock");
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(LogError::io("open", &path))?;
        let end = Instant::now() + PATIENCE;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) if Instant::now() < end => std::thread::sleep(GLANCE),
                Err(TryLockError::WouldBlock) => return Err(LogError::Busy),
                Err(TryLockError::Error(error)) => return Err(LogError::io("lock", &path)(error)),
            }
        }
    }
}

/// The text of a file; `None` when there is no such file.
pub(crate) fn text_of(path: &Path) -> Result<Option<String>, LogError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(LogError::io("read", path)(error)),
    }
}
