//! A night that is played again from its records: how many of them are shown at a moment of the replay.

use std::time::Duration;

use super::pace::{Going, Pace, Speed};
use crate::model::Timestamp;
use crate::run::Record;

/// The place in a replay.
#[derive(Clone, Debug)]
pub struct Player {
    /// When each record is due.
    due: Vec<Timestamp>,
    pace: Pace,
    shown: usize,
}

impl Player {
    /// A replay of these records that begins behind record `from`.
    pub fn new(records: &[Record], speed: Speed, from: u64) -> Self {
        let due = due(records);
        let shown = usize::try_from(from).unwrap_or(usize::MAX).clamp(usize::from(!due.is_empty()), due.len());
        let begin = shown.checked_sub(1).map_or_else(Timestamp::default, |last| due[last]);
        Self { pace: Pace::new(speed, begin), due, shown }
    }

    /// How many records are shown.
    pub const fn shown(&self) -> usize {
        self.shown
    }

    /// The moment of the night.
    pub const fn now(&self) -> Timestamp {
        self.pace.now()
    }

    /// How fast it goes.
    pub const fn speed(&self) -> Speed {
        self.pace.speed()
    }

    /// Whether it stands.
    pub fn is_held(&self) -> bool {
        self.pace.going() == Going::Held
    }

    /// Whether the night is told to its end.
    pub const fn is_over(&self) -> bool {
        self.shown == self.due.len()
    }

    /// So much time of ours passed.
    pub fn advance(&mut self, elapsed: Duration) {
        let Some(end) = self.due.last() else { return };
        self.pace.advance(elapsed, *end);
        let now = self.pace.now();
        self.shown += self.due[self.shown..].partition_point(|due| *due <= now);
    }

    /// How long until the next record, in time of ours; none while the replay stands or is over.
    pub fn next_in(&self) -> Option<Duration> {
        self.pace.until(*self.due.get(self.shown)?)
    }

    /// Goes to the next record at once, and on from there.
    pub fn skip(&mut self) {
        let Some(due) = self.due.get(self.shown) else { return };
        self.pace.go_to(*due);
        self.advance(Duration::ZERO);
    }

    /// Stands, or goes on.
    pub const fn toggle(&mut self) {
        self.pace.toggle();
    }

    /// Stands behind the next record.
    pub fn forward(&mut self) {
        self.stand(self.shown + 1);
    }

    /// Stands behind the record before.
    pub fn back(&mut self) {
        self.stand(self.shown.saturating_sub(1));
    }

    /// Twice as fast.
    pub fn faster(&mut self) {
        self.pace.faster();
    }

    /// Half as fast.
    pub fn slower(&mut self) {
        self.pace.slower();
    }

    fn stand(&mut self, shown: usize) {
        self.shown = shown.clamp(usize::from(!self.due.is_empty()), self.due.len());
        if let Some(last) = self.shown.checked_sub(1) {
            self.pace.hold_at(self.due[last]);
        }
    }
}

/// When each record is due. A wall clock that was set back in the night does not turn the replay back.
pub fn due(records: &[Record]) -> Vec<Timestamp> {
    let mut latest = Timestamp::default();
    let due = records.iter().map(|record| {
        latest = latest.max(record.at);
        latest
    });
    due.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Event;

    fn records(seconds: &[i64]) -> Vec<Record> {
        let record = |(at, second): (usize, &i64)| Record {
            seq: at as u64 + 1,
            epoch: 1,
            at: Timestamp::from_millis(1_795_219_200_000 + second * 1_000),
            uptime_ms: 0,
            event: Event::ExecutorStopped { reason: String::new() },
        };
        seconds.iter().enumerate().map(record).collect()
    }

    #[test]
    fn records_come_when_they_came() {
        let mut player = Player::new(&records(&[0, 60, 60, 600]), Speed::Times(60.0), 1);
        assert_eq!((player.shown(), player.next_in()), (1, Some(Duration::from_secs(1))));
        player.advance(Duration::from_millis(999));
        assert_eq!(player.shown(), 1);
        player.advance(Duration::from_millis(1));
        assert_eq!((player.shown(), player.next_in()), (3, Some(Duration::from_secs(9))));
        player.advance(Duration::from_secs(9));
        assert!(player.is_over() && player.next_in().is_none());
    }

    #[test]
    fn a_step_stands_where_it_goes() {
        let mut player = Player::new(&records(&[0, 60, 120]), Speed::Times(1.0), 1);
        player.forward();
        assert_eq!((player.shown(), player.is_held(), player.next_in()), (2, true, None));
        player.back();
        player.back();
        assert_eq!(player.shown(), 1, "the first record always stands");
        player.toggle();
        assert_eq!(player.next_in(), Some(Duration::from_secs(60)), "it goes on from there");
    }

    #[test]
    fn a_skip_goes_to_the_next_record_and_on() {
        let mut player = Player::new(&records(&[0, 60, 60, 120]), Speed::Times(1.0), 1);
        player.skip();
        assert_eq!((player.shown(), player.next_in()), (3, Some(Duration::from_secs(60))));
    }

    #[test]
    fn a_clock_that_was_set_back_turns_nothing_back() {
        let mut player = Player::new(&records(&[100, 40, 110]), Speed::Times(1.0), 1);
        player.advance(Duration::ZERO);
        assert_eq!((player.shown(), player.next_in()), (2, Some(Duration::from_secs(10))));
        let all = Player::new(&records(&[0, 1]), Speed::Max, 99);
        assert!(all.is_over(), "a record behind the end is the end");
    }
}
