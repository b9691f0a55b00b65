//! The executor's logbook: lets the log of the installation follow the journal, and signs checkpoints at the moments that count.
//!
//! The journal is the source and needs no log to be durable, so nothing here can hold up a record. Where the log cannot be
//! used, the run goes on, the trouble is said once, and a verification will say that the records are not in the log.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::Home;
use crate::journal::RunFolder;
use crate::log::store::{Made, Origin};
use crate::log::{Log, LogError, LogFolder};
use crate::model::{Digest, Timestamp};
use crate::run::{Effect, Event, Record, State};

/// How old the last checkpoint of an active run may be.
const HEARTBEAT: Duration = Duration::from_secs(60);

/// The logbook of one executor.
#[derive(Debug)]
pub(super) struct Logbook {
    log: Option<Log>,
    journal: PathBuf,
    signed: Instant,
    said: bool,
}

impl Logbook {
    /// Opens the log, makes it where there is none, and lets it take up what an executor that died could not add.
    pub fn open(home: &Home, run: &RunFolder, now: Timestamp) -> Self {
        let mut logbook = Self { log: None, journal: run.journal(), signed: Instant::now(), said: false };
        match open(home, Origin::FirstRun, now) {
            Ok((mut log, _)) => {
                if let Err(error) = log.follow_all(&home.path().join("runs")) {
                    logbook.say(&error);
                }
                logbook.log = Some(log);
            }
            Err(error) => logbook.say(&error),
        }
        logbook
    }

    /// Adds the records up to `seq`, which are durable, and signs a checkpoint over them.
    pub fn checkpoint(&mut self, seq: u64) {
        self.signed = Instant::now();
        let Some(log) = &mut self.log else { return };
        let done = log.follow(&self.journal, Some(seq)).and_then(|_| if log.can_sign() { log.sign().map(drop) } else { Ok(()) });
        if let Err(error) = done {
            self.say(&error);
        }
    }

    /// Whether an active run needs a checkpoint by now.
    pub fn is_due(&self) -> bool {
        self.signed.elapsed() >= HEARTBEAT
    }

    fn say(&mut self, error: &LogError) {
        if !self.said {
            let mut text = error.to_string();
            let mut cause = std::error::Error::source(error);
            while let Some(error) = cause {
                text.push_str(&format!(": {error}"));
                cause = error.source();
            }
            tracing::warn!("the log of this installation could not be used, the run goes on without it: {text}");
            self.said = true;
        }
    }
}

/// Opens the log of a home, or makes it. Its name is the host's, with a random tail: no two installations share one.
///
/// # Errors
/// When it cannot be used.
pub fn open(home: &Home, origin: Origin, now: Timestamp) -> Result<(Log, Made), LogError> {
    let folder = LogFolder::of_home(home.path());
    let host = nix::unistd::gethostname().map_or_else(|_| "unknown".to_owned(), |name| name.to_string_lossy().into_owned());
    let host: String = host.chars().filter(|c| c.is_ascii_alphanumeric() || "-._".contains(*c)).collect();
    let mut tail = [0; 8];
    getrandom::fill(&mut tail).map_err(|error| LogError::NoChance(std::io::Error::other(error)))?;
    let name = format!("{host}/pointsman/{}", &Digest::of(&tail).short()[..8]);
    Log::open_or_make(&folder, &name, origin, now)
}

/// Whether what was recorded or comes next is one of the moments that a checkpoint belongs to: a gate asks or is decided,
/// or a protected step is about to act.
pub(super) fn is_moment(state: &State, records: &[Record], effects: &[Effect]) -> bool {
    let decided = records.iter().any(|record| match &record.event {
        // A hold or a window asks nobody.
        Event::WaitStarted { prompt, .. } => !prompt.is_empty(),
        event => matches!(
            event,
            Event::ApprovalGranted { .. }
                | Event::ApprovalWithdrawn { .. }
                | Event::WaitRejected { .. }
                | Event::StepConfirmed { .. }
        ),
    });
    let acts = effects.iter().any(|effect| match effect {
        Effect::Apply(spec) => state.planned(spec.instance).protected,
        Effect::Prepare(_) | Effect::Probe(_) | Effect::Undo(_) | Effect::UndoByAction(_) | Effect::Cancel(_) => false,
    });
    decided || acts
}
