//! `pointsman shop`: one process of the demo's shop. A hidden door; the demo opens it, and people who want to look closely.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::demo::{Control, Folder, Role};

/// What the hidden command takes.
#[derive(Args, Debug)]
pub struct ShopArgs {
    /// What this process does
    #[arg(value_enum)]
    role: Part,
    /// The folder of the shop
    #[arg(long)]
    dir: PathBuf,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Part {
    /// Makes an empty shop and ends
    Create,
    /// Takes orders
    Writer,
    /// Works off the jobs
    Worker,
    /// Copies old to new
    Sync,
}

/// Does one part of the shop's work until standard input ends.
///
/// # Errors
/// When the shop's files cannot be used.
pub fn run(args: &ShopArgs) -> anyhow::Result<()> {
    let folder = Folder::new(&args.dir);
    let role = match args.role {
        Part::Create => return Ok(crate::demo::shop::create(&folder)?),
        Part::Writer => Role::Writer,
        Part::Worker => Role::Worker,
        Part::Sync => Role::Sync,
    };
    Ok(role.run(&folder, &Control::from_stdin())?)
}
