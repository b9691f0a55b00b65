//! What the console shows: whoever applies the patches of a run holds what a fresh snapshot says, whatever happens in the run.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use pointsman::model::{Timestamp, Value};
use pointsman::plan::History;
use pointsman::rehearsal::simulation;
use pointsman::run::{Record, State};
use pointsman::views::Invocation;
use pointsman::views::night::{LOG_LINES, Night};
use pointsman::views::status::Life;

/// A client of the console: it takes patches in as the page does.
struct Page {
    shown: Value,
    rows: HashMap<String, usize>,
}

impl Page {
    fn of(snapshot: Value) -> Self {
        let steps = snapshot["steps"].as_array().unwrap();
        let rows = steps.iter().enumerate().map(|(at, row)| (id(row), at)).collect();
        Self { shown: snapshot, rows }
    }

    fn take(&mut self, patch: Value) {
        let Value::Object(patch) = patch else { panic!("a patch is an object") };
        for (key, value) in patch {
            match key.as_str() {
                "steps" => value.as_array().unwrap().iter().for_each(|row| self.take_row(row)),
                "log" => {
                    let log = self.shown["log"].as_array_mut().unwrap();
                    log.extend(value.as_array().unwrap().iter().cloned());
                    log.drain(..log.len().saturating_sub(LOG_LINES));
                }
                _ => self.shown[key] = value,
            }
        }
    }

    fn take_row(&mut self, row: &Value) {
        let steps = self.shown["steps"].as_array_mut().unwrap();
        match self.rows.get(&id(row)) {
            Some(at) => steps[*at] = row.clone(),
            None => {
                self.rows.insert(id(row), steps.len());
                steps.push(row.clone());
            }
        }
    }
}

fn id(row: &Value) -> String {
    row["id"].as_str().unwrap().to_owned()
}

fn night<'a>(state: &'a State, history: &'a History, how: &'a Invocation, now: Timestamp) -> Night<'a> {
    Night { state, life: Life::Driven, history, now, how }
}

/// The name of the event, from how it is printed.
fn kind(record: &Record) -> String {
    let printed = format!("{:?}", record.event);
    printed.split([' ', '{']).next().unwrap().to_owned()
}

#[test]
fn patches_add_up_to_the_snapshot_whatever_happens() {
    let (history, how) = (History::default(), Invocation::default());
    let mut kinds = BTreeSet::new();
    for seed in 0..150 {
        let (plan, records) = simulation::records(seed);
        let mut state = State::new(plan);
        let Some(first) = records.first() else { continue };
        state.apply(first).unwrap();
        let mut page = Page::of(night(&state, &history, &how, first.at).snapshot(&records[..1]));
        // Records come in turns: several at once, as the stream sends them.
        let mut sent = 1;
        while sent < records.len() {
            let turn = 1 + (sent + usize::try_from(seed).unwrap()) % 4;
            let until = records.len().min(sent + turn);
            records[sent..until].iter().for_each(|record| state.apply(record).unwrap());
            kinds.extend(records[sent..until].iter().map(kind));
            let now = records[until - 1].at.plus(Duration::from_millis(17));
            page.take(night(&state, &history, &how, now).patch(&records[sent..until]));
            let fresh = night(&state, &history, &how, now).snapshot(&records[..until]);
            for (key, value) in fresh.as_object().unwrap() {
                assert_eq!(&page.shown[key], value, "seed {seed}, after record {until}: {key}");
            }
            sent = until;
        }
    }
    for kind in [
        "AbortOrdered",
        "ApprovalGranted",
        "AttemptFailed",
        "AttemptInterrupted",
        "AttemptProbed",
        "AttemptResolved",
        "AttemptStarted",
        "AttemptSucceeded",
        "CommandRefused",
        "Continued",
        "FinallyStarted",
        "GroupEnded",
        "LateResultIgnored",
        "Paused",
        "RetryOrdered",
        "RollbackStarted",
        "RunEnded",
        "RunReopened",
        "StepConfirmed",
        "StepSkipped",
        "StepSpread",
        "TaskReported",
        "UndoFailed",
        "UndoInterrupted",
        "UndoResolved",
        "UndoStarted",
        "UndoSucceeded",
        "WaitEnded",
        "WaitExpired",
        "WaitRejected",
        "WaitStarted",
    ] {
        assert!(kinds.contains(kind), "no {kind} happened: {kinds:?}");
    }
}
