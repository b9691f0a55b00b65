//! `pointsman serve`: the console in a browser.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Error, Result, ensure};
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::certificate::CertificateArgs;
use super::console;
use super::desk::{Desk, now};
use super::exit::Exit;
use crate::log::token::Tokens;
use crate::model::{SecretRef, Span};
use crate::web::console::origins_of;
use crate::web::session::Lasting;
use crate::web::{Console, Door, Settings, SignOn, Users, serve};

const EXAMPLES: &str = "\
Examples:
  pointsman serve                      on this host alone; prints a link that signs you in once
  pointsman serve --runbooks nights    runs of these runbooks can be started in the browser
  pointsman user set users.yaml alice  a user with a password, then
  pointsman serve --users users.yaml --listen 0.0.0.0:8470 --tls-cert cert.pem --tls-key key.pem
  pointsman serve --oidc login.yaml --users users.yaml --origin https://night.example
                                       people sign in at their identity provider, or here with a
                                       password

The console reads what the command line reads and orders what it orders. It never drives a run: a run that is started in the \
browser is a process of its own and goes on when the console ends. Beyond the loopback it listens only with TLS and users. \
A session is no proof for a protected gate: that takes a signature, in the browser as everywhere. docs/console.md has the rest.";

/// Shows runs in a browser, and takes orders there
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct ServeArgs {
    /// Where it listens; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8470")]
    listen: SocketAddr,
    /// The folder with the runbooks that can be started
    #[arg(long, value_name = "FOLDER")]
    runbooks: Option<PathBuf>,
    /// The file of users, as `pointsman user` writes it
    #[arg(long, value_name = "FILE")]
    users: Option<PathBuf>,
    /// The file of an identity provider through which people sign in (OpenID Connect)
    #[arg(long, value_name = "FILE")]
    oidc: Option<PathBuf>,
    /// Under which address browsers see it, where that is another: `https://night.example`
    #[arg(long, value_name = "ORIGIN")]
    origin: Vec<String>,
    #[command(flatten)]
    certificate: CertificateArgs,
    /// How long a session lasts without a request
    #[arg(long, value_name = "DURATION", default_value = "2h", value_parser = Span::parse)]
    idle: Span,
    /// How long a session lasts at all
    #[arg(long, value_name = "DURATION", default_value = "12h", value_parser = Span::parse)]
    session: Span,
    /// A file with the token of whoever collects /metrics
    #[arg(long, value_name = "FILE")]
    metrics_token_file: Option<String>,
}

/// Serves until it is ended.
///
/// # Errors
/// When its files or its address cannot be used.
pub fn run(desk: &Desk, args: &ServeArgs) -> Result<Exit> {
    let users = args.users.as_deref().map(Users::open).transpose().map_err(Error::msg)?;
    let oidc = args.oidc.as_deref().map(SignOn::open).transpose().map_err(Error::msg)?;
    let has_users = users.is_some() || oidc.is_some();
    let certificate = args.certificate.load()?;
    ensure!(
        args.listen.ip().is_loopback() || (certificate.is_some() && has_users),
        "beyond the loopback the console listens only with TLS (--tls-cert, --tls-key) and with users (--users, --oidc)"
    );
    let listener = TcpListener::bind(args.listen).with_context(|| format!("{} cannot be listened to", args.listen))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let is_tls = certificate.is_some();
    let mut origins = origins_of(address, is_tls);
    origins.extend(given_origins(args, has_users)?);
    ensure!(!origins.is_empty(), "say with --origin under which address browsers see {address}");
    if let Some(address) = oidc.as_ref().map(|way| way.provider().address.clone()) {
        ensure!(
            origins.contains(&address),
            "the console is not reached as {address}, where the provider sends people back to: {}",
            known(&origins)
        );
    }
    let console = Arc::new(Console::new(Settings {
        home: desk.home()?,
        how: desk.how(),
        program: std::env::current_exe().context("this program cannot be found")?,
        runbooks: args.runbooks.as_deref().map(std::path::absolute).transpose()?,
        users: users.map(Arc::new),
        oidc: oidc.map(Arc::new),
        login: crate::engine::identity::login(nix::unistd::getuid().as_raw()),
        lasting: Lasting { idle: args.idle.as_duration(), absolute: args.session.as_duration() },
        origins,
        collector: collector(args)?,
        now: Arc::new(now),
    }));
    say_where(&console, address, is_tls)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime can be made")?;
    runtime.block_on(async {
        let stop = CancellationToken::new();
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let mut more = signal(SignalKind::hangup())?;
        let (ending, asked) = (stop.clone(), console.clone());
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => break,
                    _ = terminate.recv() => break,
                    // Whoever sits here asks for another link.
                    _ = more.recv() => { let _ = say_where(&asked, address, is_tls); }
                }
            }
            ending.cancel();
        });
        serve(Door { listener, certificate }, console, stop).await
    })?;
    Ok(Exit::Done)
}

/// Prints the address, and where there are no users the link that signs in once.
fn say_where(console: &Console, address: SocketAddr, is_tls: bool) -> Result<()> {
    let scheme = if is_tls { "https" } else { "http" };
    let place = console.settings.origins.iter().find(|origin| origin.contains("localhost"));
    let place = place.cloned().unwrap_or_else(|| format!("{scheme}://{address}"));
    if !console.takes_tickets() {
        console::print(format!("{place}/\n"))?;
        return Ok(());
    }
    let ticket = console.tickets.issue().context("no ticket can be drawn")?;
    console::print(format!("{place}/#ticket={ticket}\n"))?;
    console::say(format!("The link signs in once. Another one: kill -HUP {}", std::process::id()));
    Ok(())
}

/// The origins that were given: whole, and behind TLS unless they are this host's own.
fn given_origins(args: &ServeArgs, has_users: bool) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for origin in &args.origin {
        let origin = origin.trim_end_matches('/');
        let (scheme, host) = origin.split_once("://").unwrap_or_default();
        let is_whole = matches!(scheme, "http" | "https") && !host.is_empty() && !host.contains(['/', '?', '#', '@']);
        ensure!(is_whole, "`{origin}` is no origin: write `https://night.example` or `https://night.example:8470`");
        let is_local = host.split(':').next().is_some_and(|name| name == "localhost" || name == "127.0.0.1");
        ensure!(
            is_local || (scheme == "https" && has_users),
            "{origin} can be reached from elsewhere: that takes https, and --users or --oidc"
        );
        found.insert(origin.to_owned());
    }
    Ok(found)
}

/// What to write instead of an address that is none of the console's.
fn known(origins: &BTreeSet<String>) -> String {
    let origins: Vec<&str> = origins.iter().map(String::as_str).collect();
    format!("write `address: {}` into the file, or give --origin", origins.join("` or `"))
}

fn collector(args: &ServeArgs) -> Result<Tokens> {
    let Some(file) = &args.metrics_token_file else { return Ok(Tokens::default()) };
    Tokens::read(&SecretRef::File(file.clone())).map_err(Error::msg)
}
