//! `pointsman journal salvage`: the records of a damaged journal that can be trusted, copied into a new folder.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};

use super::console;
use super::desk::Desk;
use super::exit::Exit;
use crate::journal::{RunFolder, salvage};

const EXAMPLES: &str = "\
Examples:
  pointsman journal salvage shop-20261121-a1b2c3 --to ./salvaged
  pointsman audit verify ./salvaged

The damaged journal is not touched. The new one holds its records up to the first damage, and says of itself that it was \
salvaged: what was acknowledged after that is lost, and what it did has to be looked for at the targets.";

/// Looks after the bytes of a run's journal
#[derive(Args, Debug)]
pub struct JournalArgs {
    #[command(subcommand)]
    command: JournalCommand,
}

#[derive(Subcommand, Debug)]
enum JournalCommand {
    /// Copies what can be trusted of a damaged journal into a new folder
    #[command(after_help = EXAMPLES)]
    Salvage(SalvageArgs),
}

#[derive(Args, Debug)]
struct SalvageArgs {
    /// The run: its id, a beginning of it, or `latest`
    #[arg(value_name = "RUN")]
    run: String,
    /// The new folder
    #[arg(long, value_name = "FOLDER")]
    to: PathBuf,
}

/// Salvages.
///
/// # Errors
/// When the run cannot be found, or the new folder cannot be written.
pub fn run(desk: &Desk, args: &JournalArgs) -> Result<Exit> {
    let JournalCommand::Salvage(args) = &args.command;
    let (home, run) = desk.run(&args.run)?;
    let (from, to) = (home.folder(&run), RunFolder::at(&args.to));
    if args.to.exists() {
        bail!("{} exists already; name a new folder", args.to.display());
    }
    fs::create_dir_all(&args.to).with_context(|| format!("{} cannot be made", args.to.display()))?;
    let salvaged = salvage(&from.journal(), &to.journal())?;
    if from.plan().exists() {
        fs::copy(from.plan(), to.plan()).with_context(|| format!("the plan cannot be copied to {}", args.to.display()))?;
    }
    console::print(format!(
        "{} records are in {}; {} bytes from byte {} on were left behind\n",
        salvaged.records,
        to.path().display(),
        salvaged.left,
        salvaged.upto
    ))?;
    Ok(Exit::Done)
}
