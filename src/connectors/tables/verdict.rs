//! Two sides of measures → equal, different or not verified. What was not measured never passes.

use std::collections::BTreeMap;

use serde_json::json;

use super::{Figure, Measure, Measured};
use crate::model::{Percent, Value};

/// What one table showed on one side.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Side {
    /// It is not there.
    Missing,
    /// It was measured.
    Measured(Measured),
    /// It could not be measured.
    Failed(String),
}

/// The findings over all tables.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Verdict {
    pub(super) tables: u64,
    /// Rows of the source.
    pub(super) rows: u64,
    /// Rows that differ by count.
    pub(super) different: u64,
    /// Rows that cannot be taken as equal: they differ by count, or stand in a table whose other measures differ or which
    /// could not be verified.
    pub(super) disagreeing: u64,
    /// The rows of the larger side of each table: what the share is taken of.
    pub(super) whole: u64,
    /// Findings that no share of rows can outweigh: a table that is missing or was not verified.
    pub(super) open: u64,
    pub(super) findings: Vec<Value>,
}

/// Compares both sides. The same tables are keys of `sides`.
pub(super) fn compare(measures: &[Measure], sides: &BTreeMap<String, (Side, Side)>) -> Verdict {
    let mut verdict = Verdict::default();
    for (table, (source, target)) in sides {
        verdict.tables += 1;
        one(&mut verdict, table, measures, source, target);
    }
    verdict
}

fn one(verdict: &mut Verdict, table: &str, measures: &[Measure], source: &Side, target: &Side) {
    let (a, b) = match (source, target) {
        (Side::Measured(a), Side::Measured(b)) => (a, b),
        (Side::Failed(why), _) => return verdict.not_verified(table, "source", why),
        (_, Side::Failed(why)) => return verdict.not_verified(table, "target", why),
        (Side::Missing, Side::Missing) => return verdict.not_verified(table, "source", "it is gone on both sides"),
        (Side::Measured(there), Side::Missing) => return verdict.missing(table, "target", there.rows, there.rows),
        (Side::Missing, Side::Measured(there)) => return verdict.missing(table, "source", 0, there.rows),
    };
    let (differ, larger) = (a.rows.abs_diff(b.rows), a.rows.max(b.rows));
    verdict.rows += a.rows;
    verdict.whole += larger;
    verdict.different += differ;
    let mut doubtful = differ;
    if differ > 0 && !measures.contains(&Measure::Count) {
        verdict
            .findings
            .push(json!({ "table": table, "measure": "count", "verdict": "different", "source": a.rows, "target": b.rows }));
    }
    for ((measure, x), y) in measures.iter().zip(&a.figures).zip(&b.figures) {
        match (x, y) {
            (Figure::Exact(x), Figure::Exact(y)) if x == y => continue,
            (Figure::Exact(x), Figure::Exact(y)) => verdict.findings.push(
                json!({ "table": table, "measure": measure.to_string(), "verdict": "different", "source": x, "target": y }),
            ),
            (Figure::NotVerified(why), _) | (_, Figure::NotVerified(why)) => {
                verdict.open += 1;
                verdict
                    .findings
                    .push(json!({ "table": table, "measure": measure.to_string(), "verdict": "not verified", "why": why }));
            }
        }
        // How many rows make another sum or bound differ cannot be seen from outside: all of them may.
        if *measure != Measure::Count {
            doubtful = larger.max(1);
        }
    }
    verdict.disagreeing += doubtful;
}

impl Verdict {
    fn missing(&mut self, table: &str, side: &str, source_rows: u64, rows: u64) {
        self.rows += source_rows;
        self.whole += rows;
        self.different += rows;
        self.disagreeing += rows;
        self.open += 1;
        self.findings.push(json!({ "table": table, "verdict": "missing", "side": side, "rows": rows }));
    }

    fn not_verified(&mut self, table: &str, side: &str, why: &str) {
        self.open += 1;
        self.findings.push(json!({ "table": table, "verdict": "not verified", "side": side, "why": why }));
    }

    /// Whether both sides agree to the mark: nothing is open, and enough rows agree.
    pub(super) fn agrees(&self, mark: Percent) -> bool {
        let agreeing = self.whole.saturating_sub(self.disagreeing);
        // Of an empty table every share agrees, but a bound that differs there is still a difference.
        let spotless = self.findings.is_empty() || mark != Percent::ALL;
        self.open == 0 && spotless && self.disagreeing <= self.whole && mark.is_reached_by(agreeing, self.whole)
    }

    /// The findings, at most `shown` of them.
    pub(super) fn listed(&self, shown: usize) -> Value {
        let mut listed: Vec<_> = self.findings.iter().take(shown).cloned().collect();
        if self.findings.len() > shown {
            listed.push(json!({ "verdict": "not listed", "more": self.findings.len() - shown }));
        }
        Value::Array(listed)
    }

    /// The worst of it in words.
    pub(super) fn sentence(&self) -> String {
        let first = self.findings.first().map_or_else(String::new, |finding| format!("; first: {finding}"));
        format!(
            "{} tables, {} rows in the source: {} rows differ by count, {} findings{first}",
            self.tables,
            self.rows,
            self.different,
            self.findings.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(rows: u64, figures: &[Option<&str>]) -> Side {
        let figures = std::iter::once(Figure::Exact(Some(rows.to_string())))
            .chain(figures.iter().map(|f| Figure::Exact(f.map(str::to_owned))))
            .collect();
        Side::Measured(Measured { rows, figures })
    }

    fn verdict(source: Side, target: Side) -> Verdict {
        let measures = [Measure::Count, Measure::Sum("cents".to_owned())];
        compare(&measures, &BTreeMap::from([("orders".to_owned(), (source, target))]))
    }

    #[test]
    fn the_mark_decides_about_rows_and_nothing_outweighs_a_missing_table() {
        let six_nines = Percent::parse("99.9999%").expect("a percentage");
        assert!(verdict(side(10, &[Some("7")]), side(10, &[Some("7")])).agrees(Percent::ALL));
        let one_row =
            compare(&[Measure::Count], &BTreeMap::from([("orders".to_owned(), (side(1_000_000, &[]), side(999_999, &[])))]));
        assert!(one_row.agrees(six_nines) && !one_row.agrees(Percent::ALL));
        let two_rows =
            compare(&[Measure::Count], &BTreeMap::from([("orders".to_owned(), (side(1_000_000, &[]), side(999_998, &[])))]));
        assert!(!two_rows.agrees(six_nines));
        let missing = verdict(side(0, &[None]), Side::Missing);
        assert!(!missing.agrees(six_nines) && missing.findings.len() == 1);
        assert!(
            !verdict(Side::Failed("locked".to_owned()), side(1, &[None])).agrees(Percent::parse("0%").expect("a percentage"))
        );
    }

    #[test]
    fn another_sum_makes_the_whole_table_doubtful() {
        let sum = verdict(side(1_000_000, &[Some("5")]), side(1_000_000, &[Some("6")]));
        assert_eq!((sum.different, sum.disagreeing), (0, 1_000_000));
        assert!(!sum.agrees(Percent::parse("99.9999%").expect("a percentage")));
        let empty = verdict(side(0, &[None]), side(0, &[Some("0")]));
        assert!(!empty.agrees(Percent::ALL));
    }
}
