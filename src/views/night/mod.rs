//! What the console shows of a run: once whole, and then only what changed.
//!
//! Everything is said in the words of status, ask and log. Moments are sent as moments: whoever shows them lets them tick.
//! A client that applies every patch holds what a fresh snapshot would say.

mod head;
mod marks;
mod moved;
mod question;
mod row;

pub use marks::replay;

use serde_json::{Value, json};

use super::line::Detail;
use super::status::Life;
use super::{Clock, Invocation, event, expectation, graph, rehearsed};
use crate::model::Timestamp;
use crate::plan::History;
use crate::run::{Instance, Record, State};

/// How many lines of the log a snapshot has, and a client keeps.
pub const LOG_LINES: usize = 300;

/// A run at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Night<'a> {
    /// The run.
    pub state: &'a State,
    /// Whether an executor drives it.
    pub life: Life,
    /// How long the steps of this runbook took in earlier runs.
    pub history: &'a History,
    /// Now.
    pub now: Timestamp,
    /// How a command is typed here.
    pub how: &'a Invocation,
}

impl Night<'_> {
    /// Everything. Of `records` the last [`LOG_LINES`] become the log.
    pub fn snapshot(&self, records: &[Record]) -> Value {
        let content = self.state.plan().content();
        let mut shown = self.moment(records);
        let whole = json!({
            "run": self.state.run(),
            "runbook": content.runbook,
            "title": content.title,
            "rehearsal": rehearsed::mark(self.state.plan()),
            "environment": self.state.plan().environment(),
            "plan": self.state.plan().digest(),
            "started_by": self.state.starter().map(ToString::to_string),
            "people": self.people(),
            "graph": graph::json(self.state.plan()),
        });
        if let (Some(shown), Value::Object(whole)) = (shown.as_object_mut(), whole) {
            shown.extend(whole);
        }
        shown
    }

    /// Everything that changes in the course of a night. Of `records` the last [`LOG_LINES`] become the log.
    pub fn moment(&self, records: &[Record]) -> Value {
        let mut shown = self.small();
        if let Some(shown) = shown.as_object_mut() {
            shown.insert("steps".to_owned(), self.rows(self.state.instances()));
            shown.insert("log".to_owned(), self.log(records));
        }
        shown
    }

    /// What changed with these records: the small parts whole, the rows that they moved, and their lines of the log.
    /// The state is the one after them.
    pub fn patch(&self, records: &[Record]) -> Value {
        let mut shown = self.small();
        let rows = match moved::by(self.state, records) {
            moved::Moved::Everything => self.rows(self.state.instances()),
            moved::Moved::Rows(rows) => self.rows(rows.into_iter()),
        };
        if let Some(shown) = shown.as_object_mut() {
            shown.insert("steps".to_owned(), rows);
            shown.insert("log".to_owned(), self.log(records));
        }
        shown
    }

    /// What is small enough to be said whole each time.
    fn small(&self) -> Value {
        json!({
            "seq": self.state.last_seq(),
            "head": self.head(),
            "clock": self.clock(),
            "expectation": self.expectation(),
            "facts": self.facts(),
            "asks": self.questions(),
            "orders": self.run_orders(),
        })
    }

    fn rows(&self, instances: impl Iterator<Item = Instance>) -> Value {
        instances.map(|i| row::row(self.state, i)).collect()
    }

    fn log(&self, records: &[Record]) -> Value {
        let clock = Clock::of(self.state.plan());
        let first = records.len().saturating_sub(LOG_LINES);
        let line = |record: &Record| {
            let told = event::tell(&record.event, self.state.plan(), &clock);
            let asks = !Detail::Changes.shows(&record.event);
            json!({ "seq": record.seq, "at": record.at, "step": told.step, "text": told.text, "tone": told.tone.word(), "asks": asks })
        };
        records[first..].iter().map(line).collect()
    }

    fn facts(&self) -> Value {
        let facts = self.state.facts().into_iter();
        facts.map(|told| json!({ "fact": told.fact, "text": told.text, "value": told.value, "since": told.since })).collect()
    }

    fn expectation(&self) -> Value {
        let mut expected = expectation::json(self.state, self.history, self.now);
        let line = expectation::of_run(self.state, self.history, self.now);
        if let (Some(expected), Some(line)) = (expected.as_object_mut(), line) {
            let told = line.spans().last();
            expected.insert("text".to_owned(), json!(told.map(|span| &span.text)));
            expected.insert("tone".to_owned(), json!(told.map(|span| span.tone.word())));
        }
        expected
    }

    /// Who is who in this run.
    fn people(&self) -> Value {
        let roster = self.state.plan().content().roster.iter();
        let people = roster.flat_map(|roster| &roster.persons);
        people.map(|(person, about)| json!({ "person": person, "roles": about.roles })).collect()
    }
}
