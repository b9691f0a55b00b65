//! `pointsman rollback`: turns the run back.

use anyhow::Result;
use clap::Args;

use super::desk::Desk;
use super::exit::Exit;
use super::ordering::OnRun;
use crate::run::Command;

const EXAMPLES: &str = "\
Examples:
  pointsman rollback latest --reason 'error rate of the new side is 3 %'

Work under way finishes first; then what ran is undone in reverse, from what was captured. After the point of no return \
there is no way back. A run that was aborted or needs attention is taken up again by this order.";

/// Turns a run back
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct RollbackArgs {
    #[command(flatten)]
    on: OnRun,
    /// Why; it goes into the record
    #[arg(long, value_name = "WHY")]
    reason: String,
}

/// Rolls back.
///
/// # Errors
/// When the run cannot be found or asked.
pub fn run(desk: &Desk, args: &RollbackArgs) -> Result<Exit> {
    args.on.send(desk, Command::Rollback { reason: args.reason.clone() })
}
