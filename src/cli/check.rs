//! `pointsman check`: every problem of every file at once.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::console;
use super::desk::Desk;
use super::exit::Exit;
use super::preparation::{ParamArgs, look_over};
use crate::diagnostic::json::to_json;
use crate::safety::Proof;

const EXAMPLES: &str = "\
Examples:
  pointsman check night.yaml                 every problem, with its place and what to write instead
  pointsman check runbooks/*.yaml            many files; the exit code is 3 if any of them is wrong
  pointsman check night.yaml -p batch=pilot  with the parameters of the night
  pointsman check night.yaml --json | jq '.files[].diagnostics[].code'

Each problem has a code such as PM0301; docs/errors/ has a page for each.";

/// Checks runbooks and reports every problem at once
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct CheckArgs {
    /// The runbooks; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    params: ParamArgs,
    /// Print the problems as JSON
    #[arg(long)]
    json: bool,
}

/// Checks.
///
/// # Errors
/// When a file cannot be read.
pub fn run(desk: &Desk, args: &CheckArgs) -> anyhow::Result<Exit> {
    let mut exit = Exit::Done;
    let mut files: Vec<Value> = Vec::new();
    for file in &args.files {
        let prepared = look_over(desk, file, &args.params)?;
        if prepared.has_errors() {
            exit = Exit::InvalidRunbook;
        }
        if args.json {
            let mut reports = prepared.reports.iter().map(|(report, source)| to_json(report, source));
            // The runbook comes first; the others are files that it names.
            files.extend(reports.next().map(|mut runbook| {
                let Proof { rules, states, not_proven, .. } = &prepared.proof;
                runbook["proof"] = json!({ "rules": rules, "states": states, "not_proven": not_proven });
                runbook
            }));
            files.extend(reports);
            continue;
        }
        prepared.say();
        if prepared.plan.is_none() && !prepared.has_errors() {
            console::print(format!("{}: right, as far as can be said without its parameters\n", file.display()))?;
        }
        if let Some(plan) = &prepared.plan {
            let steps = plan.steps().len();
            let steps = format!("{steps} {}", if steps == 1 { "step" } else { "steps" });
            let proven = prepared.proof.in_words().map(|words| format!("; {words}")).unwrap_or_default();
            console::print(format!("{}: right, {steps}{proven}\n", file.display()))?;
        }
    }
    if args.json {
        console::print_json(&json!({ "right": exit == Exit::Done, "files": files }))?;
    }
    Ok(exit)
}
