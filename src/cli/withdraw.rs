//! `pointsman withdraw`: takes an approval back while the gate is not open yet.

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
  pointsman withdraw latest go-live     while others still have to approve

A gate that is open stays open: pause the run, or roll it back.";

/// Takes your approval back
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct WithdrawArgs {
    #[command(flatten)]
    on: OnStep,
    #[command(flatten)]
    signing: SignArgs,
}

/// Withdraws.
///
/// # Errors
/// When the run cannot be found or asked.
pub fn run(desk: &Desk, args: &WithdrawArgs) -> Result<Exit> {
    args.on.decide(desk, &args.signing, |_| Decision::Withdraw, "", |step| Command::Withdraw { step })
}
