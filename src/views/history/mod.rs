//! The runs of an installation, searched; and how long each action took in them.

mod lengths;
mod search;

pub use lengths::{ActionLengths, lengths, lengths_json, lengths_text};
pub use search::{Hit, Query, WantedEnd};

use serde_json::{Value, json};

use super::runs::{self, Row};
use super::{Line, Tone};
use crate::model::Timestamp;

/// A run that fits a search, and the records that made it fit.
#[derive(Clone, Debug)]
pub struct Found {
    /// The run as the list shows it.
    pub row: Row,
    /// The records in which the text was found.
    pub hits: Vec<Hit>,
}

/// The most records that are shown of one run.
const SHOWN: usize = 5;

/// The list, with the records that were found beneath each run.
pub fn text(found: &[Found], now: Timestamp) -> Vec<Line> {
    let rows: Vec<Row> = found.iter().map(|found| found.row.clone()).collect();
    let mut table = runs::text(&rows, now).into_iter();
    let mut lines: Vec<Line> = table.next().into_iter().collect();
    for (row, found) in table.zip(found) {
        lines.push(row);
        for hit in found.hits.iter().take(SHOWN) {
            let step = hit.step.as_ref().map_or("run", |step| step.as_str());
            let line = Line::plain("    ").cell(Tone::Faint, 6, format!("{:>6}", hit.seq)).cell(Tone::Faint, 16, step);
            lines.push(line.and(Tone::Plain, &hit.text));
        }
        let more = found.hits.len().saturating_sub(SHOWN);
        if more > 0 {
            lines.push(Line::plain("    ").and(Tone::Faint, format!("and {more} more records")));
        }
    }
    lines
}

/// The list for a program: each run as `status --json` lists it, with its hits.
pub fn json(found: &[Found], now: Timestamp) -> Value {
    let runs = found.iter().map(|found| {
        let mut run = runs::json(&found.row, now);
        run["found"] = found.hits.iter().map(|hit| json!({ "record": hit.seq, "step": hit.step, "text": hit.text })).collect();
        run
    });
    Value::Array(runs.collect())
}
