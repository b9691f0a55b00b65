//! Who can still put messages into queues: users with the right, connections with a cached grant, shovels, federation, and the
//! broker itself, which moves expired and rejected messages with nobody's permission.

use std::collections::BTreeSet;

use serde_json::json;

use super::broker::Broker;
use super::depth::totals;
use super::permission::{Phase, entries};
use super::{bypass, sessions};
use crate::connectors::{ActionError, Call};
use crate::model::Value;

/// What was found about those who could feed the queues.
pub(super) struct Feeding {
    /// Each is a reason why the queues may be fed.
    pub(super) open: Vec<String>,
    /// For the evidence.
    pub(super) facts: Value,
}

impl Feeding {
    /// Fails when anything can feed the queues.
    pub(super) fn refuse(&self) -> Result<(), ActionError> {
        if self.open.is_empty() {
            return Ok(());
        }
        Err(ActionError::untouched(format!("nothing proves that the queues are not fed: {}", self.open.join("; "))).hint(
            "freeze the producers with `rabbitmq.freeze_writes`; name under `accept` what does not write into these queues",
        ))
    }
}

/// Looks for everything that can feed these queues.
pub(super) async fn look(broker: &Broker, call: &Call, queues: &BTreeSet<String>) -> Result<Feeding, ActionError> {
    let accepted = call.params.texts("accept")?;
    let mut open: Vec<String> = bypass::unaccepted(broker, call, &[]).await?.iter().map(|bypass| bypass.blocker().what).collect();
    let mut producers = Vec::new();
    for user in call.params.texts("producers")? {
        let Some(row) = broker.permission(&user).await? else {
            producers.push(json!({ "user": user, "may": "not even connect" }));
            continue;
        };
        let (here, _) = sessions::connections(broker, &user).await?;
        match row.frozen() {
            Some((owner, Phase::Closed)) => producers.push(json!({ "user": user, "frozen_by": owner.run, "step": owner.step })),
            // A row that somebody else wrote says nothing about grants that open connections keep.
            Some((_, Phase::Denied)) | None if row.denies() && here.is_empty() => {
                producers.push(json!({ "user": user, "write": row.write, "connections": 0 }));
            }
            Some((_, Phase::Denied)) | None if row.denies() => {
                open.push(format!("{user} may not write, but has {} open connections that may keep an older grant", here.len()))
            }
            Some((_, Phase::Denied)) | None => {
                let what = format!("the user {user} may write to {}", row.write);
                if !open.iter().any(|reason| reason.starts_with(&what)) {
                    open.push(what);
                }
            }
        }
    }
    open.extend(dead_letters(broker, queues, &accepted).await?);
    open.extend(delayed(broker, &accepted).await?);
    let facts = json!({ "producers": producers, "accepted": accepted, "open": open });
    Ok(Feeding { open, facts })
}

/// Queues that are not drained, hold messages, and hand them to a drained queue when they expire or are rejected.
async fn dead_letters(broker: &Broker, queues: &BTreeSet<String>, accepted: &[String]) -> Result<Vec<String>, ActionError> {
    let asked = async |path: &[&str], what: &str| broker.read(path, "").await.map_err(|trouble| trouble.reading(what));
    let rows = asked(&["queues", broker.vhost()], "queues").await?;
    let mut found = Vec::new();
    for row in entries(&rows) {
        let name = row["name"].as_str().unwrap_or_default();
        if queues.contains(name) || accepted.contains(&format!("queue:{name}")) {
            continue;
        }
        let policy = &row["effective_policy_definition"];
        let of = |argument: &str, key: &str| row["arguments"][argument].as_str().or(policy[key].as_str()).map(str::to_owned);
        let Some(exchange) = of("x-dead-letter-exchange", "dead-letter-exchange") else { continue };
        let key = of("x-dead-letter-routing-key", "dead-letter-routing-key");
        let reaches = if exchange.is_empty() {
            // Without a key of its own a message keeps the one it came with, which may be the name of any queue.
            key.is_none_or(|key| queues.contains(&key))
        } else {
            let bindings = asked(&["exchanges", broker.vhost(), &exchange, "bindings", "source"], "bindings").await?;
            entries(&bindings).any(|binding| {
                binding["destination_type"] != "queue" || binding["destination"].as_str().is_none_or(|to| queues.contains(to))
            })
        };
        if !reaches {
            continue;
        }
        let held: u64 = totals(broker, |queue| queue == name).await?.iter().map(super::depth::Depth::pending).sum();
        if held > 0 {
            found.push(format!("{name} holds {held} messages that come back when they expire or are rejected; drain it as well"));
        }
    }
    Ok(found)
}

/// Exchanges that keep messages for later, where no queue counts them.
async fn delayed(broker: &Broker, accepted: &[String]) -> Result<Vec<String>, ActionError> {
    let rows = broker.read(&["exchanges", broker.vhost()], "").await.map_err(|trouble| trouble.reading("exchanges"))?;
    Ok(entries(&rows)
        .filter(|row| row["type"] == "x-delayed-message")
        .filter_map(|row| row["name"].as_str())
        .filter(|name| !accepted.contains(&format!("exchange:{name}")))
        .map(|name| format!("the exchange {name} delays messages that no queue counts; accept `exchange:{name}` when it is idle"))
        .collect())
}
