//! Reads a run without its lock: for status, audit and post-mortems, also while it lives.

use std::fs;
use std::sync::Arc;

use super::{EngineError, Home};
use crate::journal::{self, Reader};
use crate::model::RunId;
use crate::plan::Plan;
use crate::run::{Event, Record, State};

/// The state of a run after record `at`, or after its last one, and the records up to there.
///
/// # Errors
/// When the run's files cannot be read or do not belong together.
pub fn load(home: &Home, run: &RunId, at: Option<u64>) -> Result<(State, Vec<Record>), EngineError> {
    let (state, records, cut) = load_readable(home, run, at)?;
    match cut {
        Some(error) => Err(error),
        None => Ok((state, records)),
    }
}

/// As [`load`], and where a record cannot be read or cannot follow, what came before it and why it ends there.
///
/// # Errors
/// When not even the first record and the plan can be read.
pub fn load_readable(
    home: &Home,
    run: &RunId,
    at: Option<u64>,
) -> Result<(State, Vec<Record>, Option<EngineError>), EngineError> {
    let (first, mut state, reader) = begin(home, run)?;
    let plan = state.plan().clone();
    state.apply(&first).map_err(EngineError::Fold)?;
    let mut records = vec![first];
    for entry in reader {
        let record = match entry {
            Ok(entry) => entry.record,
            Err(error) => return Ok((state, records, Some(EngineError::Read(error)))),
        };
        if at.is_some_and(|at| record.seq > at) {
            break;
        }
        if let Err(error) = state.apply(&record) {
            // A state that refused a record is not to be used any more: the one before it is made again.
            let mut state = State::new(plan);
            for record in &records {
                state.apply(record).map_err(EngineError::Fold)?;
            }
            return Ok((state, records, Some(EngineError::Fold(error))));
        }
        records.push(record);
    }
    Ok((state, records, None))
}

/// The first record of a run, the state before it, and the records after it.
pub(super) fn begin(home: &Home, run: &RunId) -> Result<(Record, State, Reader), EngineError> {
    let mut reader = Reader::open(&home.folder(run).journal()).map_err(EngineError::Read)?;
    let first = match reader.next() {
        Some(entry) => entry.map_err(EngineError::Read)?.record,
        None => return Err(EngineError::Unbegun),
    };
    let state = State::new(Arc::new(stored_plan(home, run, &first)?));
    Ok((first, state, reader))
}

/// The plan that the run started with, held against the digest in record 1.
pub(super) fn stored_plan(home: &Home, run: &RunId, first: &Record) -> Result<Plan, EngineError> {
    let Event::RunStarted { plan, .. } = &first.event else {
        return Err(EngineError::NoAnswer("the journal does not begin with the start of a run".to_owned()));
    };
    let path = home.folder(run).plan();
    let stored = fs::read(&path).map_err(EngineError::io("cannot read the stored plan", path))?;
    Plan::from_stored(stored, *plan).map_err(EngineError::Plan)
}

/// Whether an executor drives the run now.
pub fn is_live(home: &Home, run: &RunId) -> bool {
    journal::lock::holder(&home.folder(run)).is_ok_and(|holder| holder.is_some())
}
