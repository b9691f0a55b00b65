//! What a run prints where no terminal redraws it: one line per event, or one JSON object per record.

use super::console;
use crate::engine::Observer;
use crate::journal::wire;
use crate::run::{Event, Phase, Record, State};
use crate::views::line::Columns;
pub use crate::views::line::Detail;
use crate::views::{Invocation, Line, ask_at};

/// One line per event, and the commands to type when somebody is asked.
#[derive(Clone, Debug)]
pub struct Lines {
    columns: Columns,
    how: Invocation,
    detail: Detail,
}

/// One JSON object per record.
#[derive(Debug)]
pub struct JsonLines;

/// The state at the end of a run, for its summary.
#[derive(Debug, Default)]
pub struct LastState(Option<Box<State>>);

impl Lines {
    /// Lines for the run of this state.
    pub fn new(state: &State, how: &Invocation, detail: Detail) -> Self {
        Self { columns: Columns::of(state.plan()), how: how.clone(), detail }
    }

    fn shown<'a>(&self, records: &'a [Record]) -> impl Iterator<Item = &'a Record> {
        let detail = self.detail;
        records.iter().filter(move |record| detail.shows(&record.event))
    }

    /// The lines of these records alone.
    pub fn bare(&self, records: &[Record]) -> Vec<Line> {
        self.shown(records).map(|record| self.columns.line(record)).collect()
    }

    /// The lines of these records, and under a question the commands that answer it.
    pub fn with_commands(&self, state: &State, records: &[Record]) -> Vec<Line> {
        let mut lines = Vec::new();
        for record in self.shown(records) {
            lines.push(self.columns.line(record));
            lines.extend(self.commands(state, &record.event));
        }
        lines
    }

    /// What can be typed in answer to this event.
    fn commands(&self, state: &State, event: &Event) -> Vec<Line> {
        let step = match event {
            Event::WaitStarted { step, .. }
            | Event::WaitExpired { step }
            | Event::WaitRejected { step, .. }
            | Event::GroupEnded { step, .. }
            | Event::AttemptSucceeded { step, .. }
            | Event::AttemptFailed { step, .. }
            | Event::AttemptInterrupted { step, .. }
            | Event::AttemptProbed { step, .. }
            | Event::AttemptResolved { step, .. }
            | Event::UndoFailed { step, .. }
            | Event::UndoInterrupted { step, .. } => step,
            _ => return Vec::new(),
        };
        let Some(ask) = ask_at(state, step, &self.how) else { return Vec::new() };
        self.columns.answers(&ask)
    }
}

impl Observer for Lines {
    fn recorded(&mut self, state: &State, records: &[Record]) {
        // Nobody reading any more is no reason to stop a run.
        let _ = console::print_lines(&self.with_commands(state, records));
    }
}

impl Observer for JsonLines {
    fn recorded(&mut self, _state: &State, records: &[Record]) {
        for record in records {
            let _ = console::print(json_line(record));
        }
    }
}

impl LastState {
    /// Keeps the state once it is the last.
    pub fn keep(&mut self, state: &State) {
        if matches!(state.phase(), Phase::Ended(_)) {
            self.0 = Some(Box::new(state.clone()));
        }
    }

    /// The last state of a run that ended.
    pub fn state(&self) -> Option<&State> {
        self.0.as_deref()
    }
}

/// `{"seq":…,"epoch":…,"at":…,"uptime_ms":…,"event":{…}}` and a line break; the event as it stands in the journal.
pub fn json_line(record: &Record) -> String {
    let mut payload = Vec::new();
    wire::encode(record.at, record.uptime_ms, &record.event, &mut payload).expect("invariant: every event has a JSON form");
    let payload = String::from_utf8_lossy(&payload);
    format!("{{\"seq\":{},\"epoch\":{},{}\n", record.seq, record.epoch, &payload[1..])
}
