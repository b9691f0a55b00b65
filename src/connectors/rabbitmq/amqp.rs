//! The way over AMQP: exact depths by passive declare, and publishes that are sent to be refused.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lapin::message::BasicReturnMessage;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::uri::{AMQPAuthority, AMQPUri, AMQPUserInfo};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, Error, ErrorKind};
use reqwest::Url;
use rustls::ClientConfig;

use super::secured::Secured;

use crate::connectors::patience::Patience;
use crate::connectors::tls::Tls;
use crate::connectors::{ActionError, Call, Recorder};

/// The code of a refusal on a channel.
const ACCESS_REFUSED: u16 = 403;

/// How to reach the broker over AMQP.
#[derive(Clone, Debug)]
pub(super) struct Wire {
    uri: AMQPUri,
    /// With `amqps`: how the broker is verified.
    tls: Option<Arc<ClientConfig>>,
    name: String,
    within: Duration,
    recorder: Recorder,
    patience: Patience,
}

/// How a canary message ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Canary {
    /// The broker took it and gave it back, because no queue takes its routing key.
    Accepted,
    /// The broker took it and a queue has it.
    Routed,
    /// The broker refused it for want of a permission, with this text.
    Refused(String),
    /// It failed for another reason and proves nothing.
    Broken(String),
}

/// What a passive declare says, exactly.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Declared {
    pub(super) ready: u64,
    pub(super) consumers: u64,
}

impl Wire {
    /// Reads `amqp` of a target: `amqp://host:port`, or `amqps://host:port` with the target's `tls`.
    pub(super) fn of(address: &str, vhost: &str, within: Duration, tls: &Tls, call: &Call) -> Result<Self, ActionError> {
        let url = Url::parse(address).map_err(|error| ActionError::untouched(format!("`amqp` is no address: {error}")))?;
        let (tls, port) = match (url.scheme(), tls) {
            ("amqp", _) => (None, 5672),
            ("amqps", Tls::On { config, .. }) => (Some(config.clone()), 5671),
            ("amqps", Tls::Off) => {
                return Err(ActionError::untouched("`amqp` begins with `amqps://`, and `tls` is not given or off")
                    .hint("give `tls: { mode: verify-full }`, with `ca` where the authority is your own"));
            }
            _ => return Err(ActionError::untouched("`amqp` must begin with `amqp://` or `amqps://`")),
        };
        let Some(host) = url.host_str() else { return Err(ActionError::untouched("`amqp` names no host")) };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(ActionError::untouched("`amqp` must hold no user: give `user` and `password`"));
        }
        let nobody = AMQPUserInfo { username: String::new(), password: String::new() };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let authority = AMQPAuthority { userinfo: nobody, host, port: url.port().unwrap_or(port) };
        Ok(Self {
            uri: AMQPUri { authority, vhost: vhost.to_owned(), ..AMQPUri::default() },
            tls,
            name: format!("pointsman {}/{}", call.run, call.step),
            within,
            recorder: call.recorder.clone(),
            patience: Patience::of(call),
        })
    }

    /// Logs in.
    async fn connect(&self, user: &str, password: &str) -> Result<Connection, String> {
        let mut uri = self.uri.clone();
        uri.authority.userinfo = AMQPUserInfo { username: user.to_owned(), password: password.to_owned() };
        let properties = ConnectionProperties::default().with_connection_name(self.name.as_str().into());
        let connecting = async {
            match &self.tls {
                None => {
                    let runtime = lapin::runtime::default_runtime().map_err(|error| explain(&error))?;
                    Connection::connect_uri_with_runtime(uri, properties, runtime).await.map_err(|error| explain(&error))
                }
                Some(config) => {
                    let runtime = Secured::runtime(config, &uri.authority.host)?;
                    Connection::connect_uri_with_runtime(uri, properties, runtime).await.map_err(|error| explain(&error))
                }
            }
        };
        let patience = self.patience.at_most(self.within);
        tokio::select! {
            result = connecting => result.map_err(|why| format!("the login as `{user}` failed: {why}")),
            stopped = patience.over() => Err(format!("the login as `{user}` did not end: {stopped}")),
        }
    }

    /// Publishes one message that no queue takes. The routing key is one that nobody uses.
    pub(super) async fn canary(&self, user: &str, password: &str, exchange: &str) -> Canary {
        // One that proves nothing is sent once more, over another connection: it changes nothing.
        match self.canary_once(user, password, exchange).await {
            Canary::Broken(_) => self.canary_once(user, password, exchange).await,
            found @ (Canary::Accepted | Canary::Routed | Canary::Refused(_)) => found,
        }
    }

    async fn canary_once(&self, user: &str, password: &str, exchange: &str) -> Canary {
        let begun = Instant::now();
        let patience = self.patience.at_most(self.within);
        let found = tokio::select! {
            found = self.publish(user, password, exchange) => found,
            stopped = patience.over() => Canary::Broken(format!("no answer came: {stopped}")),
        };
        let end = match &found {
            Canary::Accepted => "accepted, and returned because no queue takes it".to_owned(),
            Canary::Routed => "accepted, and a queue took it".to_owned(),
            Canary::Refused(text) | Canary::Broken(text) => text.clone(),
        };
        self.recorder.statement(&format!("basic.publish to {exchange} as {user}, mandatory"), begun.elapsed(), &end);
        found
    }

    async fn publish(&self, user: &str, password: &str, exchange: &str) -> Canary {
        let connection = match self.connect(user, password).await {
            Ok(connection) => connection,
            // A refused login has the same code as a refused write, and is no pass.
            Err(why) => return Canary::Broken(why),
        };
        let found = match connection.create_channel().await {
            Ok(channel) => self.publish_on(&channel, exchange).await,
            Err(error) => Canary::Broken(explain(&error)),
        };
        // The answer is known; a connection that does not end cleanly changes nothing.
        let _ = connection.close(200, "done".into()).await;
        found
    }

    async fn publish_on(&self, channel: &Channel, exchange: &str) -> Canary {
        let broken = |error: &Error| Canary::Broken(explain(error));
        if let Err(error) = channel.confirm_select(ConfirmSelectOptions::default()).await {
            return broken(&error);
        }
        let name = if exchange == super::canary::DEFAULT_EXCHANGE { "" } else { exchange };
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let sent = channel.basic_publish(name.into(), key().into(), options, b"", BasicProperties::default()).await;
        let confirmed = match sent {
            Ok(confirm) => confirm.await,
            Err(error) => Err(error),
        };
        match confirmed {
            Ok(Confirmation::Ack(Some(message))) => returned(&message),
            Ok(Confirmation::Ack(None)) => Canary::Routed,
            Ok(Confirmation::Nack(_) | Confirmation::NotRequested) => Canary::Broken("the broker did not confirm it".to_owned()),
            Err(error) => match refusal(&error) {
                Some(text) => Canary::Refused(text),
                None => broken(&error),
            },
        }
    }

    /// A channel for many passive declares.
    pub(super) async fn open(&self, user: &str, password: &str) -> Result<(Connection, Channel), ActionError> {
        let connection = self.connect(user, password).await.map_err(ActionError::untouched)?;
        let channel = connection.create_channel().await.map_err(|error| ActionError::untouched(explain(&error)))?;
        Ok((connection, channel))
    }

    /// What a queue holds now. It creates nothing: a passive declare of a queue that is not there fails.
    pub(super) async fn declared(&self, channel: &Channel, queue: &str) -> Result<Declared, ActionError> {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let patience = self.patience.at_most(self.within);
        let failed = |why: String| ActionError::untouched(format!("the depth of {queue} cannot be read: {why}"));
        tokio::select! {
            found = channel.queue_declare(queue.into(), options, FieldTable::default()) => {
                let found = found.map_err(|error| failed(explain(&error)))?;
                Ok(Declared { ready: u64::from(found.message_count()), consumers: u64::from(found.consumer_count()) })
            }
            stopped = patience.over() => Err(failed(stopped.to_string())),
        }
    }
}

/// A routing key that no binding names.
fn key() -> String {
    let mut nonce = [0_u8; 8];
    // Without randomness the key is still one that nobody binds.
    let _ = getrandom::fill(&mut nonce);
    format!("pointsman-canary-{:016x}", u64::from_be_bytes(nonce))
}

fn returned(message: &BasicReturnMessage) -> Canary {
    const NO_ROUTE: u16 = 312;
    if message.reply_code == NO_ROUTE {
        Canary::Accepted
    } else {
        Canary::Broken(format!("it was returned with {} {}", message.reply_code, message.reply_text))
    }
}

fn refusal(error: &Error) -> Option<String> {
    match error.kind() {
        ErrorKind::ProtocolError(error) if error.get_id() == ACCESS_REFUSED => Some(error.get_message().to_string()),
        _ => None,
    }
}

fn explain(error: &Error) -> String {
    match error.kind() {
        ErrorKind::ProtocolError(error) => format!("{} {}", error.get_id(), error.get_message()),
        _ => error.to_string(),
    }
}
