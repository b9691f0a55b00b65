//! `pointsman report`: what happened in a run, for whoever reads it weeks later, in one file.

use std::path::PathBuf;

use anyhow::{Context as _, Error, Result, ensure};
use clap::Args;

use super::console;
use super::desk::{Desk, now};
use super::exit::Exit;
use super::portable::{Carried, TrustArgs, carried};
use crate::audit;
use crate::engine::load::load_readable;
use crate::engine::{Home, is_live, load};
use crate::journal::folder::write_whole;
use crate::log::LogFolder;
use crate::model::RunId;
use crate::plan::History;
use crate::run::{Record, State};
use crate::views::report::{Origin, Report, Sources, html, json, markdown};
use crate::views::status::Life;

const EXAMPLES: &str = "\
Examples:
  pointsman report latest -o report.html           one file without scripts: open it, print it,
                                                   attach it
  pointsman report latest --md > report.md         the same sections for a ticket or a wiki
  pointsman report latest --json | jq .deviations  for programs
  pointsman report shop-live -o r.html --beside shop-staging
                                                   with the lengths of the rehearsal beside those of
                                                   the night
  pointsman report night.bundle --key KEY -o report.html
                                                   from a bundle (`audit bundle`), on any host

The end of the file's name chooses the form (.html, .md, .json) where no option does. It says what happened, who decided on \
what evidence, what was not as planned, where the time went, and what the record proves. docs/report.md describes each part.";

/// How many earlier runs are looked through for one to show beside.
const LOOKED_AT: usize = 20;

/// Writes the report of a run
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct ReportArgs {
    /// The run: its id, a beginning of it, or `latest`; or the path of a bundle
    #[arg(value_name = "RUN")]
    run: String,
    /// The file that is written; standard output when left out
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The run to show beside it [default: the last one before it that did the same steps]
    #[arg(long, value_name = "RUN")]
    beside: Option<String>,
    /// Write Markdown
    #[arg(long, group = "form")]
    md: bool,
    /// Write JSON
    #[arg(long, group = "form")]
    json: bool,
    #[command(flatten)]
    trust: TrustArgs,
}

/// Writes the report. A record that is damaged or not over is told as far as it goes, and the report says so.
///
/// # Errors
/// When the run cannot be found, or the file not be written.
pub fn run(desk: &Desk, args: &ReportArgs) -> Result<Exit> {
    let (run, report) = match carried(&args.run)? {
        Some((carried, mut file)) => {
            let verification = audit::verify_bundle(&mut file, &args.trust.read()?)?;
            (carried.run.clone(), of_bundle(desk, &carried, &verification, args.beside.as_deref())?)
        }
        None => {
            let (home, run) = desk.run(&args.run)?;
            let report = made(desk, &home, &run, args.beside.as_deref())?;
            (run, report)
        }
    };
    let text = rendered(args, &report);
    match &args.out {
        None => console::print(text)?,
        Some(out) => {
            let path = std::path::absolute(out)?;
            write_whole(&path, text.as_bytes()).with_context(|| format!("{} cannot be written", out.display()))?;
            console::say(format!("{}: the report of {run}", out.display()));
        }
    }
    Ok(Exit::Done)
}

fn rendered(args: &ReportArgs, report: &Report) -> String {
    let ends_with = |form: &str| args.out.as_ref().and_then(|out| out.extension()).is_some_and(|end| end == form);
    match (args.md, args.json) {
        (true, _) => markdown(report),
        (_, true) => format!("{:#}\n", json(report)),
        (false, false) if ends_with("md") => markdown(report),
        (false, false) if ends_with("json") => format!("{:#}\n", json(report)),
        (false, false) => html(report),
    }
}

fn made(desk: &Desk, home: &Home, run: &RunId, beside: Option<&str>) -> Result<Report> {
    let live = is_live(home, run);
    let read = load_readable(home, run, None).map_err(|error| format!("{:#}", Error::from(error)));
    let verification = audit::verify_logged(&home.folder(run), &LogFolder::of_home(home.path()));
    let verification = verification.map_err(|error| format!("{:#}", Error::from(error)));
    let state = read.as_ref().ok().map(|(state, ..)| state);
    let history = state.map_or_else(History::default, |state| desk.history(&state.plan().content().runbook, Some(run)));
    let other = match (beside, state) {
        (Some(text), _) => Some(read_run(desk, text)?),
        (None, Some(state)) => same_steps_before(home, run, state),
        (None, None) => None,
    };
    let cut = match &read {
        Ok((_, _, Some(error))) => Some(error.to_string()),
        Ok((_, _, None)) | Err(_) => None,
    };
    let sources = Sources {
        run,
        read: match &read {
            Ok((state, records, _)) => Ok((state, records.as_slice())),
            Err(why) => Err(why),
        },
        origin: Origin::Folder,
        cut: cut.as_deref(),
        life: if live { Life::Driven } else { Life::Left },
        now: now(),
        history: &history,
        beside: other.as_ref().map(|(state, records)| (state, records.as_slice())),
        verification: verification.as_ref().map_err(String::as_str),
    };
    Ok(Report::of(&sources, &desk.how()))
}

/// The report of a run that is somewhere else: nothing of this host is in it, but for a run that was named to stand beside it.
fn of_bundle(desk: &Desk, carried: &Carried, verification: &audit::Report, beside: Option<&str>) -> Result<Report> {
    let other = beside.map(|text| read_run(desk, text)).transpose()?;
    let sources = Sources {
        run: &carried.run,
        read: match &carried.read {
            Ok((state, records)) => Ok((state, records.as_slice())),
            Err(why) => Err(why),
        },
        origin: Origin::Bundle(&carried.withheld),
        cut: carried.cut.as_deref(),
        life: Life::Past,
        now: now(),
        history: &History::default(),
        beside: other.as_ref().map(|(state, records)| (state, records.as_slice())),
        verification: Ok(verification),
    };
    Ok(Report::of(&sources, &desk.how()))
}

/// The run that is named, of this home or in a bundle.
///
/// # Errors
/// When it cannot be read whole.
pub fn read_run(desk: &Desk, text: &str) -> Result<(State, Vec<Record>)> {
    let Some((carried, _)) = carried(text)? else {
        let (home, run) = desk.run(text)?;
        return Ok(load(&home, &run, None)?);
    };
    let read = carried.read.map_err(Error::msg).with_context(|| format!("{text} cannot be told"))?;
    ensure!(carried.cut.is_none(), "{text} cannot be told whole: {}", carried.cut.unwrap_or_default());
    Ok(read)
}

/// The last run before this one that did the same steps, whatever its targets: a rehearsal, or the last time.
fn same_steps_before(home: &Home, run: &RunId, state: &State) -> Option<(State, Vec<Record>)> {
    let (started, steps) = (state.started()?, state.plan().shape());
    let earlier = home.runs().ok()?.into_iter().rev().skip_while(|other| other != run).skip(1).take(LOOKED_AT);
    earlier
        .filter_map(|other| load(home, &other, None).ok())
        .find(|(other, _)| other.started().is_some_and(|at| at < started) && other.plan().shape() == steps)
}
