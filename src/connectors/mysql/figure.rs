//! One measure as SQL, and its answer as a text that is the same in every kind of store.

use super::name::quoted;
use crate::connectors::tables::Measure;

/// A column of a table.
pub(super) struct Column {
    pub(super) name: String,
    /// `int`, `decimal`, `varchar` and so on, in small letters.
    pub(super) kind: String,
    /// Digits of a number.
    pub(super) precision: u32,
}

/// What is asked for one measure.
#[derive(Debug)]
pub(super) enum Term {
    /// The number of rows, which is always asked.
    Count,
    /// An expression, and what its answer looks like.
    Asked { sql: String, shape: Shape },
}

/// What an answer looks like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Shape {
    /// An exact number: no zeros that say nothing.
    Number,
    /// A text, ordered and answered byte by byte.
    Text,
    /// Hexadecimal digits of bytes.
    Bytes,
}

/// The family of a column's type.
enum Family {
    Exact,
    Text,
    Time,
    Bytes,
    Bits,
    Float,
    Other,
}

impl Column {
    /// Whether its values are numbers to the server.
    pub(super) fn is_number(&self) -> bool {
        match self.family() {
            Family::Exact | Family::Bits | Family::Float => true,
            Family::Text | Family::Time | Family::Bytes | Family::Other => false,
        }
    }

    fn family(&self) -> Family {
        match self.kind.as_str() {
            "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "decimal" | "year" => Family::Exact,
            "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" | "enum" | "set" => Family::Text,
            "date" | "datetime" | "timestamp" | "time" => Family::Time,
            "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => Family::Bytes,
            "bit" => Family::Bits,
            "float" | "double" => Family::Float,
            _ => Family::Other,
        }
    }
}

/// The digits that a sum may need beyond those of its column; the server adds as many.
const SUM_DIGITS: u32 = 22;

/// The digits of the widest number of the server.
const MOST_DIGITS: u32 = 65;

/// What to ask for a measure; the error says why it has no exact answer.
pub(super) fn terms(measure: &Measure, columns: &[Column]) -> Result<Term, String> {
    let Some(name) = measure.column() else { return Ok(Term::Count) };
    let column = columns.iter().find(|column| column.name.eq_ignore_ascii_case(name));
    let column = column.ok_or_else(|| format!("there is no column `{name}`"))?;
    let function = match measure {
        Measure::Count => return Ok(Term::Count),
        Measure::Sum(_) => return sum(column),
        Measure::Min(_) => "MIN",
        Measure::Max(_) => "MAX",
    };
    let quoted = quoted(&column.name);
    let (sql, shape) = match column.family() {
        Family::Exact => (format!("{function}({quoted})"), Shape::Number),
        // Collations order texts in ways of their own, and some call different texts equal: bytes are the same everywhere.
        Family::Text => (format!("{function}(CAST(CONVERT({quoted} USING utf8mb4) AS BINARY))"), Shape::Text),
        Family::Time => (format!("CAST({function}({quoted}) AS CHAR)"), Shape::Text),
        Family::Bytes => (format!("HEX({function}({quoted}))"), Shape::Bytes),
        Family::Bits => (format!("{function}({quoted} + 0)"), Shape::Number),
        Family::Float => return Err(inexact(column)),
        Family::Other => return Err(format!("a column of type {} has no order that every store knows", column.kind)),
    };
    Ok(Term::Asked { sql, shape })
}

fn inexact(column: &Column) -> String {
    format!("`{}` is of type {}, whose values are not exact", column.name, column.kind)
}

fn sum(column: &Column) -> Result<Term, String> {
    match column.family() {
        Family::Exact if column.kind == "decimal" && column.precision + SUM_DIGITS > MOST_DIGITS => {
            Err(format!("the sum of `{}` may need more than {MOST_DIGITS} digits, and the server cuts it off there", column.name))
        }
        Family::Exact => Ok(Term::Asked { sql: format!("SUM({})", quoted(&column.name)), shape: Shape::Number }),
        Family::Float => Err(inexact(column)),
        Family::Text | Family::Time | Family::Bytes | Family::Bits | Family::Other => {
            Err(format!("`{}` is of type {}, which has no sum", column.name, column.kind))
        }
    }
}

impl Shape {
    /// The answer as a text that is the same in every kind of store.
    pub(super) fn canonical(self, found: &str) -> String {
        match self {
            Self::Text => found.to_owned(),
            Self::Bytes => format!("x'{}'", found.to_ascii_lowercase()),
            Self::Number => number(found),
        }
    }
}

/// `-001.50` is `-1.5`, `-0.0` is `0`.
fn number(found: &str) -> String {
    let (sign, digits) = found.strip_prefix('-').map_or(("", found), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    let whole = if whole.is_empty() { "0" } else { whole };
    match (whole, fraction) {
        ("0", "") => "0".to_owned(),
        (whole, "") => format!("{sign}{whole}"),
        (whole, fraction) => format!("{sign}{whole}.{fraction}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_has_one_text() {
        for (found, canonical) in [
            ("0", "0"),
            ("-0.00", "0"),
            ("007", "7"),
            ("1.50", "1.5"),
            ("-0.050", "-0.05"),
            ("100", "100"),
            ("100.000", "100"),
            ("18446744073709551616", "18446744073709551616"),
        ] {
            assert_eq!(number(found), canonical);
        }
        assert_eq!(Shape::Bytes.canonical("00FF"), "x'00ff'");
    }

    #[test]
    fn what_is_not_exact_is_not_asked() {
        let column = |kind: &str, precision| Column { name: "c".to_owned(), kind: kind.to_owned(), precision };
        let asked = |measure: &str, column| terms(&Measure::parse(measure).expect("a measure"), &[column]).is_ok();
        assert!(
            asked("sum(c)", column("bigint", 19)) && asked("sum(c)", column("decimal", 43)) && asked("max(C)", column("set", 0))
        );
        assert!(!asked("sum(c)", column("decimal", 44)) && !asked("sum(c)", column("double", 53)));
        assert!(!asked("min(c)", column("float", 24)) && !asked("min(c)", column("geometry", 0)));
        assert!(!asked("sum(c)", column("varchar", 0)) && !asked("sum(d)", column("int", 10)));
    }
}
