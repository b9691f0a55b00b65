//! `pointsman abort`: stops the run without rollback.

use anyhow::Result;
use clap::Args;

use super::desk::Desk;
use super::exit::Exit;
use super::ordering::OnRun;
use crate::run::Command;

const EXAMPLES: &str = "\
Examples:
  pointsman abort latest --reason 'wrong runbook'

Work under way finishes, `finally` runs, and NOTHING is undone: what was frozen stays frozen. To undo, use `rollback`.";

/// Stops a run without undoing anything
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct AbortArgs {
    #[command(flatten)]
    on: OnRun,
    /// Why; it goes into the record
    #[arg(long, value_name = "WHY")]
    reason: String,
}

/// Aborts.
///
/// # Errors
/// When the run cannot be found or asked.
pub fn run(desk: &Desk, args: &AbortArgs) -> Result<Exit> {
    args.on.send(desk, Command::Abort { reason: args.reason.clone() })
}
