//! `pointsman break-glass`: opens a gate without its quorum, in an emergency.

use anyhow::Result;
use clap::Args;

use super::desk::Desk;
use super::exit::Exit;
use super::ordering::OnStep;
use super::signing::SignArgs;
use crate::authority::Decision;
use crate::run::Command;

const EXAMPLES: &str = "\
Examples:
  pointsman break-glass latest go-live --reason 'bob and carol cannot be reached, the data centre is losing power'

The gate's `break_glass` says who may: two persons open it at once, or one after a delay in which anybody who decides there \
can reject. It stands in the report in a colour of its own.";

/// Opens a gate without its quorum, in an emergency
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct BreakGlassArgs {
    #[command(flatten)]
    on: OnStep,
    #[command(flatten)]
    signing: SignArgs,
    /// Why; it goes into the record
    #[arg(long, value_name = "WHY")]
    reason: String,
}

/// Breaks the glass.
///
/// # Errors
/// When the run cannot be found or asked.
pub fn run(desk: &Desk, args: &BreakGlassArgs) -> Result<Exit> {
    args.on.decide(
        desk,
        &args.signing,
        |_| Decision::BreakGlass,
        &args.reason,
        |step| Command::BreakGlass { step, reason: args.reason.clone() },
    )
}
