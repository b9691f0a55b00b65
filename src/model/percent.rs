//! A share written with a percent sign, kept exactly as parts per hundred million.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A share between 0 % and 100 %, at a grain of 0.000001 %.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Percent(u32);

const WHOLE: u32 = 100_000_000;

impl Percent {
    /// 100 %.
    pub const ALL: Self = Self(WHOLE);

    /// Reads `99.9999%`; the error says what to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let explain = || format!("`{text}` is not a percentage: write `100%` or `99.9999%`");
        let number = text.trim().strip_suffix('%').ok_or_else(explain)?.trim_end();
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || fraction.len() > 6 || !digits(whole) || !digits(fraction) || number.ends_with('.') {
            return Err(explain());
        }
        let whole: u32 = whole.parse().map_err(|_| explain())?;
        let fraction: u32 = format!("{fraction:0<6}").parse().map_err(|_| explain())?;
        let parts = whole.checked_mul(1_000_000).and_then(|w| w.checked_add(fraction)).ok_or_else(explain)?;
        if parts > WHOLE {
            return Err(format!("`{text}` is more than 100%"));
        }
        Ok(Self(parts))
    }

    /// As a number from 0 to 1.
    pub fn as_fraction(self) -> f64 {
        f64::from(self.0) / f64::from(WHOLE)
    }

    /// Whether `part` of `whole` reaches this share. Of nothing, every share is reached.
    pub fn is_reached_by(self, part: u64, whole: u64) -> bool {
        u128::from(part) * u128::from(WHOLE) >= u128::from(whole) * u128::from(self.0)
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000);
        write!(f, "{}%", text.trim_end_matches('0').trim_end_matches('.'))
    }
}

impl fmt::Debug for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Percent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_nines_are_exact() {
        let mark = Percent::parse("99.9999%").expect("a percentage");
        assert_eq!(mark.to_string(), "99.9999%");
        assert!(mark.is_reached_by(999_999, 1_000_000));
        assert!(!mark.is_reached_by(999_998, 1_000_000));
        for bad in ["", "100", "101%", "-1%", "1.%", ".5%", "1.1234567%", "a%"] {
            assert!(Percent::parse(bad).is_err(), "{bad} should be refused");
        }
    }
}
