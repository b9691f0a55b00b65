//! `pointsman resume`: takes up a run that no executor drives.

use clap::Args;

use super::desk::Desk;
use super::driving::{Show, drive};
use super::exit::Exit;
use super::sending::SendArgs;
use crate::authority::Claim;
use crate::engine::Executor;

const EXAMPLES: &str = "\
Examples:
  pointsman resume shop-20261121-a1b2c3     after a suspension, a crash or a reboot
  pointsman resume latest                   the run that was started last

What ran when the executor ended is in doubt: it is looked at first, and never run again blindly. What nobody can tell \
by looking waits for a person: `pointsman resolve`.";

/// Takes up a run that no executor drives
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct ResumeArgs {
    /// The run: its id, a beginning of it, or `latest`
    #[arg(value_name = "RUN")]
    run: String,
    #[command(flatten)]
    show: Show,
    #[command(flatten)]
    send: SendArgs,
}

/// Resumes.
///
/// # Errors
/// When another executor drives the run, or its files are damaged.
pub fn run(desk: &Desk, args: &ResumeArgs) -> anyhow::Result<Exit> {
    let (home, run) = desk.run(&args.run)?;
    args.send.check()?;
    let executor = Executor::resume(&home, &run)?;
    let sending = args.send.begin(desk, &executor);
    drive(desk, executor, &args.show, &Claim::Whoever, sending)
}
