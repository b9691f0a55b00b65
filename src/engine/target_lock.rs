//! One live run per target: a lock file per target, held as long as the executor lives.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};

use super::{EngineError, Home};
use crate::model::{Digest, RunId, TargetName};
use crate::plan::{Plan, PlannedTarget};

/// The locks of one run's targets.
#[derive(Debug)]
pub(super) struct TargetLocks(#[expect(dead_code, reason = "the files are held open for their locks")] Vec<File>);

impl TargetLocks {
    /// Locks every target of the plan, in the order of their names.
    pub fn acquire(home: &Home, plan: &Plan, run: &RunId) -> Result<Self, EngineError> {
        let content = plan.content();
        let locks = content.targets.iter().map(|(name, target)| lock(home, &content.base_dir, name, target, run));
        locks.collect::<Result<_, _>>().map(Self)
    }
}

fn lock(home: &Home, base_dir: &str, name: &TargetName, target: &PlannedTarget, run: &RunId) -> Result<File, EngineError> {
    // Two names for one system cannot be told here; the settings, secrets by their place, are what two runbooks share.
    let key = Digest::of(format!("{base_dir}\n{}\n{}", target.connector, target.settings.shown()).as_bytes());
    let path = home.path().join("targets").join(format!("{}-{}.lock", target.connector, key.short()));
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(EngineError::io("cannot open the lock of a target", &path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // Who it is only makes the message better; that somebody holds it is certain.
            let _ = file.read_to_string(&mut holder);
            return Err(EngineError::TargetBusy { target: name.clone(), holder: holder.trim().to_owned() });
        }
        Err(TryLockError::Error(error)) => return Err(EngineError::io("cannot lock a target", path)(error)),
    }
    file.set_len(0)
        .and_then(|()| file.seek(SeekFrom::Start(0)))
        .and_then(|_| writeln!(file, "{run}"))
        .map_err(EngineError::io("cannot write the lock of a target", path))?;
    Ok(file)
}
