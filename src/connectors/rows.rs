//! Rows that a query brought back, and the conditions that a step holds them to; the same for every database.

use serde_json::json;

use super::{ActionError, Applied, Call, Evidence};
use crate::model::{Arguments, Condition, Digest, Object, Value};

/// The rows that are kept; the others are counted.
pub(super) const KEPT: usize = 100;

/// What must be true of the rows: `expect` by column of the first row, `rows` about their number.
#[derive(Clone, Debug)]
pub(super) struct Expectation {
    expect: Vec<(String, Condition)>,
    rows: Option<Condition>,
}

/// The rows that came back.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Rows {
    count: u64,
    kept: Vec<Object>,
}

impl Expectation {
    /// Reads `expect` and `rows`.
    pub(super) fn of(params: &Arguments) -> Result<Self, ActionError> {
        Ok(Self {
            expect: params.conditions("expect")?,
            rows: params.get("rows").map(Condition::parse).transpose().map_err(ActionError::untouched)?,
        })
    }

    /// Whether the rows are as expected; the error says what is not.
    pub(super) fn check(&self, found: &Rows) -> Result<(), String> {
        if let Some(condition) = &self.rows {
            condition.check(Some(&json!(found.count))).map_err(|why| format!("rows: {why}"))?;
        }
        for (column, condition) in &self.expect {
            let cell = found.kept.first().and_then(|row| row.get(column));
            condition.check(cell).map_err(|why| format!("{column}: {why}"))?;
        }
        Ok(())
    }
}

impl Rows {
    /// Counts one more row and keeps it while there is room.
    pub(super) fn push<E>(&mut self, row: impl FnOnce() -> Result<Object, E>) -> Result<(), E> {
        self.count += 1;
        if self.kept.len() < KEPT {
            self.kept.push(row()?);
        }
        Ok(())
    }

    /// How many there are.
    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    /// What later steps can read.
    pub(super) fn outputs(&self) -> Value {
        json!({ "row_count": self.count, "first": self.kept.first(), "rows": self.kept })
    }

    /// For the evidence: the first row, and a digest over the rows that were kept.
    pub(super) fn facts(&self) -> Value {
        let digest = Digest::of(json!(self.kept).to_string().as_bytes()).to_string();
        json!({ "row_count": self.count, "first": self.kept.first(), "digest": digest })
    }
}

/// The answer of a query that was held to its conditions, as evidence; asking twice would prove no more.
pub(super) fn answered(call: &Call, applied: &Applied) -> Result<Evidence, ActionError> {
    let asked = call.recorder.redact(call.params.text("sql")?);
    Ok(Evidence::new(json!({
        "asked": asked, "row_count": applied.outputs["row_count"], "first": applied.outputs["first"],
        "digest": Digest::of(applied.outputs["rows"].to_string().as_bytes()).to_string(),
    })))
}
