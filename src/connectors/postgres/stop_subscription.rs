//! `postgres.stop_subscription`: a subscriber applies nothing more, and its slot at the source keeps what comes: so it can go on later.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;

use super::name::quoted;
use super::place::source_target;
use super::session::{Session, open};
use super::subscription::{Slot, Subscription, disable};
use crate::connectors::{Act, ActionError, Applied, Blocker, Call, Evidence, Inspect, Inspection, Probed, own_target};
use crate::model::{Finding, Value};

/// The action.
#[derive(Debug)]
pub struct StopSubscription;

/// How long the worker may take to end, or to stream again.
const SETTLING: Duration = Duration::from_secs(30);

/// The subscription, and the session in which it was read.
async fn look(call: &Call) -> Result<(Session, Subscription), ActionError> {
    let session = open(call, own_target(call)?).await?;
    let there = read(&session, call.params.text("subscription")?).await?;
    Ok((session, there))
}

async fn read(session: &Session, name: &str) -> Result<Subscription, ActionError> {
    let found = Subscription::read(session, name).await?;
    found.ok_or_else(|| ActionError::untouched(format!("there is no subscription `{name}` in this database")))
}

/// Waits until the worker has ended.
async fn ended(session: &Session, name: &str) -> Result<(), ActionError> {
    let patience = session.patience().at_most(SETTLING);
    while read(session, name).await?.worker {
        patience
            .sleep(Duration::from_millis(20))
            .await
            .map_err(|stopped| ActionError::untouched(format!("the apply worker of `{name}` has not ended: {stopped}")))?;
    }
    Ok(())
}

/// Waits until the source sends through the slot again.
async fn streams(call: &Call, slot: &str) -> Result<Value, ActionError> {
    let source = open(call, source_target(call)?).await?;
    let patience = source.patience().at_most(SETTLING);
    loop {
        let found = Slot::read(&source, slot).await?;
        let found = found.ok_or_else(|| ActionError::untouched(format!("the slot `{slot}` is not at the source")))?;
        if found.reader.is_some() && found.state == "streaming" {
            return Ok(found.facts());
        }
        patience
            .sleep(Duration::from_millis(20))
            .await
            .map_err(|stopped| ActionError::untouched(format!("nothing streams through the slot `{slot}` again: {stopped}")))?;
    }
}

fn enable_statement(name: &str) -> String {
    format!("ALTER SUBSCRIPTION {} ENABLE", quoted(name))
}

#[async_trait]
impl Inspect for StopSubscription {
    fn name(&self) -> &'static str {
        "postgres.stop_subscription"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let name = call.params.text("subscription")?;
        let session = open(call, own_target(call)?).await?;
        let found = Subscription::read(&session, name).await?;
        let blocker = match &found {
            None => Some(format!("there is no subscription `{name}` in this database")),
            Some(there) => there.denied(name).filter(|_| there.enabled),
        };
        let enabled = found.as_ref().is_some_and(|there| there.enabled);
        let only = |statement: String| if enabled { vec![statement] } else { Vec::new() };
        Ok(Inspection {
            identity: session.identity(),
            state: json!({ "subscription": found.as_ref().map(Subscription::facts) }),
            statements: only(format!("ALTER SUBSCRIPTION {} DISABLE", quoted(name))),
            undo_statements: only(enable_statement(name)),
            blockers: blocker.into_iter().map(|what| Blocker { what, owner: None }).collect(),
            expected_ms: Some(200),
        })
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        let (session, there) = look(call).await?;
        Ok(json!({ "identity": session.identity(), "enabled": there.enabled, "slot": there.slot }))
    }

    async fn probe(&self, call: &Call, _snapshot: &Value) -> Result<Probed, ActionError> {
        let (_, there) = look(call).await?;
        let finding = match (there.enabled, there.worker) {
            (true, _) => Finding::NotApplied,
            (false, false) => Finding::Applied,
            (false, true) => Finding::Partial("the subscription is disabled, and its worker has not ended".to_owned()),
        };
        Ok(Probed { finding, outputs: json!({ "slot": there.slot }), facts: there.facts() })
    }
}

#[async_trait]
impl Act for StopSubscription {
    async fn apply(&self, call: &Call, _snapshot: &Value) -> Result<Applied, ActionError> {
        let name = call.params.text("subscription")?;
        let (session, there) = look(call).await?;
        if there.enabled {
            if let Some(why) = there.denied(name) {
                return Err(ActionError::untouched(why));
            }
            disable(&session, name).await?;
        }
        ended(&session, name).await.map_err(ActionError::after_change)?;
        Ok(Applied { outputs: json!({ "slot": there.slot }) })
    }

    async fn prove(&self, call: &Call, _snapshot: &Value, _applied: &Applied) -> Result<Evidence, ActionError> {
        let (session, there) = look(call).await.map_err(ActionError::after_change)?;
        if there.enabled || there.worker {
            return Err(ActionError::touched(format!("the subscription still applies: {}", there.facts())));
        }
        Ok(Evidence::new(json!({ "identity": session.identity(), "subscription": there.facts() })))
    }

    async fn undo(&self, call: &Call, snapshot: &Value) -> Result<Evidence, ActionError> {
        if snapshot["enabled"] != json!(true) {
            return Ok(Evidence::new(json!({ "undo": "the subscription was disabled before the step" })));
        }
        let name = call.params.text("subscription")?;
        let sql = enable_statement(name);
        let undone = async {
            let (session, there) = look(call).await?;
            if json!(there.slot) != snapshot["slot"] {
                let text = format!("the subscription reads another slot now: {}", there.facts());
                return Err(ActionError::untouched(text));
            }
            if !there.enabled {
                session.execute(&sql).await.map_err(|error| error.of_change(&sql))?;
            }
            let slot = streams(call, there.slot.as_deref().unwrap_or_default()).await.map_err(ActionError::after_change)?;
            let after = read(&session, name).await.map_err(ActionError::after_change)?;
            Ok(Evidence::new(json!({ "identity": session.identity(), "subscription": after.facts(), "slot": slot })))
        };
        undone.await.map_err(|error: ActionError| error.manual(vec![format!("{sql};")]))
    }
}
