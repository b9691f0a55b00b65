//! `pointsman reject`: says no at a gate, to a task or to a confirmation.

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
  pointsman reject latest go-live --reason 'stock counts differ by 3'

What a rejection means is written in the runbook: the step's `on_failure`, which turns the run back unless it says otherwise.";

/// Says no at a gate, to a task or to a confirmation
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct RejectArgs {
    #[command(flatten)]
    on: OnStep,
    /// Why; it goes into the record
    #[arg(long, value_name = "WHY")]
    reason: String,
    #[command(flatten)]
    signing: SignArgs,
}

/// Rejects.
///
/// # Errors
/// When the run cannot be found or asked.
pub fn run(desk: &Desk, args: &RejectArgs) -> Result<Exit> {
    args.on.decide(
        desk,
        &args.signing,
        |_| Decision::Reject,
        &args.reason,
        |step| Command::Reject { step, reason: args.reason.clone() },
    )
}
