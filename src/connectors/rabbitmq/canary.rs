//! Messages that are published to be refused: as each frozen user, over AMQP, where no queue takes them.
//!
//! Before a freeze the same message must be accepted and given back as unroutable (a broken canary proves nothing); under it
//! each must be refused with 403 on the channel; after a thaw they must be accepted again.

use serde_json::json;

use super::amqp::Canary;
use super::broker::Broker;
use super::permission::entries;
use crate::connectors::{ActionError, Call};
use crate::model::{Arguments, Value};

/// How the broker names the default exchange when it checks permissions.
pub(super) const DEFAULT_EXCHANGE: &str = "amq.default";

/// A user whose right to write is at stake.
#[derive(Clone)]
pub(super) struct Writer {
    pub(super) user: String,
    password: Option<String>,
    exchange: String,
    /// What it may write, where a step opens it.
    pub(super) write: Option<String>,
}

/// What a round of canaries must find.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Expected {
    /// Every message is accepted.
    Accepted,
    /// Every message is refused.
    Refused,
}

impl Writer {
    /// Reads `users`; each name stands there once.
    pub(super) fn all(call: &Call) -> Result<Vec<Self>, ActionError> {
        let wrong = |what: &str| ActionError::untouched(format!("parameter `users`: {what}"));
        let list = call.params.get("users").and_then(Value::as_array).ok_or_else(|| wrong("must be a list"))?;
        let mut found: Vec<Self> = Vec::new();
        for entry in list {
            let entry = Arguments::new(entry.as_object().cloned().ok_or_else(|| wrong("must be a list of maps"))?);
            let user = entry.text("user")?.to_owned();
            if found.iter().any(|other| other.user == user) {
                return Err(wrong(&format!("`{user}` stands there twice")));
            }
            found.push(Self {
                user,
                password: entry.opt_text("password")?.map(str::to_owned),
                exchange: entry.opt_text("exchange")?.unwrap_or(DEFAULT_EXCHANGE).to_owned(),
                write: entry.opt_text("write")?.map(str::to_owned),
            });
        }
        if found.is_empty() {
            return Err(wrong("names nobody"));
        }
        Ok(found)
    }
}

/// Sends one canary as each writer that has a password. Fails when one ends otherwise than expected.
pub(super) async fn send(broker: &Broker, writers: &[&Writer], expected: Expected) -> Result<Value, String> {
    let mut facts = Vec::new();
    for writer in writers {
        let Writer { user, exchange, .. } = *writer;
        let Some(password) = &writer.password else {
            facts.push(json!({ "user": user, "canary": "not sent: no password was given" }));
            continue;
        };
        if expected == Expected::Accepted {
            harmless(broker, exchange).await?;
        }
        let found = broker.wire().canary(user, password, exchange).await;
        match (&found, expected) {
            (Canary::Accepted, Expected::Accepted) | (Canary::Refused(_), Expected::Refused) => {}
            (Canary::Accepted, Expected::Refused) => return Err(format!("{user} published to {exchange}")),
            (Canary::Routed, _) => return Err(format!("{user} published to {exchange}, and a queue took the canary")),
            (Canary::Refused(text), Expected::Accepted) => return Err(format!("{user} may not publish to {exchange}: {text}")),
            (Canary::Broken(why), _) => return Err(format!("the canary of {user} proves nothing: {why}")),
        }
        let text = match found {
            Canary::Refused(text) => text,
            Canary::Accepted | Canary::Routed | Canary::Broken(_) => "accepted and returned".to_owned(),
        };
        facts.push(json!({ "user": user, "exchange": exchange, "canary": text }));
    }
    Ok(Value::Array(facts))
}

/// Fails when a canary could reach a queue through this exchange.
async fn harmless(broker: &Broker, exchange: &str) -> Result<(), String> {
    if exchange == DEFAULT_EXCHANGE {
        return Ok(());
    }
    let asked = async |path: &[&str]| broker.read(path, "").await.map_err(|trouble| format!("{exchange}: {trouble}"));
    let found = asked(&["exchanges", broker.vhost(), exchange]).await?;
    let refuse = |why: &str| {
        Err(format!("a canary through the exchange {exchange} could reach a queue: {why}; name another under `exchange`"))
    };
    if found["arguments"].get("alternate-exchange").is_some() {
        return refuse("it has an alternate exchange");
    }
    if let Some(policy) = found["policy"].as_str() {
        let policy = asked(&["policies", broker.vhost(), policy]).await?;
        if policy["definition"].get("alternate-exchange").is_some() {
            return refuse("a policy gives it an alternate exchange");
        }
    }
    if found["type"] == "direct" {
        return Ok(());
    }
    let bindings = asked(&["exchanges", broker.vhost(), exchange, "bindings", "source"]).await?;
    let wild =
        |binding: &&Value| found["type"] != "topic" || binding["routing_key"].as_str().is_none_or(|key| key.contains(['#', '*']));
    match entries(&bindings).find(wild) {
        None => Ok(()),
        Some(binding) => refuse(&format!("it is bound to {}", binding["destination"])),
    }
}
