//! How long a verb may take: it ends by itself a little before the engine's deadline, and at once when the engine asks.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::{ActionError, Call};

/// The time that is left for one verb.
#[derive(Clone, Debug)]
pub(super) struct Patience {
    ends: Instant,
    cancel: CancellationToken,
}

/// Why a verb stopped by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum Stopped {
    /// The time was up.
    #[error("the time for it was up")]
    Deadline,
    /// The engine no longer wants the answer.
    #[error("it was told to stop")]
    Cancelled,
}

/// At most this much of the engine's time is kept back for ending cleanly.
const LONGEST_MARGIN: Duration = Duration::from_millis(500);

impl Patience {
    /// The patience for `call`: a tenth of what is left, at most half a second, is kept back for ending cleanly.
    pub(super) fn of(call: &Call) -> Self {
        let left = call.deadline.saturating_duration_since(Instant::now());
        let margin = (left / 10).min(LONGEST_MARGIN);
        Self { ends: call.deadline.checked_sub(margin).unwrap_or(call.deadline), cancel: call.cancel.clone() }
    }

    /// A time that no caller has set, for taking something back when the verb's own time is over.
    #[cfg(feature = "postgres")]
    pub(super) fn for_itself(span: Duration) -> Self {
        let now = Instant::now();
        Self { ends: now.checked_add(span).unwrap_or(now), cancel: CancellationToken::new() }
    }

    /// This patience, but no longer than `span` from now.
    #[must_use]
    pub(super) fn at_most(&self, span: Duration) -> Self {
        let ends = Instant::now().checked_add(span).map_or(self.ends, |end| end.min(self.ends));
        Self { ends, cancel: self.cancel.clone() }
    }

    /// Time for cleaning up after this patience is over: nobody can cut it short any more.
    #[cfg(feature = "ssh")]
    pub(super) fn for_ending(span: Duration) -> Self {
        Self { ends: Instant::now() + span, cancel: CancellationToken::new() }
    }

    /// How much is left.
    pub(super) fn left(&self) -> Duration {
        self.ends.saturating_duration_since(Instant::now())
    }

    /// Whether it is over now.
    pub(super) fn check(&self) -> Result<(), Stopped> {
        if self.cancel.is_cancelled() {
            Err(Stopped::Cancelled)
        } else if self.left().is_zero() {
            Err(Stopped::Deadline)
        } else {
            Ok(())
        }
    }

    /// Ends when it is over, and says why.
    pub(super) async fn over(&self) -> Stopped {
        tokio::select! {
            () = self.cancel.cancelled() => Stopped::Cancelled,
            () = tokio::time::sleep_until(self.ends.into()) => Stopped::Deadline,
        }
    }

    /// Sleeps for `span`, or until it is over.
    pub(super) async fn sleep(&self, span: Duration) -> Result<(), Stopped> {
        tokio::select! {
            stopped = self.over() => Err(stopped),
            () = tokio::time::sleep(span) => self.check(),
        }
    }

    /// Sleeps on a thread that may block.
    #[cfg(any(feature = "sqlite", feature = "ssh"))]
    pub(super) fn sleep_blocking(&self, span: Duration) -> Result<(), Stopped> {
        const SLICE: Duration = Duration::from_millis(10);
        let end = Instant::now() + span;
        loop {
            self.check()?;
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(SLICE));
        }
    }
}

impl From<Stopped> for ActionError {
    fn from(stopped: Stopped) -> Self {
        Self::untouched(stopped.to_string())
    }
}
