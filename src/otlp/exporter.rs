//! Sends the trace of a run while the run goes on: a thread that follows the journal as anybody may.
//!
//! The run is neither slowed nor failed by it: all that the executor does is to count up one number. The journal is the buffer, so
//! that a collector that is away costs no memory and loses no span while the run goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::sender::Sender;
use super::{Outbox, Setting, Tally};
use crate::engine::{EngineError, Follow, Home};
use crate::model::RunId;
use crate::run::Record;
use crate::views::trace::{Trace, TraceId};

/// How often the journal is looked at.
const BETWEEN: Duration = Duration::from_millis(250);

/// A trace on its way.
#[derive(Debug)]
pub struct Exporter {
    /// Up to which record the journal is durable: what may be lost again is not sent.
    durable: Arc<AtomicU64>,
    end: watch::Sender<Option<Instant>>,
    thread: JoinHandle<Sent>,
    timeout: Duration,
}

/// What was sent in the end.
#[derive(Clone, Debug, Default)]
pub struct Sent {
    /// The trace.
    pub trace: Option<TraceId>,
    /// What became of its spans.
    pub tally: Tally,
    /// How many spans are not over: they come when the run goes on.
    pub open: usize,
}

impl Exporter {
    /// Begins to follow the run. Records count from when [`Self::durable`] names them.
    ///
    /// # Errors
    /// When nothing can be sent with this setting, or no thread can be made.
    pub fn begin(home: &Home, run: &RunId, setting: Setting) -> Result<Self, String> {
        let timeout = setting.timeout;
        let outbox = Outbox::new(Sender::new(setting)?);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| format!("no runtime can be made: {error}"))?;
        let durable = Arc::new(AtomicU64::new(0));
        let (end, ended) = watch::channel(None);
        let course = Course { home: home.clone(), run: run.clone(), durable: durable.clone(), reading: None, taken: 0, outbox };
        let thread = std::thread::Builder::new().name("traces".to_owned());
        let thread = thread.spawn(move || runtime.block_on(course.go(ended)));
        let thread = thread.map_err(|error| format!("no thread can be made: {error}"))?;
        Ok(Self { durable, end, thread, timeout })
    }

    /// Every record up to this one is durable.
    pub fn durable(&self, seq: u64) {
        self.durable.store(seq, Ordering::Release);
    }

    /// Sends what is left, for no longer than one request may take, and says what became of it all.
    pub fn finish(self) -> Sent {
        // Where the thread is gone, nobody hears it, and the join says so.
        let _ = self.end.send(Some(Instant::now() + self.timeout));
        self.thread.join().unwrap_or_else(|_| {
            let troubles = vec!["the thread that sends them has ended".to_owned()];
            Sent { tally: Tally { troubles, ..Tally::default() }, ..Sent::default() }
        })
    }
}

/// The run as far as it was read.
struct Reading {
    follow: Follow,
    trace: Trace,
    /// Records that were read and are not known to be durable yet, or wait for room.
    waiting: std::collections::VecDeque<Record>,
}

struct Course {
    home: Home,
    run: RunId,
    durable: Arc<AtomicU64>,
    reading: Option<Reading>,
    /// The last record whose spans were put into the outbox.
    taken: u64,
    outbox: Outbox,
}

impl Course {
    async fn go(mut self, mut end: watch::Receiver<Option<Instant>>) -> Sent {
        loop {
            let deadline = *end.borrow_and_update();
            let read = self.read();
            if let Err(error) = &read {
                self.outbox.trouble(format!("the journal cannot be followed: {error}"));
            }
            match deadline {
                Some(deadline) if read.is_err() || !self.is_behind() => {
                    self.outbox.empty(deadline).await;
                    return self.sent();
                }
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() || self.outbox.not_before().is_some_and(|at| at >= deadline) {
                        return self.sent();
                    }
                    // More is to be read than has room, or than has reached the file.
                    self.outbox.turn(left).await;
                    tokio::time::sleep(self.outbox.not_before().map_or(Duration::from_millis(5), |_| BETWEEN)).await;
                }
                None => {
                    tokio::select! {
                        () = self.outbox.turn(Duration::MAX) => {}
                        // A request that nobody answers must not hold up the end.
                        changed = end.changed() => if changed.is_err() { return self.sent() } else { continue },
                    }
                    let pause =
                        if self.outbox.is_empty() || self.outbox.not_before().is_some() { BETWEEN } else { Duration::ZERO };
                    let _ = tokio::time::timeout(pause, end.changed()).await;
                }
            }
        }
    }

    fn sent(&self) -> Sent {
        let reading = self.reading.as_ref();
        Sent {
            trace: reading.and_then(|reading| reading.trace.id()),
            tally: self.outbox.tally(),
            open: reading.map_or(0, |reading| reading.trace.open()),
        }
    }

    /// Whether durable records were not taken yet.
    fn is_behind(&self) -> bool {
        self.taken < self.durable.load(Ordering::Acquire)
    }

    /// Reads what came, as far as there is room.
    fn read(&mut self) -> Result<(), EngineError> {
        if !self.is_behind() || self.outbox.is_full() {
            return Ok(());
        }
        let reading = match &mut self.reading {
            Some(reading) => reading,
            none => {
                let follow = Follow::open(&self.home, &self.run)?;
                let trace = Trace::of(follow.state().plan());
                none.insert(Reading { follow, trace, waiting: std::collections::VecDeque::new() })
            }
        };
        let records = reading.follow.poll()?;
        if records.first().is_some_and(|record| record.seq == 1) {
            // Records that were never durable are gone, and everything is told anew. What was sent was durable, and stays.
            reading.trace = Trace::of(reading.follow.state().plan());
            reading.waiting.clear();
        }
        reading.waiting.extend(records);
        let durable = self.durable.load(Ordering::Acquire);
        while !self.outbox.is_full()
            && reading.waiting.front().is_some_and(|record| record.seq <= durable)
            && let Some(record) = reading.waiting.pop_front()
        {
            let spans = reading.trace.take(&record).map_err(EngineError::Fold)?;
            if record.seq > self.taken {
                self.taken = record.seq;
                self.outbox.put(spans);
            }
        }
        Ok(())
    }
}
