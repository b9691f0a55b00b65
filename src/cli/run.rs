//! `pointsman run`: plans a runbook and drives the run in this process.

use std::path::PathBuf;

use clap::Args;

use super::desk::Desk;
use super::driving::{Show, drive};
use super::dry_run;
use super::exit::Exit;
use super::ordering::ByArgs;
use super::preparation::{ParamArgs, prepare};
use super::sending::SendArgs;
use crate::connectors::Registry;
use crate::engine::{EngineError, Executor, logbook, whoami};
use crate::model::{RunId, id::is_name};
use crate::plan::{Plan, PlannedUndo};

const EXAMPLES: &str = "\
Examples:
  pointsman run night.yaml                       a live view on a terminal, one line per event
                                                 elsewhere
  pointsman run night.yaml -p batch=full         with a parameter
  pointsman run night.yaml --view inline         a small frame below the lines instead of a full
                                                 screen
  pointsman run night.yaml --json > night.jsonl  the records as JSON lines
  pointsman run night.yaml --dry-run             asks every target, changes nothing: the exact
                                                 statements, what stands in the way
  pointsman run night.yaml --targets staging.yaml the same steps for real against the targets of a profile: a rehearsal

The run's id is printed first. Ctrl-C or SIGTERM suspends the run in good order: work under way finishes, nothing new \
starts, and `pointsman resume RUN` goes on. Other terminals can look and decide all the time: `pointsman status RUN`, \
`pointsman approve RUN STEP`.

Exit codes: 0 succeeded, 3 invalid runbook, 4 rolled back, 5 needs attention, 6 aborted, 7 journal failed, 9 suspended, \
11 busy; docs/cli.md lists them all.";

/// Runs a runbook
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct RunArgs {
    /// The runbook; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    params: ParamArgs,
    /// The id of the run, instead of the runbook's name, the day and a random tail
    #[arg(long, value_name = "RUN", value_parser = run_id)]
    id: Option<RunId>,
    /// Change nothing: resolve every step, ask its target, print the exact statements and what stands in the way
    #[arg(long, conflicts_with_all = ["id", "plain", "verbose", "view"])]
    dry_run: bool,
    #[command(flatten)]
    by: ByArgs,
    #[command(flatten)]
    show: Show,
    #[command(flatten)]
    send: SendArgs,
}

/// Runs.
///
/// # Errors
/// When the run cannot be started, or its journal fails.
pub fn run(desk: &Desk, args: &RunArgs) -> anyhow::Result<Exit> {
    let prepared = prepare(desk, &args.file, &args.params)?;
    prepared.say();
    let Some(plan) = prepared.plan else { return Ok(Exit::InvalidRunbook) };
    refuse_what_this_build_cannot_do(&plan)?;
    if args.dry_run {
        let starter = whoami(plan.content().roster.as_ref(), &args.by.claim()).map_err(EngineError::from)?;
        return dry_run::run(desk, plan, starter, &args.show);
    }
    args.send.check()?;
    let home = desk.home()?;
    let starter = whoami(plan.content().roster.as_ref(), &args.by.claim()).map_err(EngineError::from);
    let started = starter.and_then(|starter| Executor::start(&home, plan.clone(), args.id.clone(), starter));
    let mut executor = started.inspect_err(|why| logbook::start_refused(&home, &plan, why))?;
    args.send.note_caller(&mut executor);
    let sending = args.send.begin(desk, &executor);
    drive(desk, executor, &args.show, &args.by.claim(), sending)
}

/// A step that nobody here can take must not be found out about in the middle of the night.
fn refuse_what_this_build_cannot_do(plan: &Plan) -> anyhow::Result<()> {
    let registry = Registry::standard();
    for step in plan.steps() {
        let undo = match &step.undo {
            PlannedUndo::Action { action, .. } => Some(action),
            PlannedUndo::NotNeeded | PlannedUndo::Auto | PlannedUndo::Nothing { .. } | PlannedUndo::Impossible { .. } => None,
        };
        for action in [&step.action].into_iter().chain(undo) {
            if let Some(feature) = registry.absent(action) {
                anyhow::bail!(
                    "this program was built without the feature `{feature}`, which {action} of step {} needs: build it with `cargo build --release --features full`",
                    step.id
                );
            }
        }
    }
    Ok(())
}

fn run_id(text: &str) -> Result<RunId, String> {
    if is_name(text) && text != "latest" {
        Ok(RunId::new(text))
    } else {
        Err("an id begins with a lower-case letter and goes on with letters, digits, `-` and `_`".to_owned())
    }
}
