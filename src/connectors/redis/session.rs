//! One session with one Redis node: connected, logged in, identified, recorded, and ended in time.

use std::future::Future;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, Pipeline, ProtocolVersion, RedisConnectionInfo, Value as Reply};
use rustls::pki_types::ServerName;
use serde_json::json;
use tokio::net::TcpStream;

use super::address::Address;
use super::reply;
use crate::connectors::patience::{Patience, Stopped};
use crate::connectors::tls::Tls;
use crate::connectors::{ActionError, Call, Noted, Recorder, Target};
use crate::model::{Arguments, Span, Value};

/// An open, identified session.
pub(super) struct Session {
    connection: MultiplexedConnection,
    /// Carries the bytes; ended with the session.
    driver: tokio::task::AbortHandle,
    recorder: Recorder,
    patience: Patience,
    pub(super) address: Address,
    /// Where the address led.
    pub(super) peer: Option<IpAddr>,
}

/// Why a command has no good answer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum Fault {
    /// The server said no, with these words. Nothing was changed by it.
    #[error("{0}")]
    Refused(String),
    /// The connection ended, or the answer cannot be read.
    #[error("the connection was lost: {0}")]
    Lost(String),
    /// The verb has to end.
    #[error("{0}")]
    Stopped(#[from] Stopped),
}

impl From<Fault> for ActionError {
    fn from(fault: Fault) -> Self {
        Self::untouched(fault.to_string())
    }
}

impl Fault {
    fn of(error: &redis::RedisError) -> Self {
        // The library's words for known codes are its own; the server's are the detail behind them.
        match (error.code(), error.kind()) {
            (Some(code), _) if !error.is_io_error() => {
                Self::Refused(format!("{code} {}", error.detail().unwrap_or_default()).trim().to_owned())
            }
            (_, redis::ErrorKind::AuthenticationFailed) => Self::Refused(error.to_string()),
            _ => Self::Lost(error.to_string()),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Opens a session with the node behind a target's `url`, and asserts the target's identity.
pub(super) async fn open(call: &Call, target: &Target) -> Result<Session, ActionError> {
    let mut session = connect(call, target, &Address::of(target)?).await?;
    session.assert_identity(&Arguments::new(target.settings.map("identity")?), true).await?;
    Ok(session)
}

/// Opens a session with one node of a target's group as Pointsman's own user. Its identity is not asserted yet.
pub(super) async fn connect(call: &Call, target: &Target, address: &Address) -> Result<Session, ActionError> {
    let password = target.settings.opt_text("password")?;
    connect_as(call, target, address, address.user.as_deref(), password).await
}

/// Opens a session with one node as any user.
pub(super) async fn connect_as(
    call: &Call,
    target: &Target,
    address: &Address,
    user: Option<&str>,
    password: Option<&str>,
) -> Result<Session, ActionError> {
    let within = target.settings.opt_span("connect_within")?.unwrap_or(Span::from_secs(5)).as_duration();
    let patience = Patience::of(call);
    let tls = Tls::of(&target.settings, &call.base_dir)?;
    let begun = Instant::now();
    let opened = bounded(&patience.at_most(within), wire(address, &tls)).await;
    let end = opened.as_ref().map_or_else(ToString::to_string, |_| format!("ok, TLS {}", tls.word()));
    call.recorder.question(&format!("{address}: connect"), begun.elapsed(), &end);
    let failed = |why: String| ActionError::untouched(format!("{address} cannot be reached: {why}"));
    let (connection, driver, peer) = opened.map_err(|fault| failed(fault.to_string()))?;
    let mut session = Session { connection, driver, recorder: call.recorder.clone(), patience, address: address.clone(), peer };
    session.log_in(user, password, address.db).await.map_err(|fault| match fault {
        Fault::Refused(why) => ActionError::untouched(format!("{address} refuses the login: {why}")),
        Fault::Lost(_) | Fault::Stopped(_) => failed(fault.to_string()),
    })?;
    Ok(session)
}

async fn bounded<T>(patience: &Patience, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    patience.check()?;
    tokio::select! {
        stopped = patience.over() => Err(stopped.into()),
        done = work => done,
    }
}

async fn wire(address: &Address, tls: &Tls) -> Result<(MultiplexedConnection, tokio::task::AbortHandle, Option<IpAddr>), Fault> {
    let lost = |error: std::io::Error| Fault::Lost(error.to_string());
    let stream = TcpStream::connect((address.host.as_str(), address.port)).await.map_err(lost)?;
    stream.set_nodelay(true).map_err(lost)?;
    let peer = stream.peer_addr().ok().map(|peer| peer.ip().to_canonical());
    let info = RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP2).set_skip_set_lib_name();
    // Every wait is bounded by the verb's own patience.
    let config = AsyncConnectionConfig::new().set_response_timeout(None);
    match tls {
        Tls::Off => {
            let made = MultiplexedConnection::new_with_config(&info, stream, config).await;
            let (connection, driver) = made.map_err(|error| Fault::of(&error))?;
            Ok((connection, tokio::spawn(driver).abort_handle(), peer))
        }
        Tls::On { config: tls, .. } => {
            let name = ServerName::try_from(address.host.clone()).map_err(|error| Fault::Lost(error.to_string()))?;
            let stream = tokio_rustls::TlsConnector::from(tls.clone()).connect(name, stream).await.map_err(lost)?;
            let made = MultiplexedConnection::new_with_config(&info, stream, config).await;
            let (connection, driver) = made.map_err(|error| Fault::of(&error))?;
            Ok((connection, tokio::spawn(driver).abort_handle(), peer))
        }
    }
}

impl Session {
    async fn log_in(&mut self, user: Option<&str>, password: Option<&str>, db: u32) -> Result<(), Fault> {
        let (shown, words) = match (user, password) {
            (None, None) => (None, Vec::new()),
            (None, Some(password)) => (Some("AUTH (password)".to_owned()), vec!["AUTH", password]),
            (Some(user), password) => {
                (Some(format!("AUTH {} (password)", reply::shown(&[user]))), vec!["AUTH", user, password.unwrap_or("")])
            }
        };
        if let Some(shown) = shown {
            self.recorded(&shown, &words, Recorder::question).await?;
        }
        if db != 0 {
            self.ask(&["SELECT", &db.to_string()]).await?;
        }
        Ok(())
    }

    /// Asserts who the node is, in the session that will act. `role` and run id are of the first node alone.
    pub(super) async fn assert_identity(&mut self, expected: &Arguments, first: bool) -> Result<(), ActionError> {
        let info = self.info(&["server", "replication"]).await?;
        let found = |name: &str| info.get(name).cloned().unwrap_or_default();
        let version = found("redis_version");
        if version.split('.').next().and_then(|major| major.parse::<u32>().ok()).is_none_or(|major| major < 7) {
            return Err(ActionError::untouched(format!("{} is Redis {version}; Pointsman needs 7.0 or later", self.address)));
        }
        let role = if found("role") == "master" { "master" } else { "replica" };
        let checks = [("role", role.to_owned()), ("run_id", found("run_id")), ("replication_id", found("master_replid"))];
        for (key, found) in checks.iter().filter(|(key, _)| first || *key == "replication_id") {
            if let Some(wanted) = expected.opt_text(key)?.filter(|wanted| wanted != found) {
                return Err(ActionError::untouched(format!(
                    "{} is another node: its {key} is {found}, the target says {wanted}",
                    self.address
                )));
            }
        }
        let marker = Arguments::new(expected.map("marker")?);
        if let (Some(key), Some(wanted)) = (marker.opt_text("key")?, marker.opt_text("value")?) {
            let found = reply::text(&self.ask(&["GET", key]).await?);
            if found.as_deref() != Some(wanted) {
                let found = found.map_or("nothing".to_owned(), |found| format!("`{found}`"));
                return Err(ActionError::untouched(format!(
                    "{} holds another data set: its key `{key}` holds {found}, the target says `{wanted}`",
                    self.address
                )));
            }
        }
        Ok(())
    }

    /// Sections of INFO by name.
    pub(super) async fn info(&mut self, sections: &[&str]) -> Result<std::collections::HashMap<String, String>, Fault> {
        let words: Vec<&str> = std::iter::once("INFO").chain(sections.iter().copied()).collect();
        Ok(reply::info(&reply::text(&self.ask(&words).await?).unwrap_or_default()))
    }

    /// Who the node is, for the evidence.
    pub(super) async fn identity(&mut self) -> Result<Value, Fault> {
        let info = self.info(&["server", "replication"]).await?;
        let found = |name: &str| json!(info.get(name));
        Ok(json!({
            "address": self.address.to_string(), "role": found("role"), "run_id": found("run_id"),
            "replication_id": found("master_replid"), "version": found("redis_version"),
        }))
    }

    /// Sends a command that only looks, and records it.
    pub(super) async fn ask(&mut self, words: &[&str]) -> Result<Reply, Fault> {
        self.recorded(&reply::shown(words), words, Recorder::question).await
    }

    /// Sends a command that changes the node. A lost answer leaves it in doubt.
    pub(super) async fn change(&mut self, words: &[&str]) -> Result<Reply, ActionError> {
        self.patience.check()?;
        let shown = reply::shown(words);
        self.recorded(&shown, words, Recorder::statement).await.map_err(|fault| match &fault {
            Fault::Refused(why) => ActionError::touched(format!("{}: `{shown}` was refused: {why}", self.address)),
            Fault::Lost(_) | Fault::Stopped(_) => {
                ActionError::in_doubt(format!("{}: nobody saw the answer to `{shown}`: {fault}", self.address))
            }
        })
    }

    /// Sends a command without a record: for looks that repeat and are summed up by their caller.
    pub(super) async fn silently(&mut self, words: &[&str]) -> Result<Reply, Fault> {
        let mut command = Cmd::new();
        for word in words {
            command.arg(*word);
        }
        let connection = &mut self.connection;
        let sent = async { connection.send_packed_command(&command).await.map_err(|error| Fault::of(&error)) };
        match bounded(&self.patience, sent).await? {
            Reply::ServerError(error) => Err(Fault::Refused(reply::error(&error))),
            answer => Ok(answer),
        }
    }

    /// Sends several looks at once, recorded as one. An answer that is an error stands in its place.
    pub(super) async fn batch(&mut self, shown: &str, commands: &[Vec<String>]) -> Result<Vec<Reply>, Fault> {
        let mut pipeline = Pipeline::with_capacity(commands.len());
        for words in commands {
            let mut command = Cmd::new();
            for word in words {
                command.arg(word);
            }
            pipeline.add_command(command);
        }
        let begun = Instant::now();
        let connection = &mut self.connection;
        let answers = bounded(&self.patience, async {
            let sent = connection.send_packed_commands(&pipeline, 0, commands.len()).await;
            sent.map_err(|error| Fault::of(&error))
        });
        let answers = answers.await;
        self.note(shown, begun.elapsed(), &answers.as_ref().map_or_else(ToString::to_string, |a| format!("{} answers", a.len())));
        answers
    }

    async fn recorded(&mut self, shown: &str, words: &[&str], noted: Noted) -> Result<Reply, Fault> {
        let begun = Instant::now();
        let result = self.silently(words).await;
        let end = match &result {
            Ok(Reply::Okay) => "ok".to_owned(),
            Ok(Reply::Int(number)) => number.to_string(),
            Ok(Reply::Nil) => "nothing".to_owned(),
            Ok(Reply::Array(items)) => format!("{} items", items.len()),
            // What the data holds is nobody's business in the record.
            Ok(_) => "answered".to_owned(),
            Err(fault) => fault.to_string(),
        };
        noted(&self.recorder, &format!("{}: {shown}", self.address), begun.elapsed(), &end);
        result
    }

    /// Records questions that this node was asked.
    pub(super) fn note(&self, shown: &str, took: Duration, end: &str) {
        self.recorder.question(&format!("{}: {shown}", self.address), took, end);
    }

    /// Where progress is noted.
    pub(super) const fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// The time that is left.
    pub(super) const fn patience(&self) -> &Patience {
        &self.patience
    }
}
