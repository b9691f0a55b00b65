//! The processes of the shop, as children of the demo and of nobody else.
//!
//! Each hangs on a pipe whose other end is here: when the demo ends, however it ends, the shop ends too. An executor that is
//! killed takes none of them along.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::shop::{Folder, Ledger, Role, ShopError, Side, open_to_read};

/// The running processes of one shop.
#[derive(Debug)]
pub struct Crew {
    program: PathBuf,
    folder: Folder,
    members: Vec<(Role, Child)>,
}

/// Why the crew is not as it should be.
#[derive(Debug, thiserror::Error)]
pub enum CrewError {
    /// A process cannot be started.
    #[error("the shop's {role} cannot be started")]
    Start {
        /// Which.
        role: &'static str,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// A process did not end in good order.
    #[error("the shop's {role} ended badly: {how}; its last words are in {log}")]
    End {
        /// Which.
        role: &'static str,
        /// How.
        how: String,
        /// Where it wrote.
        log: PathBuf,
    },
    /// Something that must happen did not.
    #[error("waited {waited:?} and it did not come to this: {what}")]
    Late {
        /// What was waited for.
        what: String,
        /// How long.
        waited: Duration,
    },
    /// The shop's files cannot be read.
    #[error(transparent)]
    Shop(#[from] ShopError),
}

/// How long anything in the shop may take before the demo gives up on it.
const PATIENCE: Duration = Duration::from_secs(30);

impl Crew {
    /// Starts every process of the shop in `folder`; `program` is this program.
    ///
    /// # Errors
    /// When a process cannot be started or the front does not open.
    pub fn start(program: PathBuf, folder: Folder) -> Result<Self, CrewError> {
        let mut crew = Self { program, folder, members: Vec::new() };
        Role::ALL.into_iter().try_for_each(|role| crew.bring(role))?;
        Ok(crew)
    }

    /// Starts one process.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn bring(&mut self, role: Role) -> Result<(), CrewError> {
        let failed = |source| CrewError::Start { role: role.word(), source };
        let log = File::options().create(true).append(true).open(self.log(role)).map_err(failed)?;
        let child = Command::new(&self.program)
            .args(["shop", role.word(), "--dir"])
            .arg(self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(failed)?;
        self.members.push((role, child));
        Ok(())
    }

    /// Closes the pipe of one process and waits until it has ended in good order.
    ///
    /// # Errors
    /// When it ended badly, or before anybody asked it to.
    pub fn dismiss(&mut self, role: Role) -> Result<(), CrewError> {
        let Some(at) = self.members.iter().position(|(member, _)| *member == role) else { return Ok(()) };
        let (_, mut child) = self.members.remove(at);
        let ended = |how: String| CrewError::End { role: role.word(), how, log: self.log(role) };
        drop(child.stdin.take());
        let status = child.wait().map_err(|error| ended(error.to_string()))?;
        if status.success() { Ok(()) } else { Err(ended(status.to_string())) }
    }

    /// Whether all are still at work.
    ///
    /// # Errors
    /// When one has ended although nobody asked it to.
    pub fn check(&mut self) -> Result<(), CrewError> {
        let folder = self.folder.clone();
        for (role, child) in &mut self.members {
            if let Ok(Some(status)) = child.try_wait() {
                let log = log(&folder, *role);
                return Err(CrewError::End { role: role.word(), how: status.to_string(), log });
            }
        }
        Ok(())
    }

    /// Waits until the shop has acknowledged `count` more orders, all of them into `side`.
    ///
    /// # Errors
    /// When that takes too long.
    pub fn more_orders(&mut self, side: Side, count: usize) -> Result<(), CrewError> {
        let before = Ledger::read(&self.folder)?.entries.len();
        self.wait(&format!("{count} more orders are acknowledged in the {side} database"), |folder| {
            let ledger = Ledger::read(folder)?;
            let fresh = Ledger { entries: ledger.entries[before..].to_vec() };
            let more = fresh.acknowledged().filter(|entry| entry.side == Some(side)).count();
            Ok(more >= count)
        })
    }

    /// Closes the shop in the order in which nothing is cut off: no more orders, then the last jobs, then the others.
    ///
    /// # Errors
    /// When a process ends badly or the queue is never empty.
    pub fn close(&mut self) -> Result<(), CrewError> {
        self.dismiss(Role::Writer)?;
        self.wait("every job of the live database is done", |folder| {
            let database = open_to_read(&folder.database(folder.live_side()?))?;
            let question = "SELECT NOT EXISTS (SELECT 1 FROM jobs WHERE state = 'pending')";
            Ok(database.query_row(question, [], |row| row.get(0))?)
        })?;
        self.dismiss(Role::Worker)?;
        self.dismiss(Role::Sync)
    }

    /// Waits until `done` says so.
    ///
    /// # Errors
    /// When that takes too long, or a process of the shop ends meanwhile.
    pub fn wait(&mut self, what: &str, mut done: impl FnMut(&Folder) -> Result<bool, ShopError>) -> Result<(), CrewError> {
        const GLANCE: Duration = Duration::from_millis(20);
        let end = Instant::now() + PATIENCE;
        while !done(&self.folder)? {
            self.check()?;
            if Instant::now() >= end {
                return Err(CrewError::Late { what: what.to_owned(), waited: PATIENCE });
            }
            std::thread::sleep(GLANCE);
        }
        Ok(())
    }

    fn log(&self, role: Role) -> PathBuf {
        log(&self.folder, role)
    }
}

fn log(folder: &Folder, role: Role) -> PathBuf {
    folder.path().join(format!("{}.log", role.word()))
}

impl Drop for Crew {
    fn drop(&mut self) {
        for (_, child) in &mut self.members {
            drop(child.stdin.take());
        }
        for (_, child) in &mut self.members {
            // Nothing can be done here about a process that ended badly.
            let _ = child.wait();
        }
    }
}
