//! `pointsman pause`: nothing new starts; what is under way finishes.

use anyhow::Result;
use clap::Args;

use super::desk::Desk;
use super::exit::Exit;
use super::ordering::OnRun;
use crate::run::Command;

const EXAMPLES: &str = "\
Examples:
  pointsman pause latest --reason 'looking at the replica'
  pointsman continue latest

Clocks go on: a deadline that passes during a pause has passed.";

/// Pauses a run: nothing new starts
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct PauseArgs {
    #[command(flatten)]
    on: OnRun,
    /// Why; it goes into the record
    #[arg(long, value_name = "WHY", default_value = "")]
    reason: String,
}

/// Pauses.
///
/// # Errors
/// When the run cannot be found or asked.
pub fn run(desk: &Desk, args: &PauseArgs) -> Result<Exit> {
    args.on.send(desk, Command::Pause { reason: args.reason.clone() })
}
