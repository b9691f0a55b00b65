//! `pointsman demo`: a little shop moves while it sells, in a folder of its own, and the end is checked.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use clap::builder::PossibleValuesParser;

use crate::demo::story::STEPS;
use crate::demo::{Manner, Story, Wish, live};

const EXAMPLES: &str = "\
Examples:
  pointsman demo                ask for the approval at this terminal
  pointsman demo --unattended   approve in your name; the record says so
  pointsman demo --reject       say no at the gate, and watch the shop come back
  pointsman demo --fail counts  make the step fail, by something that is really wrong with the shop
  pointsman demo --kill switch  kill the executor in the middle of the step, then resume

The exit code is 0 when the shop is whole on the side where it has to be, the run ended as it had to, and its audit holds.";

/// Moves a little shop while it sells, and checks how that ended
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct DemoArgs {
    /// Answer at the gate in the name of the local user
    #[arg(long)]
    unattended: bool,
    /// Say no at the gate
    #[arg(long, group = "story")]
    reject: bool,
    /// Make this step fail
    #[arg(long, group = "story", value_name = "STEP", value_parser = PossibleValuesParser::new(STEPS))]
    fail: Option<String>,
    /// Kill the executor in the middle of this step, then resume the run
    #[arg(long, group = "story", value_name = "STEP", value_parser = PossibleValuesParser::new(STEPS))]
    kill: Option<String>,
    /// The folder to make everything in; a new one among the temporary files when left out
    #[arg(long)]
    dir: Option<PathBuf>,
}

/// Lives through the night; answers whether it ended as it has to.
///
/// # Errors
/// When the night could not be carried to its end.
pub fn run(args: &DemoArgs) -> anyhow::Result<bool> {
    let folder = match &args.dir {
        Some(folder) => folder.clone(),
        None => tempfile::Builder::new().prefix("pointsman-demo-").tempdir().context("no temporary folder can be made")?.keep(),
    };
    std::fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let folder = folder.canonicalize().with_context(|| format!("{} cannot be found", folder.display()))?;
    let program = std::env::current_exe().context("this program cannot find itself")?;
    let manner = if args.unattended || args.reject { Manner::Unattended } else { Manner::AtTerminal };
    let ending = live(Wish { program, folder: folder.clone(), story: story(args), manner })?;
    let complaints = ending.complaints();
    if complaints.is_empty() {
        println!("\nAs it has to be: the run {}, and the shop is whole on the {} side.", ending.outcome, ending.verdict.live);
    } else {
        println!("\nNOT AS IT HAS TO BE:");
        complaints.iter().for_each(|complaint| println!("  {complaint}"));
    }
    println!("Everything is in {}", folder.display());
    Ok(complaints.is_empty())
}

fn story(args: &DemoArgs) -> Story {
    let step = |name: &String| STEPS.into_iter().find(|step| step == name).unwrap_or(STEPS[0]);
    match (&args.fail, &args.kill) {
        (Some(name), _) => Story::Fail(step(name)),
        (None, Some(name)) => Story::Kill(step(name)),
        (None, None) if args.reject => Story::Reject,
        (None, None) => Story::Plain,
    }
}
