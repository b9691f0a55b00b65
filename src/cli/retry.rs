//! `pointsman retry`: another attempt of a step that waits for a person, or of an undo that failed.

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
  pointsman retry latest counts          a step that is held, or backing off
  pointsman retry latest freeze-old      an undo that failed, also after the run has ended

A step in doubt is never run again blindly: say first what it left, with `pointsman resolve`.";

/// Tries a step, or its undo, again
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct RetryArgs {
    #[command(flatten)]
    on: OnStep,
    #[command(flatten)]
    signing: SignArgs,
}

/// Retries.
///
/// # Errors
/// When the run cannot be found or asked.
pub fn run(desk: &Desk, args: &RetryArgs) -> Result<Exit> {
    args.on.decide(desk, &args.signing, |_| Decision::Retry, "", |step| Command::Retry { step })
}
