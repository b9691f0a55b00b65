//! The time of a replay: how far a night has come after so much time of ours. It never looks at a clock.

use std::time::Duration;

use crate::model::Timestamp;

/// How many seconds of the night pass in one of ours.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Speed {
    /// So many.
    Times(f64),
    /// All of it at once.
    Max,
}

/// Slower than this nothing can be seen to move, and faster than this nothing can be seen.
const LIMITS: (f64, f64) = (0.1, 86_400.0);

impl Speed {
    /// `60`, `0.5` or `max`.
    ///
    /// # Errors
    /// When it is none of these.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.trim().trim_end_matches('x').parse::<f64>() {
            _ if text == "max" => Ok(Self::Max),
            Ok(times) if times >= LIMITS.0 && times <= LIMITS.1 => Ok(Self::Times(times)),
            Ok(_) | Err(_) => Err(format!("a speed is a number from {} to {}, or `max`", LIMITS.0, LIMITS.1)),
        }
    }

    fn doubled(self) -> Self {
        match self {
            Self::Times(times) => Self::Times((times * 2.0).min(LIMITS.1)),
            Self::Max => Self::Max,
        }
    }

    fn halved(self) -> Self {
        match self {
            Self::Times(times) => Self::Times((times / 2.0).max(LIMITS.0)),
            Self::Max => Self::Times(LIMITS.1),
        }
    }
}

impl std::fmt::Display for Speed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Times(times) => write!(f, "{times}x"),
            Self::Max => f.write_str("at once"),
        }
    }
}

/// Whether the time of a replay goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Going {
    /// It goes on.
    On,
    /// It stands.
    Held,
}

/// The time of a replay.
#[derive(Clone, Debug)]
pub struct Pace {
    speed: Speed,
    going: Going,
    now: Timestamp,
    /// What is left of a millisecond of the night.
    rest: f64,
}

impl Pace {
    /// A time that begins at `now`.
    pub const fn new(speed: Speed, now: Timestamp) -> Self {
        Self { speed, going: Going::On, now, rest: 0.0 }
    }

    /// The moment of the night.
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// How fast it goes.
    pub const fn speed(&self) -> Speed {
        self.speed
    }

    /// Whether it goes on.
    pub const fn going(&self) -> Going {
        self.going
    }

    /// So much time of ours passed; the night goes no further than `end`.
    pub fn advance(&mut self, elapsed: Duration, end: Timestamp) {
        match (self.going, self.speed) {
            (Going::Held, _) => {}
            (Going::On, Speed::Max) => self.now = self.now.max(end),
            (Going::On, Speed::Times(times)) => {
                let passed = elapsed.as_secs_f64() * 1_000.0 * times + self.rest;
                let whole = passed.floor().min(u64::MAX as f64 / 2.0);
                self.rest = passed - whole;
                let to = self.now.plus(Duration::from_millis(whole as u64));
                self.now = if to > end { self.now.max(end) } else { to };
            }
        }
    }

    /// How long until the moment `at`, in time of ours; none while it stands.
    pub fn until(&self, at: Timestamp) -> Option<Duration> {
        match (self.going, self.speed) {
            (Going::Held, _) => None,
            (Going::On, Speed::Max) => Some(Duration::ZERO),
            (Going::On, Speed::Times(times)) => {
                let left = if at > self.now { at.since(self.now) } else { Duration::ZERO };
                Some(left.div_f64(times))
            }
        }
    }

    /// Stands, or goes on.
    pub const fn toggle(&mut self) {
        self.going = match self.going {
            Going::On => Going::Held,
            Going::Held => Going::On,
        };
    }

    /// Is at a moment.
    pub const fn go_to(&mut self, at: Timestamp) {
        self.now = at;
        self.rest = 0.0;
    }

    /// Stands at a moment.
    pub const fn hold_at(&mut self, at: Timestamp) {
        self.going = Going::Held;
        self.go_to(at);
    }

    /// Twice as fast.
    pub fn faster(&mut self) {
        self.speed = self.speed.doubled();
    }

    /// Half as fast.
    pub fn slower(&mut self) {
        self.speed = self.speed.halved();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(1_795_219_200_000 + ms)
    }

    #[test]
    fn a_minute_of_the_night_passes_in_a_second_of_ours() {
        let mut pace = Pace::new(Speed::Times(60.0), at(0));
        pace.advance(Duration::from_millis(500), at(1_000_000));
        assert_eq!(pace.now(), at(30_000));
        assert_eq!(pace.until(at(90_000)), Some(Duration::from_secs(1)));
        pace.advance(Duration::from_secs(3_600), at(1_000_000));
        assert_eq!(pace.now(), at(1_000_000), "it ends where the night does");
    }

    #[test]
    fn small_steps_lose_nothing() {
        let mut pace = Pace::new(Speed::Times(0.3), at(0));
        for _ in 0..1_000 {
            pace.advance(Duration::from_millis(1), at(1_000_000));
        }
        assert!((299..=300).contains(&(pace.now().as_millis() - at(0).as_millis())), "{:?}", pace.now());
    }

    #[test]
    fn a_time_that_stands_goes_nowhere_and_waits_for_nothing() {
        let mut pace = Pace::new(Speed::Times(1.0), at(0));
        pace.toggle();
        pace.advance(Duration::from_secs(9), at(1_000_000));
        assert_eq!((pace.now(), pace.until(at(1))), (at(0), None));
        pace.toggle();
        pace.faster();
        pace.advance(Duration::from_secs(1), at(1_000_000));
        assert_eq!(pace.now(), at(2_000));
    }

    #[test]
    fn speeds_are_numbers_within_reason_or_max() {
        assert_eq!(Speed::parse("60"), Ok(Speed::Times(60.0)));
        assert_eq!(Speed::parse("0.5x"), Ok(Speed::Times(0.5)));
        assert_eq!(Speed::parse("max"), Ok(Speed::Max));
        for wrong in ["0", "-1", "fast", "", "NaN", "inf"] {
            assert!(Speed::parse(wrong).is_err(), "{wrong}");
        }
    }
}
