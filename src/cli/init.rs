//! `pointsman init`: the key and the log of an installation, and the public key for the change ticket.

use anyhow::Result;
use clap::Args;

use super::console;
use super::desk::{Desk, now};
use super::exit::Exit;
use crate::engine::logbook;
use crate::log::store::{Made, Origin};

const EXAMPLES: &str = "\
Examples:
  pointsman init            makes the key where there is none; prints the public key, one line
  pointsman init --rotate   a new key in the place of the old one, signed by both

Put the public key into the change ticket before the night: whoever has it from there can verify the record of a run
without trusting this host. The private key stays in the file `log/key` of the home, readable by its owner only.
Without `init` the first run makes the key.";

/// Makes the key and the log of this installation and prints the public key
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct InitArgs {
    /// Put a new key in the place of the one that is there
    #[arg(long)]
    rotate: bool,
}

/// Makes the key.
///
/// # Errors
/// When the log cannot be used.
pub fn run(desk: &Desk, args: &InitArgs) -> Result<Exit> {
    let (mut log, made) = logbook::open(&desk.home()?, Origin::Init, now())?;
    let key = match (args.rotate, made) {
        (true, Made::Before) => log.rotate(now())?,
        (true, Made::Now) | (false, _) => {
            if made == Made::Now {
                log.sign()?;
            }
            log.verifier().clone()
        }
    };
    console::print(format!("{key}\n"))?;
    Ok(Exit::Done)
}
