//! Where runs live: one folder per run, and the locks on their targets.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::EngineError;
use crate::journal::RunFolder;
use crate::model::RunId;

/// The folder of all runs of an installation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Home(PathBuf);

impl Home {
    /// The home at `path`; it is made when the first run starts.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// `$POINTSMAN_HOME`, else `$XDG_STATE_HOME/pointsman`, else `~/.local/state/pointsman`.
    ///
    /// # Errors
    /// When none of them is set.
    pub fn from_environment() -> Result<Self, EngineError> {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        set("POINTSMAN_HOME")
            .or_else(|| set("XDG_STATE_HOME").map(|state| state.join("pointsman")))
            .or_else(|| set("HOME").map(|home| home.join(".local/state/pointsman")))
            .map(Self)
            .ok_or(EngineError::NoHome)
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The folder of one run.
    pub fn run_dir(&self, run: &RunId) -> PathBuf {
        self.0.join("runs").join(run.as_str())
    }

    /// The folder of one run, as the journal sees it.
    pub fn folder(&self, run: &RunId) -> RunFolder {
        RunFolder::at(self.run_dir(run))
    }

    /// Every run, oldest first.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn runs(&self) -> Result<Vec<RunId>, EngineError> {
        let runs = self.0.join("runs");
        let entries = match fs::read_dir(&runs) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(EngineError::io("cannot read the folder of runs", runs)(error)),
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.map_err(EngineError::io("cannot read the folder of runs", &runs))?;
            let journal = entry.path().join("journal");
            if let Ok(made) = fs::metadata(&journal).and_then(|meta| meta.created().or_else(|_| meta.modified())) {
                found.push((made, entry.file_name().to_string_lossy().into_owned()));
            }
        }
        found.sort();
        Ok(found.into_iter().map(|(_, name)| RunId::new(name)).collect())
    }

    /// The run that `text` means: its whole id, a beginning that only one run has, or `latest`.
    ///
    /// # Errors
    /// `RunNotFound` with the candidates.
    pub fn find(&self, text: &str) -> Result<RunId, EngineError> {
        let mut runs = self.runs()?;
        let not_found = |runs: Vec<RunId>| EngineError::RunNotFound { asked: text.to_owned(), home: self.0.clone(), runs };
        if text == "latest" {
            return runs.pop().ok_or_else(|| not_found(Vec::new()));
        }
        if let Some(exact) = runs.iter().find(|run| run.as_str() == text) {
            return Ok(exact.clone());
        }
        runs.retain(|run| run.as_str().starts_with(text) && !text.is_empty());
        match <[RunId; 1]>::try_from(runs) {
            Ok([only]) => Ok(only),
            Err(candidates) => Err(not_found(candidates)),
        }
    }

    /// Makes the folders: for their owner only, unless the home was made for a group.
    pub(super) fn make(&self) -> Result<(), EngineError> {
        for folder in [self.0.join("runs"), self.0.join("targets")] {
            let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
            made.map_err(EngineError::io("cannot make the folder of runs", &folder))?;
            self.protect(&folder)?;
        }
        Ok(())
    }

    /// Lets only the owner into a folder or to a socket, and the group where the home was made for one: whoever gives the
    /// home folder to a group (`install -d -m 2770 -g ops DIR`) lets its members read runs and give orders.
    pub(super) fn protect(&self, path: &Path) -> Result<(), EngineError> {
        let io = |error| EngineError::io("cannot protect a folder of runs", path)(error);
        let shared = fs::metadata(&self.0).map_err(io)?.mode() & 0o070 == 0o070;
        let mode = if shared { 0o770 } else { 0o700 };
        let meta = fs::metadata(path).map_err(io)?;
        let setgid = if shared && meta.is_dir() { 0o2000 } else { 0 };
        fs::set_permissions(path, fs::Permissions::from_mode(mode | setgid)).map_err(io)
    }
}
