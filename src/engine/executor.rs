//! The executor: one process that drives one run, from its lock to its end.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_util::sync::CancellationToken;

use super::batch::Batch;
use super::clock::{Clock, Reading, until};
use super::ears::Ears;
use super::hands::Hands;
use super::logbook::{self, Logbook};
use super::message::Request;
use super::observer::Observer;
use super::pen::Pen;
use super::run_name::{clear_unbegun, fresh_id};
use super::socket::{self, Incoming};
use super::sync_due::SyncDue;
use super::target_lock::TargetLocks;
use super::watches::Watches;
use super::{EngineError, Home, identity, load, notary};
use crate::authority::Claim;
use crate::connectors::Registry;
use crate::journal::{Files, LockError, Nonce, RunFolder, Writer, open};
use crate::model::{Actor, RunId, RunOutcome, Timestamp};
use crate::plan::Plan;
use crate::run::{Answer, Command, Conductor, Event, Input, Phase, RunNote, State, Turn};

/// How long nothing has to happen before the head of the journal is brought up to date.
const IDLE: Duration = Duration::from_millis(100);
/// How often an observer is told that time passes.
const TICK: Duration = Duration::from_millis(250);

/// How an executor let go of its run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// The run is over.
    Ended(RunOutcome),
    /// The executor stopped; the run can be resumed.
    Suspended,
}

/// A run, locked for this process.
#[derive(Debug)]
pub struct Executor {
    run: RunId,
    folder: RunFolder,
    conductor: Conductor,
    pen: Pen,
    clock: Clock,
    targets: Option<TargetLocks>,
    home: Home,
    due: SyncDue,
}

impl Executor {
    /// Makes a new run of `plan`: its folder, its journal, its first record.
    ///
    /// # Errors
    /// When the run exists, a target is in use, or the disk refuses.
    pub fn start(home: &Home, plan: Plan, run: Option<RunId>, starter: Actor) -> Result<Self, EngineError> {
        home.make()?;
        logbook::can_be_seen(home, &plan)?;
        let mut clock = Clock::start(Timestamp::default());
        let run = match run {
            Some(run) => run,
            None => fresh_id(plan.content().runbook.as_str(), clock.read().wall)
                .map_err(EngineError::io("cannot draw a run id", "/dev/urandom"))?,
        };
        let path = home.run_dir(&run);
        if path.exists() {
            clear_unbegun(home, &run)?;
        }
        let targets = TargetLocks::acquire(home, &plan, &run)?;
        let folder =
            RunFolder::create(&path, plan.stored()).map_err(EngineError::io("cannot make the folder of the run", &path))?;
        home.protect(&path)?;
        let files = lock(&folder, &run)?;
        let nonce = Nonce::random().map_err(EngineError::io("cannot draw a nonce", "/dev/urandom"))?;
        let journal_failed = |source| EngineError::Journal { source, card: Vec::new() };
        let writer = Writer::create(files, nonce, clock.clocks()).map_err(journal_failed)?;
        let mut pen = Pen::new(writer, clock.read());
        let started =
            Event::RunStarted { run: run.clone(), runbook: plan.content().runbook.clone(), plan: plan.digest(), starter };
        let mut conductor = Conductor::new(Arc::new(plan));
        let profile = conductor.state().plan().content().profile.clone();
        conductor.note(started, &mut pen);
        if let Some(profile) = profile {
            conductor.note(RunNote::Rehearsal { profile: profile.name }.event(), &mut pen);
        }
        conductor.note(executor_started(&clock), &mut pen);
        Ok(Self { run, folder, conductor, pen, clock, targets: Some(targets), home: home.clone(), due: SyncDue::default() })
    }

    /// Takes up a run that no executor drives: replays its journal, and records what the last executor left in doubt.
    ///
    /// # Errors
    /// When another executor drives it, or its files are damaged or do not belong together.
    pub fn resume(home: &Home, run: &RunId) -> Result<Self, EngineError> {
        let mut executor = Self::open(home, run)?;
        executor.targets = Some(TargetLocks::acquire(home, executor.conductor.state().plan(), run)?);
        Ok(executor)
    }

    /// Opens a run for orders only: without the locks on its targets, so it must not drive.
    pub(super) fn open(home: &Home, run: &RunId) -> Result<Self, EngineError> {
        let folder = home.folder(run);
        if !folder.journal().exists() {
            return Err(EngineError::RunNotFound { asked: run.to_string(), home: home.path().to_owned(), runs: Vec::new() });
        }
        let files = lock(&folder, run)?;
        let mut clock = Clock::start(Timestamp::default());
        let opened = open(files, clock.clocks()).map_err(EngineError::Open)?;
        let mut conductor = None;
        let mut last = Timestamp::default();
        for record in opened.writer.records() {
            let record = record.map_err(EngineError::Read)?;
            last = last.max(record.at);
            let conductor = match &mut conductor {
                Some(conductor) => conductor,
                empty => empty.insert(Conductor::new(Arc::new(load::stored_plan(home, run, &record)?))),
            };
            conductor.replay(&record).map_err(EngineError::Fold)?;
        }
        let Some(mut conductor) = conductor else {
            return Err(EngineError::NoAnswer(
                "the run has no record: its start was never durable, so nothing was done; start it again".to_owned(),
            ));
        };
        clock = Clock::start(last);
        let mut pen = Pen::new(opened.writer, clock.read());
        if !matches!(conductor.state().phase(), Phase::Ended(_)) {
            conductor.note(executor_started(&clock), &mut pen);
        }
        if let Some(repaired) = opened.repaired {
            conductor.note(Event::JournalRepaired { bytes: repaired.bytes, kept: repaired.kept }, &mut pen);
        }
        conductor.recover("the executor that drove it ended without seeing its end", &mut pen);
        Ok(Self { run: run.clone(), folder, conductor, pen, clock, targets: None, home: home.clone(), due: SyncDue::default() })
    }

    /// The run.
    pub const fn run_id(&self) -> &RunId {
        &self.run
    }

    /// The state so far.
    pub const fn state(&self) -> &State {
        self.conductor.state()
    }

    /// Notes something about the run as a whole, to be recorded with the first turn.
    pub fn note(&mut self, note: RunNote) {
        self.conductor.note(note.event(), &mut self.pen);
    }

    /// Records one order on a run that nobody drives.
    pub(super) fn order(mut self, command: Command, claim: &Claim) -> Result<Answer, EngineError> {
        let roster = self.conductor.state().plan().content().roster.clone();
        let uid = nix::unistd::getuid().as_raw();
        let by = identity::giver(&command, roster.as_ref(), uid, claim).inspect_err(|why| {
            let order = Request::new(command.clone(), claim).name();
            logbook::refused(&self.home, &self.folder, &order, uid, &why.to_string());
        })?;
        self.conductor.suspend("only an order was given", &mut self.pen);
        let now = self.tick_clock().now;
        let command = notary::looked_up(command, &self.home, &self.folder);
        let state = self.conductor.state();
        let changed = Watches::of(&self.home, state).look(state, true, now);
        let inputs = changed.into_iter().chain([Input::Ordered(command, by)]).collect();
        let turn = self.conductor.turn(inputs, now, &mut self.pen);
        self.commit(&mut ())?;
        self.pen.settle().map_err(|source| self.journal_failed(source))?;
        Ok(turn.answers.into_iter().next().unwrap_or_else(|| Answer::NotApplicable("the order was not taken".to_owned())))
    }

    /// Drives the run until it ends or `stop` is set.
    ///
    /// # Errors
    /// When the journal fails: nothing new is started, what is under way is waited for, and the error carries the
    /// rollback card.
    pub async fn drive(
        mut self,
        registry: Registry,
        observer: &mut dyn Observer,
        stop: CancellationToken,
    ) -> Result<Ending, EngineError> {
        let (order_sender, orders) = unbounded_channel();
        let roster = self.conductor.state().plan().content().roster.clone();
        let listening = socket::listen(&self.home, &self.folder, roster, order_sender)?;
        let ending = self.conduct(registry, observer, stop, orders).await;
        // The lock is still held, so the socket that is taken away is this executor's own.
        listening.finish().await;
        ending
    }

    async fn conduct(
        &mut self,
        registry: Registry,
        observer: &mut dyn Observer,
        stop: CancellationToken,
        orders: UnboundedReceiver<Incoming>,
    ) -> Result<Ending, EngineError> {
        let (input_sender, inputs) = unbounded_channel();
        let (note_sender, notes) = unbounded_channel();
        let plan = self.conductor.state().plan().clone();
        let mut hands = Hands::new(plan, self.run.clone(), registry, input_sender, note_sender);
        let ending = self.turns(&mut hands, observer, Ears { inputs, notes, orders, stop }).await;
        hands.rest().await;
        ending
    }

    async fn turns(&mut self, hands: &mut Hands, observer: &mut dyn Observer, mut ears: Ears) -> Result<Ending, EngineError> {
        let mut suspending = false;
        let mut watches = Watches::of(&self.home, self.conductor.state());
        let mut batch = Batch::default();
        let mut logbook = Logbook::open(&self.home, &self.folder, self.conductor.state().plan(), self.clock.read().now);
        loop {
            if ears.stop.is_cancelled() && !suspending {
                suspending = true;
                self.tick_clock();
                self.conductor.suspend("the executor was asked to stop", &mut self.pen);
            }
            let now = self.tick_clock().now;
            batch.notes(&mut ears.notes);
            batch.first(watches.look(self.conductor.state(), !batch.answers.is_empty(), now));
            let waiting: Vec<_> = batch.answers.drain(..).collect();
            let Turn { effects, answers } = self.conductor.turn(batch.inputs(), now, &mut self.pen);
            let acts_protected = logbook::prepares_protected(self.conductor.state(), &effects);
            let (looks, acts) = logbook.part(effects);
            looks.into_iter().for_each(|look| hands.perform(look));
            let is_moment = acts_protected || logbook::is_moment(self.pen.fresh());
            let is_awaited = !acts.is_empty() || !waiting.is_empty() || is_moment || suspending || logbook.has_news();
            if !is_awaited && self.may_linger() {
                self.wait(&mut batch, &mut ears, observer, suspending, &logbook).await?;
                continue;
            }
            if let Err(error) = self.commit(observer) {
                drop(waiting);
                self.conductor.never_begun(&acts);
                self.wait_for_hands(&mut ears.inputs).await;
                return Err(error);
            }
            if acts_protected {
                logbook.begin_gate(self.pen.durable());
            } else if is_moment {
                logbook.gate(self.pen.durable());
            } else if logbook.is_due() {
                logbook.heartbeat(self.pen.durable());
            }
            for (answer, to) in answers.into_iter().zip(waiting) {
                // Whoever asked may have gone; the order is recorded all the same.
                let _ = to.send(answer);
            }
            for effect in logbook.let_through(self.conductor.state(), acts) {
                hands.perform(effect);
            }
            if let Phase::Ended(outcome) = self.conductor.state().phase() {
                self.pen.settle().map_err(|source| self.journal_failed(source))?;
                logbook.close(self.pen.durable());
                return Ok(Ending::Ended(outcome));
            }
            if suspending && self.conductor.is_idle() {
                let ending = self.let_go(observer);
                logbook.close(self.pen.durable());
                return ending;
            }
            self.wait(&mut batch, &mut ears, observer, suspending, &logbook).await?;
        }
    }

    /// Waits for whatever comes next, then takes everything that is there already, so that it shares one sync.
    async fn wait(
        &mut self,
        batch: &mut Batch,
        ears: &mut Ears,
        observer: &mut dyn Observer,
        suspending: bool,
        logbook: &Logbook,
    ) -> Result<(), EngineError> {
        let mut settled = false;
        loop {
            let now = self.clock.read().now;
            let timer = self.conductor.state().next_timer().map_or(TICK, |at| until(now, at).min(TICK));
            let pause = if settled { timer } else { timer.min(IDLE) };
            let end = tokio::time::Instant::now() + pause;
            tokio::select! {
                biased;
                Some(input) = ears.inputs.recv() => { batch.input(input); break }
                Some(order) = ears.orders.recv() => { batch.order(order); break }
                Some(note) = ears.notes.recv() => {
                    let is_patient = note.is_patient();
                    batch.note(note);
                    self.due.begin();
                    if !is_patient || self.due.is_over() { break }
                    continue;
                }
                () = ears.stop.cancelled(), if !suspending => return Ok(()),
                () = tokio::time::sleep_until(self.due.at().map_or(end, |at| end.min(at))) => {}
            }
            if self.due.at().is_some() {
                // Nobody is shown what is not durable.
                return Ok(());
            }
            let now = self.clock.read().now;
            observer.tick(self.conductor.state(), now);
            if self.conductor.state().next_timer().is_some_and(|at| at <= now) || logbook.has_news() {
                return Ok(());
            }
            if !settled {
                self.pen.settle().map_err(|source| self.journal_failed(source))?;
                settled = true;
            }
        }
        // Let tasks that are ready speak too: what ends together shares one sync.
        tokio::task::yield_now().await;
        while let Ok(input) = ears.inputs.try_recv() {
            batch.input(input);
        }
        while let Ok(order) = ears.orders.try_recv() {
            batch.order(order);
        }
        Ok(())
    }

    fn let_go(&mut self, observer: &mut dyn Observer) -> Result<Ending, EngineError> {
        self.conductor.note(Event::ExecutorStopped { reason: "asked to stop".to_owned() }, &mut self.pen);
        self.commit(observer)?;
        self.pen.settle().map_err(|source| self.journal_failed(source))?;
        Ok(Ending::Suspended)
    }

    /// Reads the clocks for the records of the next turn; a jump of the wall clock becomes a record.
    fn tick_clock(&mut self) -> Reading {
        let reading = self.clock.read();
        self.pen.set(reading);
        if let Some(by_ms) = reading.jump_ms
            && !matches!(self.conductor.state().phase(), Phase::Ended(_))
        {
            self.conductor.note(Event::ClockJumped { by_ms }, &mut self.pen);
        }
        reading
    }

    /// Makes everything recorded so far durable, and shows it.
    fn commit(&mut self, observer: &mut dyn Observer) -> Result<(), EngineError> {
        self.due = SyncDue::default();
        if self.pen.fresh().is_empty() {
            return Ok(());
        }
        let records = self.pen.commit().map_err(|source| self.journal_failed(source))?;
        observer.recorded(self.conductor.state(), &records);
        Ok(())
    }

    /// Whether what was recorded may wait for company, where nothing acts on it and nobody is told of it yet.
    fn may_linger(&mut self) -> bool {
        if self.pen.fresh().is_empty() || self.due.is_over() || matches!(self.conductor.state().phase(), Phase::Ended(_)) {
            return false;
        }
        self.due.begin();
        true
    }

    fn journal_failed(&self, source: crate::journal::JournalError) -> EngineError {
        EngineError::Journal { source, card: self.conductor.state().rollback_card() }
    }

    /// After a failed journal write: what is under way ends, and nothing new starts.
    async fn wait_for_hands(&mut self, inputs: &mut UnboundedReceiver<Input>) {
        let longest = Duration::from_secs(60);
        while self.conductor.has_effects_under_way() {
            match tokio::time::timeout(longest, inputs.recv()).await {
                Ok(Some(input)) => self.conductor.forget(&input),
                Ok(None) | Err(_) => return,
            }
        }
    }
}

fn executor_started(clock: &Clock) -> Event {
    Event::ExecutorStarted {
        pid: std::process::id(),
        host: nix::unistd::gethostname().map_or_else(|_| "unknown".to_owned(), |name| name.to_string_lossy().into_owned()),
        boot: clock.boot().to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

fn lock(folder: &RunFolder, run: &RunId) -> Result<Files, EngineError> {
    Files::lock(folder).map_err(|source| match source {
        LockError::Io(error) => EngineError::io("cannot lock the run", folder.lock())(error),
        held => EngineError::Busy { run: run.clone(), source: held },
    })
}
