//! Lengths of time as people write them: `90s`, `10m`, `1h30m`, `250ms`.
//!
//! A bare number is refused, because nobody remembers at 03:00 whether it meant seconds.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A length of time with a unit, at millisecond grain.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(u64);

const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl Span {
    /// A span of `millis` milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// A span of `secs` seconds.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000))
    }

    /// Milliseconds.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// As the standard library's type.
    pub const fn as_duration(self) -> Duration {
        Duration::from_millis(self.0)
    }

    /// Reads `1h30m`; the error says what to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Err("write a duration such as `90s`, `10m` or `1h30m`".to_owned());
        }
        if trimmed.bytes().all(|b| b.is_ascii_digit()) {
            return Err(format!("a bare number has no unit: write `{trimmed}s`, `{trimmed}m` or `{trimmed}h`"));
        }
        let mut rest = trimmed;
        let mut total: u64 = 0;
        let mut smallest = u64::MAX;
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let number: u64 = rest[..digits].parse().map_err(|_| Self::explain(trimmed))?;
            rest = &rest[digits..];
            let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
            let unit = &rest[..letters];
            rest = &rest[letters..];
            if unit == "d" {
                return Err(format!(
                    "days are not a unit, because a day can have 23 hours: write `{}h`",
                    number.saturating_mul(24)
                ));
            }
            let millis = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, m)| *m).ok_or_else(|| Self::explain(trimmed))?;
            if millis >= smallest {
                return Err(format!("`{trimmed}` repeats or reverses units: write the larger unit first, as in `1h30m`"));
            }
            smallest = millis;
            total = number
                .checked_mul(millis)
                .and_then(|n| total.checked_add(n))
                .ok_or_else(|| format!("`{trimmed}` is too long"))?;
        }
        Ok(Self(total))
    }

    fn explain(text: &str) -> String {
        format!("`{text}` is not a duration: write `90s`, `10m`, `1h30m` or `250ms`")
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.pad("0s");
        }
        let mut rest = self.0;
        let mut text = String::new();
        for (unit, millis) in UNITS {
            if rest >= millis {
                text.push_str(&format!("{}{unit}", rest / millis));
                rest %= millis;
            }
        }
        f.pad(&text)
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(Span::parse("1h30m").map(Span::as_millis), Ok(5_400_000));
        assert_eq!(Span::parse("250ms").map(Span::as_millis), Ok(250));
        for bad in ["", "90", "1d", "m", "1x", "1m1h", "1s1s", "99999999999999999999s", "18446744073709551615h"] {
            assert!(Span::parse(bad).is_err(), "{bad} should be refused");
        }
    }

    #[test]
    fn reads_what_it_prints() {
        for millis in [0, 1, 999, 1_000, 61_001, 5_400_000, 90_000_000] {
            let span = Span::from_millis(millis);
            assert_eq!(Span::parse(&span.to_string()), Ok(span));
        }
    }
}
