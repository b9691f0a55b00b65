//! What every request shares: where runs live, who is signed in, which addresses the console answers to.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use super::access::{PASSWORD, Visitor, Who};
use super::hub::Hub;
use super::oidc::SignOn;
use super::rate::Rates;
use super::reread::Reread;
use super::session::{Ground, Lasting, Sessions};
use super::tape::Tapes;
use super::ticket::Tickets;
use super::users::Users;
use crate::engine::Home;
use crate::log::token::Tokens;
use crate::model::identity_provider::is_loopback;
use crate::model::{Digest, PersonId, Timestamp};
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
    pub users: Option<Arc<Reread<Users>>>,
    /// The identity provider through which people sign in too.
    pub oidc: Option<Arc<SignOn>>,
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

    /// The visitor behind a token, whose session goes on by it.
    pub fn used(&self, token: &str) -> Option<Visitor> {
        let found = self.sessions.used(token, self.now());
        self.standing(token, found)
    }

    /// Whether a token is still that of a session. Asking does not make it last longer.
    pub fn is_valid(&self, token: &str) -> bool {
        let found = self.sessions.held(token, self.now());
        self.standing(token, found).is_some()
    }

    /// Ends a session when the entry by which it began is gone or another.
    fn standing(&self, token: &str, found: Option<(Visitor, Ground)>) -> Option<Visitor> {
        let (visitor, ground) = found?;
        let stands = match (&visitor.who, ground) {
            (_, Ground::Link) => true,
            (Who::Starter { .. }, Ground::Entry(_)) => false,
            (Who::Person { person, how }, Ground::Entry(entry)) => self.entry(person, how) == Some(entry),
        };
        if !stands {
            self.sessions.end(token);
        }
        stands.then_some(visitor)
    }

    /// What the file of that way in says of a person now.
    fn entry(&self, person: &PersonId, how: &str) -> Option<Digest> {
        match how {
            PASSWORD => self.settings.users.as_ref()?.last().entry(person.as_str()),
            issuer => self.settings.oidc.as_ref()?.entry(issuer, person),
        }
    }

    /// Whether the link that is printed where the console runs opens it: only where there are no users, and no other host comes in.
    pub fn takes_tickets(&self) -> bool {
        let is_local = |origin: &String| origin.split_once("://").is_some_and(|(_, host)| is_loopback(name_of(host)));
        self.settings.users.is_none() && self.settings.origins.iter().all(is_local)
    }

    /// Whether browsers reach it through TLS only, so that the cookie may ask for that.
    pub fn is_secure(&self) -> bool {
        self.settings.origins.iter().all(|origin| origin.starts_with("https://"))
    }

    /// The name of the cookie. With the prefix, a browser takes it from nobody but this very origin, and only through TLS.
    pub fn cookie(&self) -> &'static str {
        if self.is_secure() { "__Host-pointsman" } else { "pointsman" }
    }

    /// The name of the cookie that ties a sign-in through a provider to its browser.
    pub fn flow_cookie(&self) -> &'static str {
        if self.is_secure() { "__Host-pointsman-oidc" } else { "pointsman-oidc" }
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

/// A host without its port.
fn name_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => host,
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
