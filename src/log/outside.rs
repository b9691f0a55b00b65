//! Who outside this host is told of checkpoints: witnesses and stores; and what a gate waits for.
//!
//! One file in the log's folder, a line each: `witness KEY URL [ca=FILE] [pin=DIGEST] [token=PLACE]`, `store FOLDER`,
//! `require LEVEL`.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::folder::text_of;
use super::{Asked, Log, LogError, LogFolder, Signed, WitnessLevel};
use crate::journal::folder::{sync_folder, write_whole};
use crate::model::Digest;

/// How long a push to a git remote may take.
const PUSH: Duration = Duration::from_secs(30);

/// Who is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outside {
    /// Who is asked to sign.
    pub witnesses: Vec<Asked>,
    /// Folders that checkpoints are put into.
    pub stores: Vec<PathBuf>,
    /// What has to be reached before a run goes on behind a gate.
    pub required: WitnessLevel,
}

impl Default for Outside {
    fn default() -> Self {
        Self { witnesses: Vec::new(), stores: Vec::new(), required: WitnessLevel::L0 }
    }
}

impl Outside {
    /// Reads who is told by the log in `folder`.
    ///
    /// # Errors
    /// When the file cannot be read, or a line of it is none.
    pub fn load(folder: &LogFolder) -> Result<Self, LogError> {
        let path = folder.outside();
        let mut outside = Self::default();
        for line in text_of(&path)?.unwrap_or_default().lines() {
            let understood = match line.split(' ').collect::<Vec<_>>().as_slice() {
                ["witness", words @ ..] => Asked::parse(words).map(|asked| outside.witnesses.push(asked)).is_some(),
                ["store", ..] => {
                    outside.stores.push(PathBuf::from(&line["store ".len()..]));
                    true
                }
                ["require", level] => WitnessLevel::parse(level).map(|level| outside.required = level).is_some(),
                _ => false,
            };
            if !understood {
                return Err(LogError::Malformed { what: "a list of witnesses and stores", path });
            }
        }
        Ok(outside)
    }

    /// Writes it down.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn store(&self, folder: &LogFolder) -> Result<(), LogError> {
        let path = folder.outside();
        let text = self.lines().iter().map(|line| format!("{line}\n")).collect::<String>();
        write_whole(&path, text.as_bytes()).map_err(LogError::io("write", path))
    }

    /// The lines of the file.
    pub fn lines(&self) -> Vec<String> {
        let witnesses = self.witnesses.iter().map(|asked| format!("witness {asked}"));
        let stores = self.stores.iter().map(|folder| format!("store {}", folder.display()));
        witnesses.chain(stores).chain([format!("require {}", self.required)]).collect()
    }

    /// Whether anybody is told.
    pub const fn is_empty(&self) -> bool {
        self.witnesses.is_empty() && self.stores.is_empty()
    }

    /// Whether somebody is named who can give this level.
    pub const fn can_give(&self, level: WitnessLevel) -> bool {
        match level {
            WitnessLevel::L0 | WitnessLevel::L1 => true,
            WitnessLevel::L2 => !self.is_empty(),
            WitnessLevel::L3 => !self.stores.is_empty(),
        }
    }

    /// Tells everybody of a checkpoint; gives the level that was reached, and what went wrong.
    pub fn tell(&self, log: &Mutex<Log>, signed: &Signed) -> (WitnessLevel, Vec<String>) {
        let (mut level, mut trouble) = (WitnessLevel::L0, Vec::new());
        for asked in &self.witnesses {
            match asked.ask(log, signed) {
                Ok(()) => level = level.max(WitnessLevel::L2),
                Err(why) => trouble.push(format!("the witness {}: {why}", asked.name())),
            }
        }
        for folder in &self.stores {
            match put(folder, signed) {
                Ok(()) => level = level.max(WitnessLevel::L3),
                Err(why) => trouble.push(format!("the store {}: {why}", folder.display())),
            }
        }
        if level >= WitnessLevel::L3
            && let Err(error) = lock(log).publish(signed)
        {
            trouble.push(error.to_string());
        }
        (level, trouble)
    }
}

/// Puts a checkpoint into a store, in a file of its own that is never written again; commits and pushes where it is a work
/// tree of git.
fn put(folder: &Path, signed: &Signed) -> Result<(), String> {
    let log = Digest::of(signed.checkpoint.origin.as_bytes()).short();
    let name = format!("{log}-{:012}.checkpoint", signed.checkpoint.size);
    let path = folder.join(&name);
    let text = signed.note.to_string();
    match OpenOptions::new().write(true).create_new(true).open(&path) {
        Ok(mut file) => file
            .write_all(text.as_bytes())
            .and_then(|()| file.sync_all())
            .and_then(|()| sync_folder(folder))
            .map_err(|error| error.to_string())?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let there = fs::read_to_string(&path).ok().and_then(|text| Signed::parse(&text));
            if there.is_none_or(|there| there.checkpoint != signed.checkpoint) {
                return Err(format!("{name} holds something else: THIS LOG WAS FORKED, or that file was changed"));
            }
        }
        Err(error) => return Err(error.to_string()),
    }
    if !folder.join(".git").exists() {
        return Ok(());
    }
    git(folder, &["add", "--", &name])?;
    if git(folder, &["diff", "--cached", "--quiet"]).is_err() {
        git(folder, &["commit", "--quiet", "--message", &format!("checkpoint of {} entries", signed.checkpoint.size)])?;
    }
    git(folder, &["push", "--quiet"])
}

fn git(folder: &Path, args: &[&str]) -> Result<(), String> {
    let mut command = Command::new("git");
    command.args(["-C".as_ref(), folder.as_os_str()]).args(args);
    command.env("GIT_TERMINAL_PROMPT", "0").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| format!("git cannot be run: {error}"))?;
    let end = Instant::now() + PUSH;
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(format!("git {} ended with {status}", args[0])),
            Ok(None) if Instant::now() < end => thread::sleep(Duration::from_millis(10)),
            Ok(None) | Err(_) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("git {} did not end within {} s", args[0], PUSH.as_secs()));
            }
        }
    }
}

/// The log, whatever became of a thread that held it: every write to it is whole or not there.
pub(super) fn lock(log: &Mutex<Log>) -> std::sync::MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}
