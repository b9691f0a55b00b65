//! `pointsman history`: the runs of this installation, searched; and how long each action took in them.

use anyhow::Result;
use clap::{Args, ValueEnum};

use super::console;
use super::desk::{Desk, now};
use super::exit::Exit;
use super::status::row_of;
use crate::engine::load;
use crate::model::{RunOutcome, Timestamp};
use crate::run::{Record, State};
use crate::views::history::{Found, Query, WantedEnd, json, lengths, lengths_json, lengths_text, text};
use crate::views::runs::Row;

const EXAMPLES: &str = "\
Examples:
  pointsman history                                   every run, the newest first
  pointsman history 'lock wait'                       the runs in which a record says this, and
                                                      those records
  pointsman history --runbook shop --end rolled-back  by runbook and end
  pointsman history --person alice --since 2026-11-01 in which alice decided or ordered something, since then
  pointsman history --durations --runbook shop        how long each action took: P50, P90, and the
                                                      longest
  pointsman history --json | jq '.[].run'

Dates are in UTC: a day (2026-11-21), or a moment (2026-11-21T02:00:00Z).";

/// Lists and searches runs, and shows how long actions took
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct HistoryArgs {
    /// A text that a record says, or the run's id or title
    #[arg(value_name = "TEXT")]
    text: Option<String>,
    /// Only runs of this runbook
    #[arg(long, value_name = "NAME")]
    runbook: Option<String>,
    /// Only runs that ended so
    #[arg(long, value_name = "END")]
    end: Option<End>,
    /// Only runs in which this person decided or ordered something
    #[arg(long, value_name = "PERSON")]
    person: Option<String>,
    /// Only runs that started on this day, at this moment, or later
    #[arg(long, value_name = "DATE", value_parser = moment)]
    since: Option<Timestamp>,
    /// Only runs that started before this day or moment
    #[arg(long, value_name = "DATE", value_parser = moment)]
    before: Option<Timestamp>,
    /// Show how long each action took in these runs
    #[arg(long)]
    durations: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// How a run ended, as it is typed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum End {
    Succeeded,
    RolledBack,
    NeedsAttention,
    Aborted,
    Unfinished,
}

fn moment(text: &str) -> Result<Timestamp, String> {
    let day = || Timestamp::parse(&format!("{text}T00:00:00Z"));
    Timestamp::parse(text).or_else(day).ok_or_else(|| "write a day (2026-11-21) or a moment (2026-11-21T02:00:00Z)".to_owned())
}

/// Lists.
///
/// # Errors
/// When the folder of runs cannot be read.
pub fn run(desk: &Desk, args: &HistoryArgs) -> Result<Exit> {
    let home = desk.home()?;
    let query = query(args);
    let mut found = Vec::new();
    let mut read: Vec<(State, Vec<Record>)> = Vec::new();
    for run in home.runs()?.into_iter().rev() {
        match load(&home, &run, None) {
            Ok((state, records)) => {
                let Some(hits) = query.hits(&state, &records) else { continue };
                if args.durations {
                    read.push((state, records));
                } else {
                    found.push(Found { row: row_of(&home, &run, state), hits });
                }
            }
            // A run that cannot be read is listed, so that it is not overlooked; no search can say whether it fits.
            Err(error) => {
                let why = format!("{:#}", anyhow::Error::from(error));
                found.push(Found { row: Row::Unreadable(run, why), hits: Vec::new() });
            }
        }
    }
    if args.durations {
        let found = lengths(read.iter().map(|(state, records)| (state, records.as_slice())));
        if args.json {
            console::print_json(&lengths_json(&found))?;
        } else {
            console::print_lines(&lengths_text(&found))?;
        }
    } else if args.json {
        console::print_json(&json(&found, now()))?;
    } else if found.is_empty() {
        let what = if query.is_empty() { "There are no runs" } else { "No run fits" };
        console::say(format!("{what} in {}", home.path().display()));
    } else {
        console::print_lines(&text(&found, now()))?;
    }
    Ok(Exit::Done)
}

fn query(args: &HistoryArgs) -> Query {
    Query {
        runbook: args.runbook.clone(),
        end: args.end.map(|end| match end {
            End::Succeeded => WantedEnd::As(RunOutcome::Succeeded),
            End::RolledBack => WantedEnd::As(RunOutcome::RolledBack),
            End::NeedsAttention => WantedEnd::As(RunOutcome::NeedsAttention),
            End::Aborted => WantedEnd::As(RunOutcome::Aborted),
            End::Unfinished => WantedEnd::Unfinished,
        }),
        person: args.person.clone(),
        from: args.since,
        until: args.before,
        text: args.text.clone(),
    }
}
