//! The admin console of one pooler process: opened, identified, recorded, and every answer within a time.
//!
//! A database is held by several processes where the pooler is scaled out, so an action opens a console to each and believes
//! nothing that only one of them says.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::connectors::patience::Patience;
use crate::connectors::tls::{Tls, explained};
use crate::connectors::{ActionError, Call, Noted, Recorder, Target};
use crate::model::{Span, Value};

/// One row of an answer, by column name.
pub(super) type Row = BTreeMap<String, String>;

/// How a pooler is reached, as its target says.
#[derive(Clone, Debug)]
pub(super) struct Way {
    addresses: Vec<String>,
    user: String,
    password: Option<String>,
    tls: Tls,
    pub(super) connect_within: Duration,
    config_files: Vec<String>,
}

/// An open console.
pub(super) struct Console {
    pub(super) address: String,
    client: Client,
    recorder: Recorder,
}

/// What went wrong with a command.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConsoleError {
    /// The pooler refused it.
    #[error("{0}")]
    Refused(String),
    /// The connection broke, or the time was up: nobody saw the answer.
    #[error("{0}")]
    Lost(String),
}

impl From<ConsoleError> for ActionError {
    fn from(error: ConsoleError) -> Self {
        Self::untouched(error.to_string())
    }
}

impl Way {
    pub(super) fn of(call: &Call, target: &Target) -> Result<Self, ActionError> {
        let settings = &target.settings;
        let addresses = settings.texts("addresses")?;
        if addresses.is_empty() {
            return Err(ActionError::untouched("`addresses` is empty: name the console of every process of the pooler"));
        }
        let identity = crate::model::Arguments::new(settings.map("identity")?);
        Ok(Self {
            addresses,
            user: settings.text("user")?.to_owned(),
            password: settings.opt_text("password")?.map(str::to_owned),
            tls: Tls::of(settings, &call.base_dir)?,
            connect_within: settings.opt_span("connect_within")?.unwrap_or(Span::from_secs(5)).as_duration(),
            config_files: identity.texts("config_files")?,
        })
    }

    /// Opens the console of every process, and asserts that each is what the target says it is.
    pub(super) async fn open(&self, call: &Call) -> Result<Vec<Console>, ActionError> {
        let mut consoles = Vec::new();
        for address in &self.addresses {
            let (password, within) = (self.password.as_deref(), Patience::of(call).at_most(self.connect_within));
            let client = self.connect(&within, address, &self.user, password, "pgbouncer").await.map_err(|why| {
                ActionError::untouched(format!("the admin console at {address} cannot be opened: {why}"))
                    .hint("`user` must be in `admin_users` of pgbouncer.ini; every process of the pooler is needed")
            })?;
            let console = Console { address: address.clone(), client, recorder: call.recorder.clone() };
            self.assert_identity(&console, &Patience::of(call)).await?;
            consoles.push(console);
        }
        Ok(consoles)
    }

    async fn assert_identity(&self, console: &Console, patience: &Patience) -> Result<(), ActionError> {
        if self.config_files.is_empty() {
            return Ok(());
        }
        let found = console.settings(patience).await?.get("conffile").cloned().unwrap_or_default();
        if self.config_files.contains(&found) {
            return Ok(());
        }
        Err(ActionError::untouched(format!(
            "{} is another pooler: its configuration is {found}, the target says {}",
            console.address,
            self.config_files.join(", ")
        )))
    }

    /// A connection to one process, within `patience`: to its console, or through it to a pooled database.
    pub(super) async fn connect(
        &self,
        patience: &Patience,
        address: &str,
        user: &str,
        password: Option<&str>,
        database: &str,
    ) -> Result<Client, String> {
        let mut config = Config::new();
        let (host, port) = address.rsplit_once(':').ok_or_else(|| "an address is `host:port` or `/folder:port`".to_owned())?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port: u16 = port.parse().map_err(|_| format!("`{port}` is no port"))?;
        if host.starts_with('/') {
            config.host_path(host);
        } else {
            config.host(host);
        }
        config.port(port).user(user).dbname(database).application_name("pointsman");
        if let Some(password) = password {
            config.password(password);
        }
        let tls = if host.starts_with('/') { &Tls::Off } else { &self.tls };
        connect(&mut config, tls, patience).await
    }

    /// Who the pooler is.
    pub(super) fn identity(&self) -> Value {
        json!({ "addresses": self.addresses, "user": self.user, "tls": self.tls.word() })
    }
}

/// Connects, protected as `tls` says.
pub(super) async fn connect(config: &mut Config, tls: &Tls, patience: &Patience) -> Result<Client, String> {
    let connecting = async {
        match tls {
            Tls::On { config: tls, .. } => {
                config.ssl_mode(SslMode::Require);
                let connector = MakeRustlsConnect::new((**tls).clone());
                let (client, connection) = config.connect(connector).await.map_err(|error| said(&error))?;
                tokio::spawn(connection);
                Ok(client)
            }
            Tls::Off => {
                config.ssl_mode(SslMode::Disable);
                let (client, connection) = config.connect(NoTls).await.map_err(|error| said(&error))?;
                tokio::spawn(connection);
                Ok(client)
            }
        }
    };
    tokio::select! {
        connected = connecting => connected,
        stopped = patience.over() => Err(format!("no answer: {stopped}")),
    }
}

/// What the server or the connection said, without the library's own words around it.
pub(super) fn said(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(refused) => refused.message().to_owned(),
        None => {
            explained(std::error::Error::source(error).map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}")))
        }
    }
}

/// A name as the console's commands take it.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl Console {
    /// Sends one command and waits for its rows; recorded with its address.
    pub(super) async fn ask(&self, command: &str, patience: &Patience) -> Result<Vec<Row>, ConsoleError> {
        let begun = Instant::now();
        let result = self.silently(command, patience).await;
        let end = match &result {
            Ok(rows) if rows.is_empty() => "ok".to_owned(),
            Ok(rows) => format!("{} rows", rows.len()),
            Err(error) => error.to_string(),
        };
        let noted: Noted = if command.starts_with("SHOW ") { Recorder::question } else { Recorder::statement };
        noted(&self.recorder, &format!("[{}] {command}", self.address), begun.elapsed(), &end);
        result
    }

    /// The same without a record, for looks that repeat.
    pub(super) async fn silently(&self, command: &str, patience: &Patience) -> Result<Vec<Row>, ConsoleError> {
        let asked = tokio::select! {
            asked = self.client.simple_query(command) => asked,
            stopped = patience.over() => {
                return Err(ConsoleError::Lost(format!("`{command}` at {} had no answer: {stopped}", self.address)));
            }
        };
        let messages = asked.map_err(|error| {
            let text = format!("`{command}` at {}: {}", self.address, said(&error));
            if error.as_db_error().is_some() { ConsoleError::Refused(text) } else { ConsoleError::Lost(text) }
        })?;
        let rows = messages.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => {
                let cells = row.columns().iter().enumerate();
                Some(cells.map(|(at, column)| (column.name().to_owned(), row.get(at).unwrap_or_default().to_owned())).collect())
            }
            _ => None,
        });
        Ok(rows.collect())
    }

    /// The process's settings by name.
    pub(super) async fn settings(&self, patience: &Patience) -> Result<Row, ConsoleError> {
        let rows = self.ask("SHOW CONFIG", patience).await?;
        let pair = |row: Row| Some((row.get("key")?.clone(), row.get("value")?.clone()));
        Ok(rows.into_iter().filter_map(pair).collect())
    }
}
