//! What is measured of a table: `count`, `min(col)`, `max(col)`, `sum(col)`; exact, never estimated.

/// One measure.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Measure {
    /// The number of rows.
    Count,
    /// The smallest value of a column.
    Min(String),
    /// The greatest value of a column.
    Max(String),
    /// The exact sum of a column of whole numbers.
    Sum(String),
}

impl Measure {
    /// Reads `max(id)`; the error says what to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let explain = || format!("`{text}` is no measure: write `count`, `min(col)`, `max(col)` or `sum(col)`");
        if text.trim() == "count" {
            return Ok(Self::Count);
        }
        let (word, rest) = text.trim().split_once('(').ok_or_else(explain)?;
        let column = rest.strip_suffix(')').map(str::trim).filter(|column| !column.is_empty()).ok_or_else(explain)?.to_owned();
        match word.trim() {
            "min" => Ok(Self::Min(column)),
            "max" => Ok(Self::Max(column)),
            "sum" => Ok(Self::Sum(column)),
            _ => Err(explain()),
        }
    }

    /// The column that it reads.
    pub fn column(&self) -> Option<&str> {
        match self {
            Self::Count => None,
            Self::Min(column) | Self::Max(column) | Self::Sum(column) => Some(column),
        }
    }
}

impl std::fmt::Display for Measure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Count => f.write_str("count"),
            Self::Min(column) => write!(f, "min({column})"),
            Self::Max(column) => write!(f, "max({column})"),
            Self::Sum(column) => write!(f, "sum({column})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Measure;

    #[test]
    fn measures_read_what_they_print() {
        for text in ["count", "min(id)", "max(created at)", "sum(cents)"] {
            assert_eq!(Measure::parse(text).expect("a measure").to_string(), text);
        }
        for bad in ["", "counts", "avg(id)", "max()", "max(id", "max id"] {
            assert!(Measure::parse(bad).is_err(), "{bad} should be refused");
        }
    }
}
