//! `pointsman skip`: passes a step over; its dependents go on as if it had succeeded.

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
  pointsman skip latest warm-cache --reason 'the cache fills by itself'

Dependents go on as if the step had succeeded. A gate is approved or rejected, never skipped; neither is the point of no return.";

/// Passes a step over
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct SkipArgs {
    #[command(flatten)]
    on: OnStep,
    /// Why; it goes into the record
    #[arg(long, value_name = "WHY")]
    reason: String,
    #[command(flatten)]
    signing: SignArgs,
}

/// Skips.
///
/// # Errors
/// When the run cannot be found or asked.
pub fn run(desk: &Desk, args: &SkipArgs) -> Result<Exit> {
    args.on.decide(
        desk,
        &args.signing,
        |_| Decision::Skip,
        &args.reason,
        |step| Command::Skip { step, reason: args.reason.clone() },
    )
}
