//! `pointsman resolve`: a person has looked and says what an attempt, or an undo, in doubt left at its target.

use anyhow::Result;
use clap::{Args, ValueEnum};

use super::desk::Desk;
use super::exit::Exit;
use super::ordering::OnStep;
use super::signing::SignArgs;
use crate::authority::Decision;
use crate::model::Finding;
use crate::run::Command;

const EXAMPLES: &str = "\
Examples:
  pointsman resolve latest copy --as applied --evidence 'all 12 files are there, sizes seen'
  pointsman resolve latest copy --as not-applied --evidence 'the folder is empty'
  pointsman resolve latest copy --as partial --evidence '7 of 12 files are there'

Of an undo in doubt, or one that failed, `applied` says that it is undone, `not-applied` that it has to be tried again.";

/// Says what a step in doubt left at its target
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct ResolveArgs {
    #[command(flatten)]
    on: OnStep,
    /// What it left
    #[arg(long = "as", value_name = "FINDING")]
    finding: FindingArg,
    /// What you saw, and where; it goes into the record
    #[arg(long, value_name = "TEXT")]
    evidence: String,
    #[command(flatten)]
    signing: SignArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum FindingArg {
    /// Its effect is there, whole
    Applied,
    /// Its effect is not there
    NotApplied,
    /// Some of it is there
    Partial,
}

/// Resolves.
///
/// # Errors
/// When the run cannot be found or asked.
pub fn run(desk: &Desk, args: &ResolveArgs) -> Result<Exit> {
    let (finding, decision) = match args.finding {
        FindingArg::Applied => (Finding::Applied, Decision::ResolveApplied),
        FindingArg::NotApplied => (Finding::NotApplied, Decision::ResolveNotApplied),
        FindingArg::Partial => (Finding::Partial(args.evidence.clone()), Decision::ResolvePartial),
    };
    args.on.decide(
        desk,
        &args.signing,
        |_| decision,
        &args.evidence,
        |step| Command::Resolve { step, finding, seen: args.evidence.clone() },
    )
}
