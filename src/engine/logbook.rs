//! The executor's logbook: lets the log of the installation follow the journal, signs checkpoints at the moments that count,
//! and keeps a gate closed until somebody outside has seen them, where the installation asks for that.
//!
//! The journal is the source and needs no log to be durable, so nothing here can hold up a record, and nothing the way back.
//! Where the log cannot be used, the trouble is said once, and a verification will say that the records are not in the log.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::run_name::tail;
use super::{EngineError, Home};
use crate::journal::RunFolder;
use crate::log::store::{Made, Origin, Signed};
use crate::log::{Courier, Log, LogError, LogFolder, Outside, WitnessLevel, diary};
use crate::model::Timestamp;
use crate::plan::Plan;
use crate::run::{Effect, Event, Phase, Record, State};

/// How old the last checkpoint of an active run may be, where its runbook asks for no younger one.
const HEARTBEAT: Duration = Duration::from_secs(60);
/// How soon a checkpoint is tried again that a gate waits for.
const AGAIN: Duration = Duration::from_secs(3);
/// How long the end of a run waits for whoever is told of it.
const FAREWELL: Duration = Duration::from_secs(10);

/// The logbook of one executor.
#[derive(Debug)]
pub(super) struct Logbook {
    log: Option<Arc<Mutex<Log>>>,
    courier: Option<Courier>,
    required: WitnessLevel,
    /// How old the last checkpoint of an active run may be.
    heartbeat: Duration,
    journal: PathBuf,
    began: Instant,
    signed: Option<Instant>,
    signing: Option<JoinHandle<Result<Option<Signed>, LogError>>>,
    /// How many entries somebody outside must have seen before a gate is open.
    awaited: u64,
    held: Vec<Effect>,
    said: bool,
    explained: bool,
}

impl Logbook {
    /// Opens the log, makes it where there is none, and lets it take up what an executor that died could not add. What the
    /// runbook asks of witnesses can be more than what the installation asks for, and never less.
    pub fn open(home: &Home, run: &RunFolder, plan: &Plan, now: Timestamp) -> Self {
        let policy = plan.content().witness;
        let mut outside = Outside::load(&LogFolder::of_home(home.path()));
        if let (Ok(outside), Some(policy)) = (&mut outside, policy) {
            outside.required = outside.required.max(policy.level);
        }
        // A list that cannot be read may ask for something: the gates stay closed until somebody has looked.
        let required = outside.as_ref().map_or(WitnessLevel::L3, |outside| outside.required);
        let mut logbook = Self {
            log: None,
            courier: None,
            required,
            heartbeat: policy.and_then(|policy| policy.heartbeat).map_or(HEARTBEAT, |span| span.as_duration().min(HEARTBEAT)),
            journal: run.journal(),
            began: Instant::now(),
            signed: None,
            signing: None,
            // The start of an executor is a gate too: a crash must not be a way past one.
            awaited: if required > WitnessLevel::L0 { u64::MAX } else { 0 },
            held: Vec::new(),
            said: false,
            explained: false,
        };
        match open(home, Origin::FirstRun, now) {
            Ok((mut log, _)) => {
                match log.follow_each(&home.path().join("runs")) {
                    Ok((_, troubles)) => troubles.iter().for_each(|trouble| logbook.not_followed(&mut log, trouble, now)),
                    Err(error) => logbook.say(&error),
                }
                let name = run.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
                if let Err(error) = log.note(now, diary::Entry::Driven { run: name }) {
                    logbook.say(&error);
                }
                let log = Arc::new(Mutex::new(log));
                match outside {
                    Ok(outside) if outside.is_empty() => {}
                    Ok(outside) => logbook.courier = Some(Courier::set_out(outside, log.clone())),
                    Err(error) => logbook.say(&error),
                }
                logbook.log = Some(log);
            }
            Err(error) => logbook.say(&error),
        }
        logbook
    }

    /// Adds the records up to `seq`, which are durable, signs a checkpoint over them and sends it out; gives its size.
    pub fn checkpoint(&mut self, seq: u64) -> Option<u64> {
        self.begin_checkpoint(seq);
        self.end_checkpoint()
    }

    /// Begins to, on a thread of its own: it is the disk that takes the time.
    fn begin_checkpoint(&mut self, seq: u64) {
        self.end_checkpoint();
        self.signed = Some(Instant::now());
        let Some(log) = self.log.clone() else { return };
        let journal = self.journal.clone();
        let work = move || {
            let mut log = locked(&log);
            log.follow(&journal, Some(seq))?;
            if log.can_sign() { log.sign().map(Some) } else { Ok(None) }
        };
        match std::thread::Builder::new().name("checkpoint".to_owned()).spawn(work) {
            Ok(signing) => self.signing = Some(signing),
            Err(error) => tracing::warn!("no checkpoint is signed at this moment: there is no thread for it: {error}"),
        }
    }

    /// Waits for the one that was begun, and sends it out; gives its size.
    fn end_checkpoint(&mut self) -> Option<u64> {
        // A thread that panicked said why, and signed nothing.
        match self.signing.take()?.join().ok()? {
            Ok(signed) => {
                let signed = signed?;
                let size = signed.checkpoint.size;
                if let Some(courier) = &self.courier {
                    courier.give(signed);
                }
                Some(size)
            }
            Err(error) => {
                self.say(&error);
                None
            }
        }
    }

    /// The same at a gate: what follows waits until the checkpoint has been seen as far outside as is required.
    pub fn gate(&mut self, seq: u64) {
        self.awaited = self.checkpoint(seq).unwrap_or(u64::MAX);
    }

    /// The same while a protected step is prepared. It acts when the checkpoint is signed; where somebody outside has to see it, it
    /// is not even prepared before.
    pub fn begin_gate(&mut self, seq: u64) {
        if self.required > WitnessLevel::L0 {
            return self.gate(seq);
        }
        self.begin_checkpoint(seq);
    }

    /// The same once a minute; at a gate whose checkpoint could not be signed, more often.
    pub fn heartbeat(&mut self, seq: u64) {
        let size = self.checkpoint(seq);
        if self.awaited == u64::MAX {
            self.awaited = size.unwrap_or(u64::MAX);
        }
    }

    /// The last checkpoint, and a little time for it to arrive.
    pub fn close(&mut self, seq: u64) {
        self.checkpoint(seq);
        if let Some(courier) = &mut self.courier {
            courier.come_home(FAREWELL);
        }
    }

    /// Whether the run has to be looked at: a checkpoint is due, a gate has opened, or people have to hear why it does not.
    pub fn has_news(&self) -> bool {
        self.is_due() || (!self.held.is_empty() && !self.is_closed()) || self.unexplained().is_some()
    }

    /// Why a gate is still closed, where nobody was told so. A checkpoint that is only on its way is nothing to tell.
    fn unexplained(&self) -> Option<String> {
        if self.explained || self.held.is_empty() {
            return None;
        }
        let nobody = "nobody is named who could see it: `pointsman init` names witnesses and stores";
        let trouble = self.courier.as_ref().map_or_else(|| nobody.to_owned(), |courier| courier.told().trouble.join("; "));
        (!trouble.is_empty()).then_some(trouble)
    }

    /// Whether an active run needs a checkpoint by now. One that could not be signed at a gate is tried again sooner.
    pub fn is_due(&self) -> bool {
        let missing = self.awaited == u64::MAX;
        match self.signed {
            Some(signed) => signed.elapsed() >= if missing { AGAIN } else { self.heartbeat },
            None => missing || self.began.elapsed() >= self.heartbeat,
        }
    }

    /// Of these effects, what begins while the records before it are still on their way to the disk, and what waits for them. What
    /// only looks waits for nothing: its question and the sync take the same time. Where somebody outside has to see a checkpoint
    /// before a gate is open, everything waits, as it does where something is given up.
    pub fn part(&self, effects: Vec<Effect>) -> (Vec<Effect>, Vec<Effect>) {
        let ends_something = effects.iter().any(|effect| matches!(effect, Effect::Cancel(_)));
        let is_free = self.required == WitnessLevel::L0 && !ends_something;
        effects.into_iter().partition(|effect| is_free && effect.is_look())
    }

    /// What may be begun now. Behind a closed gate nothing new is prepared; whatever looks, finishes or goes back always may.
    pub fn let_through(&mut self, state: &State, effects: Vec<Effect>) -> Vec<Effect> {
        if effects.iter().any(|effect| matches!(effect, Effect::Apply(spec) if state.planned(spec.instance).protected)) {
            self.end_checkpoint();
        }
        if state.phase() != Phase::Forward || !self.is_closed() {
            let mut open = std::mem::take(&mut self.held);
            open.extend(effects);
            return open;
        }
        let mut open = Vec::new();
        for effect in effects {
            match effect {
                Effect::Prepare(_) => self.held.push(effect),
                // A step that was not let through yet is not begun at all.
                Effect::Cancel(instance) => {
                    let before = self.held.len();
                    self.held.retain(|held| !matches!(held, Effect::Prepare(spec) if spec.instance == instance));
                    if self.held.len() == before {
                        open.push(effect);
                    }
                }
                Effect::Apply(_) | Effect::Probe(_) | Effect::Undo(_) | Effect::UndoByAction(_) => open.push(effect),
            }
        }
        if let Some(trouble) = self.unexplained() {
            self.explained = true;
            tracing::warn!(
                "the gate stays closed until a checkpoint has been seen outside this host, as {} asks for. {trouble}",
                self.required
            );
        }
        open
    }

    fn is_closed(&self) -> bool {
        let seen = self.courier.as_ref().map_or(0, |courier| courier.told().size);
        self.required > WitnessLevel::L0 && seen < self.awaited
    }

    /// Says why a journal was not followed. One that no longer holds what the log has of it stays so: that is said once, and
    /// then stands in the diary.
    fn not_followed(&mut self, log: &mut Log, trouble: &LogError, now: Timestamp) {
        let LogError::Foreign { journal, seq } = trouble else { return self.say(trouble) };
        let run = journal.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
        let entry = diary::Entry::JournalLeft { run: run.clone(), record: *seq };
        if log.diary().is_ok_and(|known| known.iter().any(|known| known.event == entry)) {
            return;
        }
        if *journal != self.journal {
            tracing::warn!(
                "the journal of the run {run} no longer holds record {seq} as the log has it: it was salvaged, put back or \
                 changed. What it says behind that record is not in the log; `pointsman audit verify {run}` says more. \
                 Every other run is in the log. This is said once."
            );
        }
        if let Err(error) = log.note(now, entry) {
            self.say(&error);
        }
    }

    fn say(&mut self, error: &LogError) {
        if self.said {
            return;
        }
        self.said = true;
        if let LogError::Foreign { seq, .. } = error {
            tracing::warn!(
                "the journal of this run no longer holds record {seq} as the log has it: it was salvaged, put back or changed. The \
                 run goes on, and what it records is not in the log; every other run is"
            );
            return;
        }
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            text.push_str(&format!(": {error}"));
            cause = error.source();
        }
        tracing::warn!("the log of this installation could not be used, the run goes on without it: {text}");
    }
}

/// The log, whatever became of a thread that held it: every write to it is whole or not there.
fn locked(log: &Mutex<Log>) -> MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether this installation names somebody who can give what the runbook asks of witnesses. Found out before a run begins, and
/// not at its first gate.
pub(super) fn can_be_seen(home: &Home, plan: &Plan) -> Result<(), EngineError> {
    let Some(policy) = plan.content().witness else { return Ok(()) };
    match Outside::load(&LogFolder::of_home(home.path())) {
        Ok(outside) if !outside.can_give(policy.level) => Err(EngineError::NoWitness(policy.level)),
        // A list that cannot be read keeps the gates closed, and says why.
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Writes into the diary that an order did not reach its run, because its giver is not who they say. Where there is no log yet, or it
/// cannot be written, the refusal stands all the same.
pub(super) fn refused(home: &Home, run: &RunFolder, order: &str, uid: u32, why: &str) {
    let run = run.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
    let (order, by, reason) = (order.to_owned(), diary::local_user(uid), why.to_owned());
    note(home, now(), diary::Entry::OrderRefused { run, order, by, reason });
}

/// Writes into the diary that a run was not begun: because its starter is not who they say, because the installation cannot give
/// what the runbook asks for, or because another run has its targets.
pub fn start_refused(home: &Home, plan: &Plan, why: &EngineError) {
    let is_refusal = match why {
        EngineError::Unrecognised(_) | EngineError::NoWitness(_) | EngineError::TargetBusy { .. } => true,
        EngineError::RunNotFound { .. }
        | EngineError::RunExists(_)
        | EngineError::Busy { .. }
        | EngineError::Plan(_)
        | EngineError::Open(_)
        | EngineError::Read(_)
        | EngineError::Fold(_)
        | EngineError::Journal { .. }
        | EngineError::NoAnswer(_)
        | EngineError::Unbegun
        | EngineError::Io { .. }
        | EngineError::NoHome => false,
    };
    if is_refusal {
        let runbook = plan.content().runbook.clone();
        note(home, now(), diary::Entry::StartRefused { runbook, plan: plan.digest(), reason: why.to_string() });
    }
}

/// Writes an entry into the diary, where there is a log.
pub fn note(home: &Home, at: Timestamp, entry: diary::Entry) {
    let folder = LogFolder::of_home(home.path());
    if !folder.public_key().exists() {
        return;
    }
    if let Err(error) = Log::open(&folder).and_then(|mut log| log.note(at, entry)) {
        tracing::warn!("an entry could not be written into the diary: {error}");
    }
}

fn now() -> Timestamp {
    Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
}

/// Opens the log of a home, or makes it. Its name is the host's, with a random tail: no two installations share one.
///
/// # Errors
/// When it cannot be used.
pub fn open(home: &Home, origin: Origin, now: Timestamp) -> Result<(Log, Made), LogError> {
    let folder = LogFolder::of_home(home.path());
    let host = nix::unistd::gethostname().map_or_else(|_| "unknown".to_owned(), |name| name.to_string_lossy().into_owned());
    let host: String = host.chars().filter(|c| c.is_ascii_alphanumeric() || "-._".contains(*c)).collect();
    let name = format!("{host}/pointsman/{}", tail::<8>().map_err(LogError::NoChance)?);
    Log::open_or_make(&folder, &name, origin, now)
}

/// Whether what was recorded is one of the moments that a checkpoint belongs to: a gate asks or is decided.
pub(super) fn is_moment(records: &[Record]) -> bool {
    records.iter().any(|record| match &record.event {
        // A hold or a window asks nobody.
        Event::WaitStarted { prompt, .. } => !prompt.is_empty(),
        event => matches!(
            event,
            Event::ApprovalGranted { .. }
                | Event::ApprovalWithdrawn { .. }
                | Event::WaitRejected { .. }
                | Event::StepConfirmed { .. }
        ),
    })
}

/// Whether a protected step is about to be prepared: before it acts there is a checkpoint over everything that it relies on.
pub(super) fn prepares_protected(state: &State, effects: &[Effect]) -> bool {
    // Once for each attempt, when it is prepared: nothing of it was sent before, and what it says of itself is read meanwhile. A
    // second signature before it acts would be made while writers are refused.
    effects.iter().any(|effect| matches!(effect, Effect::Prepare(spec) if state.planned(spec.instance).protected))
}
