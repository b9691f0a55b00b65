//! `pointsman witness`: a second pair of eyes for the logs of other installations, in a process or on a host of its own.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Error, Result, ensure};
use clap::Args;

use super::certificate::CertificateArgs;
use super::console;
use super::exit::Exit;
use crate::log::http::Door;
use crate::log::token::Tokens;
use crate::log::{Use, Verifier, Witness, http};
use crate::model::SecretRef;

const EXAMPLES: &str = "\
Examples:
  pointsman witness --dir /var/lib/witness --log \"$(cat ticket.vkey)\"
                                                prints its public key, then signs each checkpoint of
                                                that log that goes on from the last one

On the host of the log: `pointsman init --witness-key KEY --witness-url http://127.0.0.1:8090 --require L2`, with the witness \
at the other end of a tunnel: `ssh -N -L 8090:127.0.0.1:8090 WITNESS-HOST`. Beyond the loopback it listens only with TLS and \
with a token for those who may ask:
  openssl rand -hex 32 > token; chmod 600 token
  pointsman witness --dir /var/lib/witness --log KEY --listen 0.0.0.0:8090 \\
                    --tls-cert cert.pem --tls-key key.pem --token-file token
It speaks c2sp.org/tlog-witness, so other logs and witnesses fit too.";

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
    #[command(flatten)]
    certificate: CertificateArgs,
    /// A file with the tokens of those who may ask, one a line
    #[arg(long, value_name = "FILE")]
    token_file: Option<String>,
    /// The same in a variable of the environment
    #[arg(long, value_name = "NAME", conflicts_with = "token_file")]
    token_env: Option<String>,
}

/// Serves until it is ended.
///
/// # Errors
/// When its files or its address cannot be used.
pub fn run(args: &WitnessArgs) -> Result<Exit> {
    let door = door(args)?;
    ensure!(
        args.listen.ip().is_loopback() || (door.certificate.is_some() && !door.tokens.is_empty()),
        "beyond the loopback a witness listens only with TLS (--tls-cert, --tls-key) and with a token for those who may ask (--token-file or --token-env)"
    );
    let key = |text: &String| {
        let text = if Path::new(text).is_file() { std::fs::read_to_string(text)? } else { text.clone() };
        let key = Verifier::parse(&text).filter(|key| key.kind() == Use::Log);
        key.with_context(|| format!("`{}` is no public key of a log", text.trim()))
    };
    let witness = Witness::open(&args.dir, &args.name, args.log.iter().map(key).collect::<Result<_>>()?)?;
    let listener = TcpListener::bind(args.listen).with_context(|| format!("{} cannot be listened to", args.listen))?;
    console::print(format!("{}\n", witness.verifier()))?;
    let scheme = if door.certificate.is_some() { "https" } else { "http" };
    console::say(format!("listening at {scheme}://{}", listener.local_addr()?));
    if let Some(certificate) = &door.certificate {
        console::say(format!("its certificate is {}", certificate.pin()));
    }
    http::serve(&listener, witness, &door)?;
    Ok(Exit::Done)
}

/// Whom it lets in.
fn door(args: &WitnessArgs) -> Result<Door> {
    let certificate = args.certificate.load()?;
    let place = args.token_file.clone().map(SecretRef::File).or_else(|| args.token_env.clone().map(SecretRef::Env));
    let tokens = place.as_ref().map(Tokens::read).transpose().map_err(Error::msg)?;
    Ok(Door { certificate, tokens: tokens.unwrap_or_default() })
}
