//! What every request shares: where runs live, who is signed in, which addresses the console answers to.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use super::hub::Hub;
use super::rate::Rates;
use super::session::{Lasting, Sessions};
use super::tape::Tapes;
use super::ticket::Tickets;
use super::users::Users;
use crate::engine::Home;
use crate::log::token::Tokens;
use crate::model::Timestamp;
use crate::views::Invocation;

/// Reads the wall clock.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// How a console was started.
#[derive(Clone)]
pub struct Settings {
    /// Where runs live.
    pub home: Home,
    /// How commands are typed on this host.
    pub how: Invocation,
    /// The program that starts runs.
    pub program: PathBuf,
    /// The folder with the runbooks that can be started; none where nothing can.
    pub runbooks: Option<PathBuf>,
    /// Who may sign in with a password; without a file the ticket is the only way in.
    pub users: Option<Users>,
    /// The login name of whoever started it.
    pub login: String,
    /// How long sessions last.
    pub lasting: Lasting,
    /// The origins under which browsers see it, `https://night.example:8470`.
    pub origins: BTreeSet<String>,
    /// The token of whoever collects figures; without one it takes a session.
    pub collector: Tokens,
    /// Reads the wall clock.
    pub now: Now,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("home", &self.home).field("origins", &self.origins).finish_non_exhaustive()
    }
}

/// One console.
#[derive(Debug)]
pub struct Console {
    /// How it was started.
    pub settings: Settings,
    /// Who is signed in.
    pub sessions: Sessions,
    /// What opens it without a password.
    pub tickets: Tickets,
    /// How much may be asked.
    pub rates: Rates,
    /// The runs that somebody watches.
    pub hub: Hub,
    /// The runs that are over and are told again.
    pub tapes: Tapes,
}

impl Console {
    /// A console in which nobody is signed in.
    pub fn new(settings: Settings) -> Self {
        let (lasting, hub) = (settings.lasting, Hub::new(settings.home.clone(), settings.how.clone(), settings.now.clone()));
        let tapes = Tapes::new(settings.home.clone(), settings.how.clone());
        Self { settings, sessions: Sessions::new(lasting), tickets: Tickets::default(), rates: Rates::default(), hub, tapes }
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        (self.settings.now)()
    }

    /// Whether browsers reach it through TLS only, so that the cookie may ask for that.
    pub fn is_secure(&self) -> bool {
        self.settings.origins.iter().all(|origin| origin.starts_with("https://"))
    }

    /// The name of the cookie. With the prefix, a browser takes it from nobody but this very origin, and only through TLS.
    pub fn cookie(&self) -> &'static str {
        if self.is_secure() { "__Host-pointsman" } else { "pointsman" }
    }

    /// Whether a browser that names this host means this console.
    pub fn is_host(&self, host: &str) -> bool {
        self.settings.origins.iter().any(|origin| origin.split_once("://").is_some_and(|(_, own)| own.eq_ignore_ascii_case(host)))
    }

    /// Whether a request was made by one of our own pages.
    pub fn is_origin(&self, origin: &str) -> bool {
        self.settings.origins.iter().any(|own| own.eq_ignore_ascii_case(origin))
    }
}

/// The origins of a console that listens here: its address, and `localhost` where that is the loopback.
pub fn origins_of(address: SocketAddr, is_tls: bool) -> BTreeSet<String> {
    let scheme = if is_tls { "https" } else { "http" };
    // A browser leaves out the port that the scheme has anyway.
    let port = match (address.port(), is_tls) {
        (80, false) | (443, true) => String::new(),
        (port, _) => format!(":{port}"),
    };
    let host = |host: &str| format!("{scheme}://{host}{port}");
    let ip = address.ip();
    let mut origins = BTreeSet::new();
    if !ip.is_unspecified() {
        origins.insert(if ip.is_ipv6() { host(&format!("[{ip}]")) } else { host(&ip.to_string()) });
    }
    if ip.is_loopback() {
        origins.insert(host("localhost"));
    }
    origins
}
