//! `pointsman status`: where a run stands, now or after an earlier record; without a run, the list of runs.

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use super::console;
use super::desk::{Desk, now};
use super::exit::Exit;
use crate::engine::{Home, is_live, load};
use crate::model::{RunId, Timestamp};
use crate::run::{Record, State};
use crate::views::runs::{self, Row};
use crate::views::status::{self, Life};
use crate::views::{Line, bearing, card, expectation};

const EXAMPLES: &str = "\
Examples:
  pointsman status                       every run, the newest first
  pointsman status latest                one run: its steps, who is awaited, what to type
  pointsman status latest --at 17        as it was after record 17
  pointsman status latest --card         what would have to be undone by hand at this moment
  pointsman status latest --json | jq '.awaited[].commands[].command'";

/// Shows where a run stands
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct StatusArgs {
    /// The run: its id, a beginning of it, or `latest`; all runs when left out
    #[arg(value_name = "RUN")]
    run: Option<String>,
    /// As it was after this record
    #[arg(long, value_name = "RECORD", requires = "run")]
    at: Option<u64>,
    /// Print the rollback card: what would have to be undone by hand
    #[arg(long, requires = "run")]
    card: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Shows.
///
/// # Errors
/// When the run cannot be found or read.
pub fn run(desk: &Desk, args: &StatusArgs) -> Result<Exit> {
    let Some(text) = &args.run else { return list(desk, args) };
    let (home, run) = desk.run(text)?;
    let (state, records) = load(&home, &run, args.at)?;
    let life = match args.at {
        Some(_) => Life::Past,
        None => life(&home, &run),
    };
    let how = desk.how();
    match (args.card, args.json) {
        (true, true) => console::print_json(&card::json(&state))?,
        (true, false) => console::print_lines(&card::text(&state))?,
        (false, true) => {
            let mut json = status::json(&state, life, &how);
            json["expected"] =
                expectation::json(&state, &desk.history(&state.plan().content().runbook, Some(&run)), moment(life, &records));
            json["clients"] = bearing::json(&state, moment(life, &records));
            console::print_json(&json)?;
        }
        (false, false) => {
            let now = moment(life, &records);
            let history = desk.history(&state.plan().content().runbook, Some(&run));
            console::print_lines(&status::text(&state, now, life, &how))?;
            let expected: Vec<Line> = expectation::of_run(&state, &history, now).into_iter().collect();
            let lines = [bearing::of_run(&state, &history, now), expected].concat();
            if !lines.is_empty() {
                console::print_lines(&[vec![Line::new()], lines].concat())?;
            }
        }
    }
    Ok(Exit::Done)
}

fn life(home: &Home, run: &RunId) -> Life {
    if is_live(home, run) { Life::Driven } else { Life::Left }
}

/// The past is shown as of its last record, so that what was left then is what is shown.
fn moment(life: Life, records: &[Record]) -> Timestamp {
    match (life, records.last()) {
        (Life::Past, Some(record)) => record.at,
        (Life::Past | Life::Driven | Life::Left, _) => now(),
    }
}

fn list(desk: &Desk, args: &StatusArgs) -> Result<Exit> {
    let home = desk.home()?;
    let mut rows: Vec<Row> = home.runs()?.into_iter().map(|run| row(&home, run)).collect();
    rows.reverse();
    if args.json {
        console::print_json(&Value::Array(rows.iter().map(|row| runs::json(row, now())).collect()))?;
    } else if rows.is_empty() {
        console::say(format!("There are no runs in {}", home.path().display()));
    } else {
        console::print_lines(&runs::text(&rows, now()))?;
    }
    Ok(Exit::Done)
}

/// The row of a run that was read.
pub fn row_of(home: &Home, run: &RunId, state: State) -> Row {
    Row::Read(Box::new(state), life(home, run))
}

fn row(home: &Home, run: RunId) -> Row {
    match load(home, &run, None) {
        Ok((state, _)) => row_of(home, &run, state),
        Err(error) => Row::Unreadable(run, format!("{:#}", anyhow::Error::from(error))),
    }
}
