//! What the records told so far, kept for a screen: the lines of the log, and the last proofs with their time.

use crate::model::{StepId, Timestamp};
use crate::run::{Event, Record, State};
use crate::views::line::{Columns, Detail};
use crate::views::{Clock, Line, Tone, clock, event};

/// How many proofs are kept; a screen has room for a few.
const PROOFS: usize = 8;

/// The told part of a night.
#[derive(Clone, Debug)]
pub struct Chronicle {
    columns: Columns,
    detail: Detail,
    lines: Vec<Line>,
    /// The last proofs, the newest last, one per step.
    proofs: Vec<Proof>,
    last: Option<Timestamp>,
}

/// What a step proved or a look found, and when.
#[derive(Clone, Debug)]
struct Proof {
    step: StepId,
    at: Timestamp,
    tone: Tone,
    text: String,
}

impl Chronicle {
    /// An empty chronicle of the run of this state.
    pub fn of(state: &State, detail: Detail) -> Self {
        Self { columns: Columns::of(state.plan()), detail, lines: Vec::new(), proofs: Vec::new(), last: None }
    }

    /// Takes records in.
    pub fn take(&mut self, state: &State, records: &[Record]) {
        for record in records {
            if self.detail.shows(&record.event) {
                self.lines.push(self.columns.line(record));
            }
            self.prove(state, record);
            self.last = Some(record.at);
        }
    }

    /// The lines of the log, oldest first.
    pub fn log(&self) -> &[Line] {
        &self.lines
    }

    /// When the last record was written.
    pub const fn last(&self) -> Option<Timestamp> {
        self.last
    }

    /// The clock of this night.
    pub const fn clock(&self) -> &Clock {
        self.columns.clock()
    }

    /// The last proofs with their age, the newest first.
    pub fn proofs(&self, now: Timestamp) -> Vec<Line> {
        let line = |proof: &Proof| {
            let age = clock::coarse(now.since(proof.at));
            Line::plain("  ")
                .and(Tone::Faint, format!("{age} ago  "))
                .and(Tone::Plain, format!("{}  ", proof.step))
                .and(proof.tone, &proof.text)
        };
        self.proofs.iter().rev().map(line).collect()
    }

    fn prove(&mut self, state: &State, record: &Record) {
        let told = event::tell(&record.event, state.plan(), self.columns.clock());
        let is_proof = match &record.event {
            // A success that says nothing more is in the row of its step.
            Event::AttemptSucceeded { .. } => told.text.contains(": "),
            Event::AttemptProbed { .. } => true,
            _ => false,
        };
        if let (true, Some(step)) = (is_proof, told.step) {
            self.proofs.retain(|proof| proof.step != *step);
            self.proofs.push(Proof { step: step.clone(), at: record.at, tone: told.tone, text: told.text });
            if self.proofs.len() > PROOFS {
                self.proofs.remove(0);
            }
        }
    }
}
