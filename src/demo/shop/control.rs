//! How a process of the shop learns that it should end: the pipe that is its standard input closes.
//!
//! The demo holds the other end of the pipe, so the shop ends with the demo however that ends, and it does not end with an
//! executor. `SIGTERM` ends a process at once, which is safe too: nothing is acknowledged that is not on disk.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Whether it is time to end.
#[derive(Clone, Debug, Default)]
pub struct Control(Arc<AtomicBool>);

impl Control {
    /// Ends when standard input does.
    pub fn from_stdin() -> Self {
        let control = Self::default();
        let seen = control.clone();
        thread::spawn(move || {
            let mut sink = [0; 256];
            let mut stdin = std::io::stdin().lock();
            while matches!(stdin.read(&mut sink), Ok(count) if count > 0) {}
            seen.end();
        });
        control
    }

    /// Ends the process that looks at this.
    pub fn end(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it is time to end.
    pub fn is_ended(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Waits until `until`, or until it is time to end.
    pub(super) fn pause_until(&self, until: Instant) {
        const GLANCE: Duration = Duration::from_millis(20);
        while !self.is_ended() {
            let Some(left) = until.checked_duration_since(Instant::now()) else { return };
            thread::sleep(left.min(GLANCE));
        }
    }

    /// Waits for `span`, or until it is time to end.
    pub(super) fn pause(&self, span: Duration) {
        self.pause_until(Instant::now() + span);
    }
}
