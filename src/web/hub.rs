//! The runs that somebody watches. Each is read once, however many watch it, and nobody who watches slows the run: journals are only read.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use super::console::Now;
use super::problem::Problem;
use crate::engine::{Follow, Home, history};
use crate::model::{RunId, Value};
use crate::plan::History;
use crate::run::Record;
use crate::views::Invocation;
use crate::views::night::{LOG_LINES, Night};
use crate::views::status::Life;

/// How often a journal is looked at. What came meanwhile is one patch.
const BETWEEN: Duration = Duration::from_millis(100);
/// How often those who watch hear that the console still follows, and what the clocks say.
const PULSE: Duration = Duration::from_secs(5);
/// How many records are kept for those who come back.
const KEPT: usize = 4_000;
/// How many patches may wait for a slow viewer, before it is told to begin anew from what is now.
const WAITING: usize = 64;

/// Every run that is followed.
#[derive(Debug)]
pub struct Hub {
    home: Home,
    how: Invocation,
    now: Now_,
    followed: Mutex<HashMap<RunId, Weak<Channel>>>,
    closed: CancellationToken,
}

/// A clock that has nothing to show.
#[derive(Clone)]
struct Now_(Now);

impl std::fmt::Debug for Now_ {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Now")
    }
}

/// One run that is followed.
#[derive(Debug)]
pub struct Channel {
    how: Invocation,
    now: Now_,
    history: History,
    read: Mutex<Read>,
    patches: broadcast::Sender<Arc<Patch>>,
}

#[derive(Debug)]
struct Read {
    follow: Follow,
    /// Whether an executor drove the run when it was looked at last.
    is_driven: bool,
    recent: VecDeque<Record>,
}

/// What changed, ready to be sent.
#[derive(Debug)]
pub struct Patch {
    /// The last record in it; those who have it need this patch no more.
    pub seq: u64,
    /// The patch as JSON.
    pub text: String,
    /// Whether records that were seen are gone with the executor that wrote them, so that everything has to be asked for anew.
    pub is_reset: bool,
}

/// What somebody who begins to watch gets first.
#[derive(Debug)]
pub struct Watching {
    /// What they miss since the record that they have; none where nothing came since.
    pub missed: Option<Arc<Patch>>,
    /// Whether they have to ask for everything anew: what they miss is longer ago than what is kept.
    pub is_lost: bool,
    /// What comes from now on.
    pub patches: broadcast::Receiver<Arc<Patch>>,
    /// Keeps the run followed.
    pub channel: Arc<Channel>,
}

impl Hub {
    /// Follows nothing yet.
    pub fn new(home: Home, how: Invocation, now: Now) -> Self {
        Self { home, how, now: Now_(now), followed: Mutex::default(), closed: CancellationToken::new() }
    }

    /// Ends every stream.
    pub fn close(&self) {
        self.closed.cancel();
    }

    /// Set when every stream has to end.
    pub fn closed(&self) -> CancellationToken {
        self.closed.clone()
    }

    /// How many runs are followed.
    pub fn count(&self) -> usize {
        self.locked().values().filter(|channel| channel.strong_count() > 0).count()
    }

    /// Follows a run. Reads its journal where nobody follows it yet, so it is to be called where waiting is allowed, in a runtime.
    ///
    /// # Errors
    /// When the run cannot be read.
    pub fn follow(&self, run: &RunId) -> Result<Arc<Channel>, Problem> {
        let mut followed = self.locked();
        if let Some(channel) = followed.get(run).and_then(Weak::upgrade) {
            return Ok(channel);
        }
        let mut follow = Follow::open(&self.home, run)?;
        let recent: VecDeque<Record> = follow.poll()?.into();
        let (patches, _) = broadcast::channel(WAITING);
        let channel = Arc::new(Channel {
            history: history(&self.home, &follow.state().plan().content().runbook, Some(run)).unwrap_or_default(),
            how: self.how.clone(),
            now: self.now.clone(),
            read: Mutex::new(Read { is_driven: follow.is_driven(), follow, recent }),
            patches,
        });
        channel.read().forget_old();
        followed.retain(|_, channel| channel.strong_count() > 0);
        followed.insert(run.clone(), Arc::downgrade(&channel));
        drop(followed);
        tokio::spawn(keep_reading(Arc::downgrade(&channel), self.closed.clone()));
        Ok(channel)
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<RunId, Weak<Channel>>> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks at a journal until nobody watches it any more.
async fn keep_reading(channel: Weak<Channel>, closed: CancellationToken) {
    let mut quiet = Duration::ZERO;
    loop {
        tokio::select! {
            () = closed.cancelled() => return,
            () = tokio::time::sleep(BETWEEN) => {}
        }
        let Some(channel) = channel.upgrade() else { return };
        quiet += BETWEEN;
        let is_due = quiet >= PULSE;
        let looked = tokio::task::spawn_blocking(move || channel.look(is_due)).await;
        match looked {
            Ok(Ok(true)) => quiet = Duration::ZERO,
            Ok(Ok(false)) => {}
            // A journal that cannot be read now is tried again: the pages show how old what they have is.
            Ok(Err(error)) => tracing::debug!("a journal cannot be followed: {error}"),
            Err(_) => return,
        }
    }
}

impl Channel {
    /// Reads on; says whether something was sent.
    fn look(&self, is_due: bool) -> Result<bool, Problem> {
        self.advance(&mut self.read(), is_due)
    }

    fn advance(&self, read: &mut Read, is_due: bool) -> Result<bool, Problem> {
        let was_driven = read.is_driven;
        let fresh = read.follow.poll()?;
        read.is_driven = read.follow.is_driven();
        if fresh.is_empty() && !is_due && read.is_driven == was_driven {
            return Ok(false);
        }
        let patch = self.patch(read, &fresh);
        read.keep(fresh);
        // It is sent while the lock is held: whoever begins to watch gets each record once, there or here. Nobody may be watching.
        let _ = self.patches.send(Arc::new(patch));
        Ok(true)
    }

    /// Begins to watch, from behind record `seq` on.
    pub fn watch(self: &Arc<Self>, seq: Option<u64>) -> Watching {
        let read = self.read();
        let last = read.follow.state().last_seq();
        let oldest = read.recent.front().map_or(last, |record| record.seq.saturating_sub(1));
        let is_lost = seq.is_some_and(|seq| seq < oldest || seq > last);
        let missed = seq.filter(|seq| !is_lost && *seq < last).map(|seq| {
            let records: Vec<Record> = read.recent.iter().filter(|record| record.seq > seq).cloned().collect();
            Arc::new(self.patch(&read, &records))
        });
        Watching { missed, is_lost, patches: self.patches.subscribe(), channel: self.clone() }
    }

    /// Everything that the night screen shows.
    pub fn snapshot(&self) -> Value {
        let mut read = self.read();
        // What cannot be read on is shown as it was; the page says how old it is.
        let _ = self.advance(&mut read, false);
        let tail: Vec<Record> = read.recent.iter().rev().take(LOG_LINES).rev().cloned().collect();
        self.night(&read).snapshot(&tail)
    }

    fn patch(&self, read: &Read, records: &[Record]) -> Patch {
        let state = read.follow.state();
        let patch = self.night(read).patch(records);
        Patch { seq: state.last_seq(), text: patch.to_string(), is_reset: begins_anew(read, records) }
    }

    fn night<'a>(&'a self, read: &'a Read) -> Night<'a> {
        let life = if read.is_driven { Life::Driven } else { Life::Left };
        Night { state: read.follow.state(), life, history: &self.history, now: (self.now.0)(), how: &self.how }
    }

    fn read(&self) -> MutexGuard<'_, Read> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether these records are the first again, though there were some before.
fn begins_anew(read: &Read, fresh: &[Record]) -> bool {
    let last = read.recent.back().map_or(0, |record| record.seq);
    fresh.first().is_some_and(|first| first.seq <= last && read.recent.back().is_some_and(|_| first.seq == 1))
}

impl Read {
    fn keep(&mut self, fresh: Vec<Record>) {
        if begins_anew(self, &fresh) {
            self.recent.clear();
        }
        self.recent.extend(fresh);
        self.forget_old();
    }

    fn forget_old(&mut self) {
        let surplus = self.recent.len().saturating_sub(KEPT);
        self.recent.drain(..surplus);
    }
}
