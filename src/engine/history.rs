//! How long the steps of a runbook took in the runs of this installation, rehearsals against staging among them.

use std::collections::HashMap;

use super::{EngineError, Home, load};
use crate::journal::Reader;
use crate::model::{RunId, Span, StepId};
use crate::plan::{History, Took};
use crate::run::{Event, Record, State};

/// How many runs are read, at most: the youngest of the runbook.
const LOOKED_AT: usize = 20;

/// What the runs of a runbook showed, but for `except`. Runs that cannot be read are left out.
///
/// # Errors
/// When the folder of runs cannot be read.
pub fn history(home: &Home, runbook: &str, except: Option<&RunId>) -> Result<History, EngineError> {
    let mut runs = home.runs()?;
    runs.reverse();
    runs.retain(|run| Some(run) != except && is_of(home, run, runbook));
    runs.truncate(LOOKED_AT);
    let read: Vec<(State, Vec<Record>)> = runs.iter().filter_map(|run| load(home, run, None).ok()).collect();
    let mut history = History::of_runs(read.len());
    for (state, records) in &read {
        samples(state, records, &mut history);
    }
    Ok(history)
}

fn is_of(home: &Home, run: &RunId, runbook: &str) -> bool {
    let first = Reader::open(&home.folder(run).journal()).ok().and_then(|mut reader| reader.next()?.ok());
    first.is_some_and(|entry| matches!(entry.record.event, Event::RunStarted { runbook: of, .. } if of == runbook))
}

/// Adds what one run showed: attempts and undos that succeeded, and the answers of persons.
fn samples(state: &State, records: &[Record], history: &mut History) {
    let mut began: HashMap<(u8, StepId), &Record> = HashMap::new();
    for record in records {
        let (sort, step, begins) = match &record.event {
            Event::AttemptStarted { step, .. } => (Took::Work, step, true),
            Event::AttemptSucceeded { step, .. } => (Took::Work, step, false),
            Event::UndoStarted { step, .. } => (Took::Undo, step, true),
            Event::UndoSucceeded { step, .. } => (Took::Undo, step, false),
            Event::WaitStarted { step, .. } => (Took::People, step, true),
            Event::ApprovalGranted { step, .. } | Event::TaskReported { step, .. } => (Took::People, step, false),
            _ => continue,
        };
        let key = (sort as u8, step.clone());
        if begins {
            began.insert(key, record);
        } else if let Some(from) = began.get(&key)
            && let Some(i) = state.find(step)
        {
            let took = record.mark().since(from.mark());
            // A quorum is there with its last approval; each one counts as an answer of its own.
            history.add(sort, &state.planned(i).id, Span::from_millis(u64::try_from(took.as_millis()).unwrap_or(u64::MAX)));
        }
    }
}
