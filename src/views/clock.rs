//! Moments and lengths of time as people read them, in the time zone of the runbook's window.

use std::time::Duration;

use jiff::tz::TimeZone;

use crate::model::Timestamp;
use crate::plan::Plan;

/// The clock on the wall of one run: every view of it shows times in one zone.
#[derive(Clone, Debug)]
pub struct Clock {
    zone: TimeZone,
    name: String,
}

impl Clock {
    /// Times in UTC.
    pub fn utc() -> Self {
        Self { zone: TimeZone::UTC, name: "UTC".to_owned() }
    }

    /// The zone in which the author wrote the window; UTC for a plan without one.
    pub fn of(plan: &Plan) -> Self {
        let window = plan.content().window.as_ref();
        let zone = window.and_then(|w| Some((TimeZone::get(&w.time_zone).ok()?, w.time_zone.clone())));
        zone.map_or_else(Self::utc, |(zone, name)| Self { zone, name })
    }

    /// The name of the zone.
    pub fn zone(&self) -> &str {
        &self.name
    }

    /// `03:12:45`.
    pub fn time(&self, moment: Timestamp) -> String {
        self.shown(moment, "%H:%M:%S")
    }

    /// `2026-11-21 03:12:45`.
    pub fn moment(&self, moment: Timestamp) -> String {
        self.shown(moment, "%Y-%m-%d %H:%M:%S")
    }

    fn shown(&self, moment: Timestamp, format: &str) -> String {
        match jiff::Timestamp::from_millisecond(moment.as_millis()) {
            Ok(at) => at.to_zoned(self.zone.clone()).strftime(format).to_string(),
            Err(_) => moment.to_string(),
        }
    }
}

/// `0.4s`, `12s`, `3m05s`, `1h12m`, `50h`: two units at most, so that a column stays narrow.
pub fn length(span: Duration) -> String {
    let (seconds, millis) = (span.as_secs(), span.subsec_millis());
    match seconds {
        0 if millis < 100 => format!("{millis}ms"),
        0..=9 => format!("{seconds}.{}s", millis / 100),
        10..=59 => format!("{seconds}s"),
        60..=3_599 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3_600..=86_399 => format!("{}h{:02}m", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{}h", seconds / 3_600),
    }
}

/// How long until `moment`, or how long ago it was.
pub fn until(moment: Timestamp, now: Timestamp) -> String {
    if moment >= now { format!("{} left", coarse(moment.since(now))) } else { format!("{} over", coarse(now.since(moment))) }
}

/// As [`length`], without tenths: for what counts down.
pub fn coarse(span: Duration) -> String {
    if span.as_secs() < 10 { format!("{}s", span.as_secs()) } else { length(span) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_two_units_at_most() {
        for (millis, shown) in [
            (0, "0ms"),
            (42, "42ms"),
            (400, "0.4s"),
            (9_999, "9.9s"),
            (12_345, "12s"),
            (185_000, "3m05s"),
            (4_320_000, "1h12m"),
            (180_000_000, "50h"),
        ] {
            assert_eq!(length(Duration::from_millis(millis)), shown);
        }
    }

    #[test]
    fn the_clock_shows_the_zone_of_the_window() {
        let moment = Timestamp::parse("2026-11-20T16:00:00Z").expect("a moment");
        assert_eq!(Clock::utc().moment(moment), "2026-11-20 16:00:00");
        let shanghai = Clock { zone: TimeZone::get("Asia/Shanghai").expect("bundled"), name: "Asia/Shanghai".to_owned() };
        assert_eq!(shanghai.moment(moment), "2026-11-21 00:00:00");
        assert_eq!(until(moment.plus(Duration::from_secs(90)), moment), "1m30s left");
    }
}
