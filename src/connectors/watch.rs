//! A wait for something that moves by itself: asks in a rhythm, ends at its deadline, and earlier when nothing moves any more.

use std::time::{Duration, Instant};

use super::patience::{Patience, Stopped};
use super::{ActionError, Call};
use crate::model::Span;

/// At most one line of progress in this time.
const TOLD_EVERY: Duration = Duration::from_secs(1);

/// How a step wants to wait: `every`, `within`, `no_progress_for`, as the catalog gives their defaults.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    every: Duration,
    within: Duration,
    no_progress_for: Duration,
}

impl Pace {
    /// What `call` asks for.
    pub(super) fn of(call: &Call) -> Result<Self, ActionError> {
        Ok(Self {
            every: span(call, "every", 200)?,
            within: span(call, "within", 60_000)?,
            no_progress_for: span(call, "no_progress_for", 30_000)?,
        })
    }

    /// How long it may take in all.
    pub(super) const fn within(&self) -> Duration {
        self.within
    }
}

/// A span of the parameters; `default` in milliseconds where it is left out.
pub(super) fn span(call: &Call, name: &str, default: u64) -> Result<Duration, ActionError> {
    Ok(call.params.opt_span(name)?.unwrap_or(Span::from_millis(default)).as_duration())
}

/// A wait under way.
#[derive(Debug)]
pub(super) struct Watch {
    pace: Pace,
    patience: Patience,
    begun: Instant,
    asked: u64,
    moved: Instant,
    told: Option<Instant>,
}

impl Watch {
    /// Begins now, for at most as long as `patience` lasts.
    pub(super) fn begin(pace: Pace, patience: &Patience) -> Self {
        let begun = Instant::now();
        Self { pace, patience: patience.at_most(pace.within), begun, asked: 0, moved: begun, told: None }
    }

    /// Counts an answer, and whether it differs from the one before in a way that is progress.
    pub(super) fn saw(&mut self, has_moved: bool) {
        self.asked += 1;
        if has_moved {
            self.moved = Instant::now();
        }
    }

    /// Whether a line of progress is due: the first answer's is, then one a second.
    pub(super) fn may_tell(&mut self) -> bool {
        let due = self.told.is_none_or(|told| told.elapsed() >= TOLD_EVERY);
        if due {
            self.told = Some(Instant::now());
        }
        due
    }

    /// For how long nothing moved, once that is too long.
    pub(super) fn stalled(&self) -> Option<Span> {
        let idle = self.pace.no_progress_for;
        (self.moved.elapsed() >= idle).then(|| Span::from_millis(u64::try_from(idle.as_millis()).unwrap_or(u64::MAX)))
    }

    /// The pause before the next question.
    pub(super) async fn pause(&self) -> Result<(), Stopped> {
        self.patience.sleep(self.pace.every).await
    }

    /// The same on a thread that may block.
    #[cfg(any(feature = "sqlite", feature = "ssh"))]
    pub(super) fn pause_blocking(&self) -> Result<(), Stopped> {
        self.patience.sleep_blocking(self.pace.every)
    }

    /// How often it asked.
    pub(super) const fn asked(&self) -> u64 {
        self.asked
    }

    /// How long it has lasted.
    pub(super) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// The same in milliseconds, for outputs.
    pub(super) fn waited_ms(&self) -> u64 {
        u64::try_from(self.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
