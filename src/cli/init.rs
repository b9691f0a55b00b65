//! `pointsman init`: the key and the log of an installation, and the public key for the change ticket.

use std::path::PathBuf;

use anyhow::{Context as _, Error, Result, ensure};
use clap::Args;

use super::console;
use super::desk::{Desk, now};
use super::exit::Exit;
use crate::engine::logbook;
use crate::log::asked::place_of;
use crate::log::store::{Made, Origin};
use crate::log::{Asked, Log, Outside, Trusted, WitnessLevel, diary};
use crate::model::{Digest, SecretRef};

const EXAMPLES: &str = "\
Examples:
  pointsman init            makes the key where there is none; prints the public key, one line
  pointsman init --rotate   a new key in the place of the old one, signed by both

Who outside is told of checkpoints, and what a gate waits for:
  pointsman init --witness-key KEY --witness-url http://127.0.0.1:8090 --require L2
  pointsman init --witness-key KEY --witness-url https://witness.example:8090 --witness-ca ca.pem \\
                 --witness-token file:/etc/pointsman/witness-token --require L2
  pointsman init --store /mnt/worm/checkpoints --require L3
  pointsman init --require L0                             nobody, and no gate waits

Put the public key into the change ticket before the night: whoever has it from there can verify the record of a run \
without trusting this host. The private key stays in the file `log/key` of the home, readable by its owner only. \
Without `init` the first run makes the key.";

/// Makes the key and the log of this installation and prints the public key
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct InitArgs {
    /// Put a new key in the place of the one that is there
    #[arg(long)]
    rotate: bool,
    /// The public key of a witness, as `pointsman witness` prints it
    #[arg(long, value_name = "KEY", requires = "witness_url")]
    witness_key: Vec<String>,
    /// Where that witness is asked, `https://HOST:PORT`, or `http://127.0.0.1:PORT` on this host; one for each key
    #[arg(long, value_name = "URL", requires = "witness_key")]
    witness_url: Vec<String>,
    /// The authorities that may have signed the witness's certificate [default: those of this system]; one for each key, `-` for
    /// none
    #[arg(long, value_name = "FILE", requires = "witness_key")]
    witness_ca: Vec<String>,
    /// The SHA-256 of the witness's certificate, as `pointsman witness` says it; one for each key, `-` for none
    #[arg(long, value_name = "SHA256", requires = "witness_key")]
    witness_pin: Vec<String>,
    /// Where the token is that the witness knows this log by, `file:PATH` or `env:NAME`; one for each key, `-` for none
    #[arg(long, value_name = "PLACE", requires = "witness_key")]
    witness_token: Vec<String>,
    /// A folder that checkpoints are put into; where it is a work tree of git they are committed and pushed
    #[arg(long, value_name = "FOLDER")]
    store: Vec<PathBuf>,
    /// What a gate waits for: nothing (L0), a witness (L2), a store (L3)
    #[arg(long, value_name = "LEVEL", value_parser = level)]
    require: Option<WitnessLevel>,
}

fn level(text: &str) -> Result<WitnessLevel, String> {
    match WitnessLevel::parse(text) {
        Some(WitnessLevel::L1) | None => Err("a gate can wait for nothing (L0), a witness (L2) or a store (L3)".to_owned()),
        Some(level) => Ok(level),
    }
}

/// Sets who outside is told of checkpoints, in the place of whoever was.
fn tell(log: &mut Log, args: &InitArgs) -> Result<()> {
    ensure!(args.witness_key.len() == args.witness_url.len(), "each --witness-key needs its --witness-url");
    let outside = Outside {
        witnesses: (0..args.witness_key.len()).map(|at| witness(args, at)).collect::<Result<_>>()?,
        stores: args.store.iter().map(std::path::absolute).collect::<Result<_, _>>()?,
        required: args.require.unwrap_or(WitnessLevel::L0),
    };
    ensure!(outside.can_give(outside.required), "{} is asked for, and nobody is named who could give it", outside.required);
    outside.store(log.folder())?;
    let (witnesses, level) = (outside.lines(), outside.required.to_string());
    log.note(now(), diary::Entry::WitnessesSet { witnesses, level })?;
    Ok(())
}

/// The witness at a place of the command line.
fn witness(args: &InitArgs, at: usize) -> Result<Asked> {
    let given = |list: &'_ [String], name: &str| -> Result<Option<String>> {
        let fits = list.is_empty() || list.len() == args.witness_key.len();
        ensure!(fits, "{name} is given once for each --witness-key, in the same order; `-` is none");
        Ok(list.get(at).filter(|text| *text != "-").cloned())
    };
    let authority = given(&args.witness_ca, "--witness-ca")?.map(std::path::absolute).transpose()?;
    let pin = given(&args.witness_pin, "--witness-pin")?;
    let pin = pin.map(|pin| Digest::parse(&pin).with_context(|| format!("`{pin}` is not written sha256:<64 hex digits>")));
    let token = given(&args.witness_token, "--witness-token")?;
    let token = token.map(|place| {
        place_of(&place)
            .context("--witness-token is neither file:PATH nor env:NAME: it says where the token is, and is not the token")
    });
    let token = match token.transpose()? {
        Some(SecretRef::File(path)) => Some(SecretRef::File(std::path::absolute(path)?.to_string_lossy().into_owned())),
        token => token,
    };
    let trusted = Trusted { authority, pin: pin.transpose()? };
    let asked = Asked::at(&args.witness_key[at], &args.witness_url[at]).and_then(|asked| asked.known_by(trusted, token));
    asked.map_err(Error::msg)
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
    if !args.witness_key.is_empty() || !args.store.is_empty() || args.require.is_some() {
        tell(&mut log, args)?;
    }
    console::print(format!("{key}\n"))?;
    Ok(Exit::Done)
}
