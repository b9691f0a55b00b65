//! A position in the write-ahead log.

/// Bytes from the beginning of the log, printed as PostgreSQL prints them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Lsn(u64);

/// The size of a log page, and of the headers at the beginning of a page and of a segment.
const PAGE: u64 = 8192;
const HEADERS: [u64; 2] = [24, 40];

impl Lsn {
    /// Reads `16/B374D848`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no log position such as `16/B374D848`");
        let (high, low) = text.trim().split_once('/').ok_or_else(wrong)?;
        let part = |part: &str| u32::from_str_radix(part, 16).map(u64::from).map_err(|_| wrong());
        Ok(Self(part(high)? << 32 | part(low)?))
    }

    /// Whether everything in front of `fence` is at or before this position. An insert position right behind a page's header
    /// stands for the page's beginning: nothing is between the two, and an idle server never gets past it.
    pub(super) fn reaches(self, fence: Self) -> bool {
        let into_page = fence.0 % PAGE;
        let fence = if HEADERS.contains(&into_page) { fence.0 - into_page } else { fence.0 };
        self.0 >= fence
    }

    /// How many bytes are missing to `fence`.
    pub(super) const fn short_of(self, fence: Self) -> u64 {
        fence.0.saturating_sub(self.0)
    }
}

impl std::fmt::Display for Lsn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xFFFF_FFFF)
    }
}

#[cfg(test)]
mod tests {
    use super::Lsn;

    #[test]
    fn positions_compare_as_numbers_and_page_headers_are_nothing() {
        let lsn = |text: &str| Lsn::parse(text).expect(text);
        assert_eq!(lsn("16/B374D848").to_string(), "16/B374D848");
        assert!(lsn("A/0") > lsn("9/FFFFFFFF"), "compared as text");
        assert!(lsn("0/1000000").reaches(lsn("0/1000028")) && lsn("0/1002000").reaches(lsn("0/1002018")));
        assert!(!lsn("0/1001FFF").reaches(lsn("0/1002018")) && !lsn("0/1002000").reaches(lsn("0/1002020")));
        assert_eq!(lsn("0/10").short_of(lsn("1/0")), 0xFFFF_FFF0);
        for bad in ["", "12", "0/", "x/1", "1/100000000"] {
            assert!(Lsn::parse(bad).is_err(), "{bad}");
        }
    }
}
