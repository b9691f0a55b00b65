//! `pointsman plan`: what would be done, in which order, and how it is undone. Nothing is touched.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use super::console;
use super::desk::{Desk, now};
use super::exit::Exit;
use super::preparation::{ParamArgs, prepare};
use crate::engine::rehearsal_of;
use crate::views::{bearing, expectation, plan, rehearsed};

const EXAMPLES: &str = "\
Examples:
  pointsman plan night.yaml                      order, what runs in parallel, exact statements,
                                                 gates, undo, times
  pointsman plan night.yaml --json | jq .digest  for programs
  pointsman plan night.yaml --dot | dot -Tsvg > night.svg
  pointsman plan night.yaml --mermaid            a picture for a page in Markdown

The same file and the same parameters give the same plan, with the same digest: what approvers saw is what runs.";

/// Shows what would be done, in which order, and how it is undone
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct PlanArgs {
    /// The runbook; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    params: ParamArgs,
    /// Print JSON
    #[arg(long, group = "form")]
    json: bool,
    /// Print a graph for Graphviz
    #[arg(long, group = "form")]
    dot: bool,
    /// Print a graph for Mermaid
    #[arg(long, group = "form")]
    mermaid: bool,
}

/// Plans.
///
/// # Errors
/// When a file cannot be read.
pub fn run(desk: &Desk, args: &PlanArgs) -> Result<Exit> {
    let prepared = prepare(desk, &args.file, &args.params)?;
    prepared.say();
    let Some(made) = &prepared.plan else { return Ok(Exit::InvalidRunbook) };
    if args.json {
        let mut json = plan::json(made);
        let history = desk.history(&made.content().runbook, None);
        json["expected"] = expectation::plan_json(made, &history);
        json["clients"] = bearing::plan_json(made, &history);
        console::print_json(&json)?;
    } else if args.dot {
        console::print(plan::dot(made))?;
    } else if args.mermaid {
        console::print(plan::mermaid(made))?;
    } else {
        console::print_lines(&plan::lines(made))?;
        if let Some(proven) = prepared.proof.in_words() {
            console::say(proven);
        }
        let history = desk.history(&made.content().runbook, None);
        console::print_lines(&bearing::of_plan(made, &history))?;
        console::print_lines(&expectation::of_plan(made, &history))?;
        // A plan is shown where there is no home too; then there is no rehearsal to speak of.
        if let Ok(home) = desk.home()
            && made.seeks_rehearsal()
        {
            console::print_lines(&rehearsed::of_plan(&rehearsal_of(&home, made)?, now()))?;
        }
    }
    Ok(Exit::Done)
}
