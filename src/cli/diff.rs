//! `pointsman diff`: what differed between two runs: a rehearsal and the night, this time and last time.

use anyhow::{Context as _, Result};
use clap::Args;

use super::console;
use super::desk::Desk;
use super::exit::Exit;
use super::report::read_run;
use crate::views::diff::{Diff, Side, json, text};

const EXAMPLES: &str = "\
Examples:
  pointsman diff shop-staging-1 shop-live-1      the rehearsal and the night
  pointsman diff shop-2026-11-14 latest          last time and this time
  pointsman diff night.bundle latest             a night on another host and one here
  pointsman diff RUN_A RUN_B --json | jq '.steps[] | select(.ended_otherwise)'

Of the lengths only what differs by a fifth and by more than a second is shown; the JSON has every step.";

/// Shows what differed between two runs
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct DiffArgs {
    /// The first run: its id, a beginning of it, or `latest`; or the path of a bundle, which is not verified here
    #[arg(value_name = "RUN_A")]
    a: String,
    /// The second run
    #[arg(value_name = "RUN_B")]
    b: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Compares.
///
/// # Errors
/// When a run cannot be found or read.
pub fn run(desk: &Desk, args: &DiffArgs) -> Result<Exit> {
    let diff = Diff::of(side(desk, &args.a)?, side(desk, &args.b)?);
    if args.json {
        console::print_json(&json(&diff))?;
    } else {
        console::print_lines(&text(&diff))?;
    }
    Ok(Exit::Done)
}

fn side(desk: &Desk, text: &str) -> Result<Side> {
    let (state, records) = read_run(desk, text)?;
    Side::of(&state, &records).with_context(|| format!("{text} has no record yet"))
}
