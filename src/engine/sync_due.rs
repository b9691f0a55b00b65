//! When what was recorded has to be on the disk.
//!
//! At once before anything acts, anybody is answered, or a checkpoint is signed. What only looks needs no durable record under it, so
//! its records wait a moment for company: each sync of their own would compete with the disk of a database whose writers are
//! refused meanwhile.

use std::time::Duration;

use tokio::time::Instant;

/// How long a record may wait for company.
const PATIENT: Duration = Duration::from_millis(50);

/// The moment at which a sync is due for what waits; none where nothing does.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SyncDue(Option<Instant>);

impl SyncDue {
    /// Something waits from now on. The first that does says until when.
    pub fn begin(&mut self) {
        self.0.get_or_insert_with(|| Instant::now() + PATIENT);
    }

    /// Until when it waits.
    pub const fn at(self) -> Option<Instant> {
        self.0
    }

    /// Whether it has waited for long enough.
    pub fn is_over(self) -> bool {
        self.0.is_some_and(|at| at <= Instant::now())
    }
}
