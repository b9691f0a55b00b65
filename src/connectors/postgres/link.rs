//! The way to a server: address, account, TLS; and the connection over it.

use std::str::FromStr as _;
use std::time::Duration;

use rustls::ClientConfig;
use tokio::task::JoinHandle;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{CancelToken, Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::connectors::tls::{Tls, explained};
use crate::connectors::{ActionError, Call, Target};
use crate::model::Span;

/// How to reach a server.
#[derive(Clone)]
pub(super) struct Link {
    config: Config,
    tls: Tls,
    within: Duration,
}

impl Link {
    /// The way that the target's settings describe. The session names itself after run and step.
    pub(super) fn of(call: &Call, target: &Target) -> Result<Self, ActionError> {
        let mut config = parsed(target.settings.text("url")?, "url")?;
        if let Some(password) = target.settings.opt_text("password")? {
            config.password(password);
        }
        let within = target.settings.opt_span("connect_within")?.unwrap_or(Span::from_secs(5)).as_duration();
        let tls = Tls::of(&target.settings, &call.base_dir)?;
        config.application_name(format!("pointsman/{}/{}", call.run, call.step));
        config.connect_timeout(within).keepalives_idle(Duration::from_secs(5)).tcp_user_timeout(Duration::from_secs(10));
        config.ssl_mode(if matches!(tls, Tls::Off) { SslMode::Disable } else { SslMode::Require });
        Ok(Self { config, tls, within })
    }

    /// The same server as another account, perhaps at another address (`host:port`, such as a pooler's) or database.
    pub(super) fn for_account(&self, user: &str, password: Option<&str>, via: Option<&str>) -> Result<Self, ActionError> {
        let mut config = match via {
            None => self.config.clone(),
            Some(address) => {
                let whole = if address.contains("://") { address.to_owned() } else { format!("postgres://{address}") };
                let mut other = parsed_address(&whole, "via")?;
                if other.get_dbname().is_none() {
                    other.dbname(self.config.get_dbname().or(self.config.get_user()).unwrap_or_default());
                }
                other.application_name(self.config.get_application_name().unwrap_or_default());
                other.connect_timeout(self.within).ssl_mode(self.config.get_ssl_mode());
                other
            }
        };
        // Without a password of its own the account must not try the one of Pointsman.
        config.user(user).password(password.unwrap_or_default());
        if self.config.get_dbname().is_none() && via.is_none() {
            config.dbname(self.config.get_user().unwrap_or_default());
        }
        Ok(Self { config, tls: self.tls.clone(), within: self.within })
    }

    /// Connects. The second answer drives the connection, and ends with the client.
    pub(super) async fn connect(&self) -> Result<(Client, JoinHandle<()>), String> {
        let connecting = async {
            match self.encryption() {
                None => {
                    let (client, connection) = self.config.connect(NoTls).await.map_err(|error| told(&error))?;
                    Ok((client, tokio::spawn(async move { drop(connection.await) })))
                }
                Some(tls) => {
                    let (client, connection) = self.config.connect(tls).await.map_err(|error| told(&error))?;
                    Ok((client, tokio::spawn(async move { drop(connection.await) })))
                }
            }
        };
        let late = |_| Err(format!("no session within {} ms", self.within.as_millis()));
        tokio::time::timeout(self.within, connecting).await.unwrap_or_else(late)
    }

    /// Tells the server to stop the statement of a session.
    pub(super) async fn cancel(&self, token: &CancelToken) -> Result<(), String> {
        match self.encryption() {
            None => token.cancel_query(NoTls).await,
            Some(tls) => token.cancel_query(tls).await,
        }
        .map_err(|error| told(&error))
    }

    fn encryption(&self) -> Option<MakeRustlsConnect> {
        match &self.tls {
            Tls::Off => None,
            Tls::On { config, .. } => Some(MakeRustlsConnect::new(ClientConfig::clone(config))),
        }
    }

    /// `host:port/database` for people.
    pub(super) fn address(&self) -> String {
        let host = match self.config.get_hosts().first() {
            Some(Host::Tcp(host)) => host.clone(),
            Some(Host::Unix(path)) => path.display().to_string(),
            None => "localhost".to_owned(),
        };
        let port = self.config.get_ports().first().copied().unwrap_or(5432);
        format!("{host}:{port}/{}", self.database())
    }

    /// The database.
    pub(super) fn database(&self) -> &str {
        self.config.get_dbname().or(self.config.get_user()).unwrap_or_default()
    }

    /// The account.
    pub(super) fn user(&self) -> &str {
        self.config.get_user().unwrap_or_default()
    }

    /// `off`, `verify-ca` or `verify-full`.
    pub(super) const fn tls(&self) -> &'static str {
        self.tls.word()
    }
}

/// What went wrong, with the server's own words where it answered.
pub(super) fn told(error: &tokio_postgres::Error) -> String {
    if let Some(refusal) = error.as_db_error() {
        return format!("{} (SQLSTATE {})", refusal.message(), refusal.code().code());
    }
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    explained(text)
}

fn parsed(url: &str, key: &str) -> Result<Config, ActionError> {
    let config = parsed_address(url, key)?;
    if config.get_user().is_none() {
        return Err(ActionError::untouched(format!("`{key}` names no account: write postgres://user@host:port/database")));
    }
    Ok(config)
}

fn parsed_address(url: &str, key: &str) -> Result<Config, ActionError> {
    let wrong = |why: String| ActionError::untouched(format!("`{key}` {why}"));
    // The text itself is not quoted: it could hold a password.
    let config = Config::from_str(url).map_err(|error| wrong(format!("is no address of a server: {error}")))?;
    if config.get_password().is_some() {
        return Err(wrong("holds a password: give it under `password`, as a secret".to_owned()));
    }
    if config.get_hosts().len() != 1 {
        return Err(wrong("must name exactly one server".to_owned()));
    }
    if config.get_options().is_some() || url.contains("sslmode") {
        return Err(wrong("must carry no options; TLS has a key of its own".to_owned()));
    }
    Ok(config)
}
