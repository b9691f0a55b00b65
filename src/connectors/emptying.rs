//! A queue on its way to empty: what went of it, since when it holds nothing, and whether it stands still.

use std::time::{Duration, Instant};

use super::patience::Patience;
use super::watch::{Pace, Watch};
use crate::model::Span;

/// A queue on its way to empty, by the counts of what is pending in it.
#[derive(Debug)]
pub(super) struct Emptying {
    watch: Watch,
    last: Option<u64>,
    drained: u64,
    empty_since: Option<Instant>,
}

impl Emptying {
    /// Begins to watch.
    pub(super) fn begin(pace: Pace, patience: &Patience) -> Self {
        Self { watch: Watch::begin(pace, patience), last: None, drained: 0, empty_since: None }
    }

    /// Takes a count; whether it is worth a line of progress.
    pub(super) fn saw(&mut self, pending: u64) -> bool {
        let is_new = self.last != Some(pending);
        self.watch.saw(self.last.is_none_or(|before| pending < before));
        self.drained += self.last.map_or(0, |before| before.saturating_sub(pending));
        self.last = Some(pending);
        self.empty_since = if pending == 0 { self.empty_since.or_else(|| Some(Instant::now())) } else { None };
        is_new && (self.watch.may_tell() || pending == 0)
    }

    /// Whether it has been empty for `span` without a break.
    pub(super) fn is_empty_for(&self, span: Duration) -> bool {
        self.empty_since.is_some_and(|since| since.elapsed() >= span)
    }

    /// For how long nothing went, once that is too long and something is there.
    pub(super) fn stalled(&self) -> Option<Span> {
        self.watch.stalled().filter(|_| self.last() > 0)
    }

    /// The last count.
    pub(super) fn last(&self) -> u64 {
        self.last.unwrap_or_default()
    }

    /// How many went while it was watched; what came in meanwhile hides as many.
    pub(super) const fn drained(&self) -> u64 {
        self.drained
    }

    /// The wait itself.
    pub(super) const fn watch(&self) -> &Watch {
        &self.watch
    }
}
