//! Where the last dry run of each runbook is kept, beside the runs: what the next one, and whoever approves, compares with.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;

use super::{EngineError, Home};

impl Home {
    /// The bytes of the last dry run of a runbook.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn dry_run(&self, runbook: &str) -> Result<Option<Vec<u8>>, EngineError> {
        let path = self.dry_run_path(runbook);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(EngineError::io("cannot read the last dry run", path)(error)),
        }
    }

    /// Keeps the bytes of a dry run in the place of the last one, whole or not at all.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn keep_dry_run(&self, runbook: &str, bytes: &[u8]) -> Result<(), EngineError> {
        let path = self.dry_run_path(runbook);
        let failed = |error| EngineError::io("cannot keep the dry run", &path)(error);
        let folder = self.path().join("dry-runs");
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(failed)?;
        self.protect(&folder)?;
        let part = path.with_extension(format!("part-{}", std::process::id()));
        fs::write(&part, bytes).and_then(|()| fs::rename(&part, &path)).map_err(failed)
    }

    /// A runbook's name is a word without slashes, as the language checks it.
    fn dry_run_path(&self, runbook: &str) -> PathBuf {
        self.path().join("dry-runs").join(format!("{runbook}.json"))
    }
}
