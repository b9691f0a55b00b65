//! `pointsman continue`: ends a pause.

use anyhow::Result;
use clap::Args;

use super::desk::Desk;
use super::exit::Exit;
use super::ordering::OnRun;
use crate::run::Command;

const EXAMPLES: &str = "\
Examples:
  pointsman continue latest

It ends a pause. A run whose executor has ended goes on with `pointsman resume`.";

/// Ends a pause
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct ContinueArgs {
    #[command(flatten)]
    on: OnRun,
}

/// Continues.
///
/// # Errors
/// When the run cannot be found or asked.
pub fn run(desk: &Desk, args: &ContinueArgs) -> Result<Exit> {
    args.on.send(desk, Command::Continue)
}
