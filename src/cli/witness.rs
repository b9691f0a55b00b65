//! `pointsman witness`: a second pair of eyes for the logs of other installations, in a process or on a host of its own.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use clap::Args;

use super::console;
use super::exit::Exit;
use crate::log::{Use, Verifier, Witness, http};

const EXAMPLES: &str = "\
Examples:
  pointsman witness --dir /var/lib/witness --log \"$(cat ticket.vkey)\"
                        prints its public key, then signs each checkpoint of that log that goes on from the last one

On the host of the log: `pointsman init --witness-key KEY --witness-url http://127.0.0.1:8090 --require L2`, with the witness
at the other end of a tunnel: `ssh -N -L 8090:127.0.0.1:8090 WITNESS-HOST`. It listens on the loopback only; it speaks
c2sp.org/tlog-witness, so other logs and witnesses fit too.";

/// Signs the checkpoints of logs that grow and change nothing
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct WitnessArgs {
    /// Where its key and what it has seen are kept
    #[arg(long, value_name = "FOLDER")]
    dir: PathBuf,
    /// The public key of a log, as `pointsman init` prints it; a text or a file
    #[arg(long, value_name = "KEY", required = true)]
    log: Vec<String>,
    /// The name of a new key
    #[arg(long, value_name = "NAME", default_value = "witness")]
    name: String,
    /// Where it listens; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8090")]
    listen: SocketAddr,
}

/// Serves until it is ended.
///
/// # Errors
/// When its files or its address cannot be used.
pub fn run(args: &WitnessArgs) -> Result<Exit> {
    ensure!(
        args.listen.ip().is_loopback(),
        "a witness listens on the loopback only: an SSH tunnel, or a proxy with TLS that says who may ask, leads there"
    );
    let key = |text: &String| {
        let text = if Path::new(text).is_file() { std::fs::read_to_string(text)? } else { text.clone() };
        let key = Verifier::parse(&text).filter(|key| key.kind() == Use::Log);
        key.with_context(|| format!("`{}` is no public key of a log", text.trim()))
    };
    let witness = Witness::open(&args.dir, &args.name, args.log.iter().map(key).collect::<Result<_>>()?)?;
    let listener = TcpListener::bind(args.listen).with_context(|| format!("{} cannot be listened to", args.listen))?;
    console::print(format!("{}\n", witness.verifier()))?;
    console::say(format!("listening at http://{}", listener.local_addr()?));
    http::serve(&listener, witness)?;
    Ok(Exit::Done)
}
