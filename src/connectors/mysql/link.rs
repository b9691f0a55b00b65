//! Where a server is and how the way to it is protected: a target's settings as the library's options.
//!
//! The library's own switch for "check the chain and not the name" looks for a word that its TLS library no longer says, so it
//! never lets a server pass whose name differs. `verify-ca` is therefore done in two steps: the first handshake is refused with the
//! names that the certificate carries (the name is compared after the chain), the second asks for one of these names. The chain is
//! verified both times.

use std::time::Duration;

use mysql_async::{ClientIdentity, Conn, Error, IoError, Opts, OptsBuilder, SslOpts};
use rustls::{CertificateError, RootCertStore};

use crate::connectors::tls::certificates;
use crate::connectors::{ActionError, Call, Target};
use crate::model::{Arguments, Span};

/// The largest packet that the protocol knows: what a server sends is taken.
const PACKET: usize = 1 << 30;

/// Seconds of silence after which the library takes a connection of its own pool for dead; none is in one.
const WAIT: usize = 28_800;

/// Ready to connect, as often as it takes.
#[derive(Clone, Debug)]
pub(super) struct Link {
    opts: Opts,
    within: Duration,
    names: bool,
    /// `off`, `verify-ca` or `verify-full`.
    pub(super) tls: &'static str,
}

impl Link {
    /// The way that a target's settings describe.
    pub(super) fn of(call: &Call, target: &Target) -> Result<Self, ActionError> {
        let password = target.settings.opt_text("password")?;
        Self::to(call, target, target.settings.text("url")?, None, password)
    }

    /// The same server, or another address of it, as another account.
    pub(super) fn as_account(
        call: &Call,
        target: &Target,
        address: Option<&str>,
        user: &str,
        password: &str,
    ) -> Result<Self, ActionError> {
        let url = match address {
            Some(address) => format!("mysql://{}", address.trim_start_matches("mysql://")),
            None => target.settings.text("url")?.to_owned(),
        };
        Self::to(call, target, &url, Some(user), Some(password))
    }

    fn to(call: &Call, target: &Target, url: &str, user: Option<&str>, password: Option<&str>) -> Result<Self, ActionError> {
        let wrong = |why: String| ActionError::untouched(format!("the address of {} {why}", target.name));
        if url.contains('?') {
            return Err(wrong("carries options after `?`: what there is to set has keys of its own".to_owned()));
        }
        let given = Opts::from_url(url).map_err(|error| wrong(format!("is none: {error}")))?;
        if given.pass().is_some() {
            return Err(wrong("carries a password: give it under `password`, as a secret".to_owned()));
        }
        let user = user.or(given.user()).map(str::to_owned);
        let password = password.map(str::to_owned);
        let (ssl, tls) = protection(call, &target.settings)?;
        // Over a socket of the same machine nothing would be encrypted and no proxy passed, whatever the address says.
        let opts = OptsBuilder::from_opts(given)
            .prefer_socket(false)
            .user(user)
            .pass(password)
            .ssl_opts(ssl)
            .tcp_keepalive(Some(Duration::from_secs(5)))
            .stmt_cache_size(0)
            // Known, so that the library does not ask for them each time.
            .max_allowed_packet(Some(PACKET))
            .wait_timeout(Some(WAIT));
        let within = target.settings.opt_span("connect_within")?.unwrap_or(Span::from_secs(5)).as_duration();
        Ok(Self { opts: opts.into(), within, names: tls != "verify-ca", tls })
    }

    /// One connection, in time.
    pub(super) async fn connect(&self) -> Result<Conn, Error> {
        let timeout = || Error::from(std::io::Error::from(std::io::ErrorKind::TimedOut));
        match tokio::time::timeout(self.within, self.connect_by_names()).await {
            Ok(connected) => connected,
            Err(_) => Err(timeout()),
        }
    }

    async fn connect_by_names(&self) -> Result<Conn, Error> {
        let error = match Conn::new(self.opts.clone()).await {
            Ok(connected) => return Ok(connected),
            Err(error) => error,
        };
        let Some(name) = presented(&error).filter(|_| !self.names) else { return Err(error) };
        let ssl = self.opts.ssl_opts().cloned().map(|ssl| ssl.with_danger_tls_hostname_override(Some(name)));
        Conn::new(OptsBuilder::from_opts(self.opts.clone()).ssl_opts(ssl)).await
    }

    /// `host:port`, for messages.
    pub(super) fn address(&self) -> String {
        format!("{}:{}", self.opts.ip_or_hostname(), self.opts.tcp_port())
    }
}

fn protection(call: &Call, settings: &Arguments) -> Result<(Option<SslOpts>, &'static str), ActionError> {
    if settings.get("tls").is_none() {
        return Ok((None, "off"));
    }
    let tls = Arguments::new(settings.map("tls")?);
    let mode = match tls.opt_text("mode")?.unwrap_or("verify-full") {
        "off" => return Ok((None, "off")),
        "verify-ca" => "verify-ca",
        _ => "verify-full",
    };
    // One process may hold one provider; another connector may have been first, with the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let path = |key| Ok::<_, ActionError>(tls.opt_text(key)?.map(|path| call.base_dir.join(path)));
    let given = match path("ca")? {
        Some(path) => certificates(&path)?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    let usable = given.into_iter().filter(|certificate| RootCertStore::empty().add(certificate.clone()).is_ok());
    let roots: Vec<_> = usable.map(|certificate| certificate.to_vec()).collect();
    if roots.is_empty() {
        return Err(ActionError::untouched("there is no certificate authority to trust: name a file under `tls.ca`"));
    }
    let identity = match (path("cert")?, path("key")?) {
        (Some(cert), Some(key)) => Some(ClientIdentity::new(cert.into(), key.into())),
        (None, None) => None,
        _ => return Err(ActionError::untouched("`tls.cert` and `tls.key` go together: give both or none")),
    };
    let ssl = SslOpts::default()
        .with_root_certs(roots.into_iter().map(Into::into).collect())
        .with_disable_built_in_roots(true)
        .with_client_identity(identity);
    Ok((Some(ssl), mode))
}

/// Why a connection did not come about, in the words of who refused it.
pub(super) fn told(error: &Error) -> String {
    match error {
        Error::Io(IoError::Io(error)) => error.to_string(),
        Error::Io(IoError::Tls(error)) => error.to_string(),
        Error::Driver(_) | Error::Other(_) | Error::Server(_) | Error::Url(_) => error.to_string(),
    }
}

/// A name of the certificate whose chain was found good and whose name was not.
fn presented(error: &Error) -> Option<String> {
    let Error::Io(io) = error else { return None };
    let tls = match io {
        IoError::Io(error) => error.get_ref()?.downcast_ref::<rustls::Error>()?,
        IoError::Tls(mysql_async::TlsError::Tls(error)) => error,
        IoError::Tls(_) => return None,
    };
    let rustls::Error::InvalidCertificate(CertificateError::NotValidForNameContext { presented, .. }) = tls else {
        return None;
    };
    presented.iter().find_map(|name| {
        let (_, quoted) = name.split_once('(')?;
        let name = quoted.trim_end_matches(')').trim_matches('"').replace('*', "any");
        rustls::pki_types::ServerName::try_from(name.clone()).ok().map(|_| name)
    })
}
