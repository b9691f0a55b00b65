//! Both clocks, and the one moment that the state machine sees.
//!
//! The state machine's now never goes back: when the wall clock is set back it goes on with the monotonic one, so that no
//! deadline moves later. The jump itself becomes a record.

use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

use crate::journal::head::Clocks;
use crate::model::Timestamp;

/// Differences smaller than this are the clocks' own drift.
const JUMP_MS: i64 = 2_000;

/// The clocks of an executor.
#[derive(Debug)]
pub struct Clock {
    start: Instant,
    start_wall: Timestamp,
    last: Timestamp,
    skew_ms: i64,
    boot: String,
}

/// What the clocks say at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reading {
    /// The moment that the state machine sees.
    pub now: Timestamp,
    /// The wall clock.
    pub wall: Timestamp,
    /// The monotonic clock of this boot, in milliseconds.
    pub uptime_ms: u64,
    /// How far the wall clock moved against the monotonic one since the last reading, if it jumped.
    pub jump_ms: Option<i64>,
}

impl Clock {
    /// Clocks whose now is at or after `not_before`, the time of the last record.
    pub fn start(not_before: Timestamp) -> Self {
        let wall = wall();
        Self { start: Instant::now(), start_wall: wall, last: wall.max(not_before), skew_ms: 0, boot: boot_id() }
    }

    /// Reads both clocks.
    pub fn read(&mut self) -> Reading {
        let wall = wall();
        let (now, jump_ms) = self.advance(wall, self.start.elapsed());
        Reading { now, wall, uptime_ms: uptime_ms(), jump_ms }
    }

    /// What follows from the wall clock and the monotonic time since the start: the moment that the state machine sees, and
    /// how far the wall clock jumped since the last time.
    fn advance(&mut self, wall: Timestamp, elapsed: Duration) -> (Timestamp, Option<i64>) {
        let steady = self.start_wall.plus(elapsed);
        let skew = wall.as_millis() - steady.as_millis();
        let moved = skew - self.skew_ms;
        let jump_ms = (moved.abs() >= JUMP_MS).then_some(moved);
        if jump_ms.is_some() {
            self.skew_ms = skew;
        }
        self.last = self.last.max(wall).max(steady);
        (self.last, jump_ms)
    }

    /// The boot in which the monotonic clock counts.
    pub fn boot(&self) -> &str {
        &self.boot
    }

    /// Both clocks for the head of a journal.
    pub fn clocks(&mut self) -> Clocks {
        let reading = self.read();
        Clocks { at: reading.wall, uptime_ms: reading.uptime_ms, boot: self.boot.clone() }
    }
}

/// How long from `now` until `moment`.
pub(super) fn until(now: Timestamp, moment: Timestamp) -> Duration {
    moment.since(now)
}

fn wall() -> Timestamp {
    Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
}

fn uptime_ms() -> u64 {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |time| {
        let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
        let nanos = u64::try_from(time.tv_nsec()).unwrap_or(0);
        seconds * 1_000 + nanos / 1_000_000
    })
}

fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").map_or_else(|_| "unknown".to_owned(), |id| id.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_millis(1_795_219_200_000);

    fn clock(not_before: Timestamp) -> Clock {
        let last = START.max(not_before);
        Clock { start: Instant::now(), start_wall: START, last, skew_ms: 0, boot: "test".to_owned() }
    }

    #[test]
    fn a_wall_clock_that_is_set_back_moves_no_deadline_later() {
        let mut clock = clock(Timestamp::default());
        let minute = Duration::from_secs(60);
        assert_eq!(clock.advance(START.plus(minute), minute), (START.plus(minute), None));
        // The wall clock is set back by an hour: time goes on as if nothing had happened, and the jump is told once.
        let back = Timestamp::from_millis(START.as_millis() - 3_600_000);
        assert_eq!(clock.advance(back.plus(2 * minute), 2 * minute), (START.plus(2 * minute), Some(-3_600_000)));
        assert_eq!(clock.advance(back.plus(3 * minute), 3 * minute), (START.plus(3 * minute), None));
    }

    #[test]
    fn a_wall_clock_that_is_set_forward_is_believed_and_told() {
        let mut clock = clock(Timestamp::default());
        let minute = Duration::from_secs(60);
        assert_eq!(clock.advance(START.plus(10 * minute), minute), (START.plus(10 * minute), Some(540_000)));
        // And set right again: now stays where it was until the clocks have caught up.
        assert_eq!(clock.advance(START.plus(2 * minute), 2 * minute), (START.plus(10 * minute), Some(-540_000)));
    }

    #[test]
    fn a_new_executor_is_never_before_the_last_record() {
        let late = START.plus(Duration::from_secs(5));
        assert_eq!(clock(late).advance(START, Duration::ZERO).0, late);
    }
}
