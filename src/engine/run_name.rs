//! The name of what nobody named: a run, and the random tail of any name; and a name that is free again, because nothing began
//! under it.

use super::{EngineError, Home};
use crate::journal::{Files, Reader};
use crate::model::{Digest, RunId, Timestamp};

/// The runbook's name, the day, and a random tail.
pub(super) fn fresh_id(runbook: &str, now: Timestamp) -> std::io::Result<RunId> {
    let day: String = now.to_string().chars().take(10).filter(char::is_ascii_digit).collect();
    Ok(RunId::new(format!("{runbook}-{day}-{}", tail::<6>()?)))
}

/// So many random characters (twelve at most), so that no two things get the same name.
pub(super) fn tail<const LENGTH: usize>() -> std::io::Result<String> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
    Ok(Digest::of(&bytes).short()[..LENGTH].to_owned())
}

/// Takes away what a start left that died before record 1 was durable: nothing was begun then. Anything else stays.
pub(super) fn clear_unbegun(home: &Home, run: &RunId) -> Result<(), EngineError> {
    let folder = home.folder(run);
    let exists = || EngineError::RunExists(run.clone());
    let _locked = Files::lock(&folder).map_err(|_| exists())?;
    let began = folder.journal().exists() && !Reader::open(&folder.journal()).is_ok_and(|mut records| records.next().is_none());
    if began {
        return Err(exists());
    }
    std::fs::remove_dir_all(folder.path()).map_err(EngineError::io("cannot remove a run that never began", folder.path()))
}
