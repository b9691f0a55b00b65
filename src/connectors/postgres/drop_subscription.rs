//! `postgres.drop_subscription`: a database stops following, and its slot at the source goes, which would keep the log for ever.

use async_trait::async_trait;
use serde_json::json;

use super::ends::slot_right;
use super::place::source_target;
use super::session::{Session, open};
use super::subscription::{Slot, Subscription, detach, detach_statements, disable, drop_slot, drop_slot_statement};
use crate::connectors::{Act, ActionError, Applied, Blocker, Call, Evidence, Inspect, Inspection, Probed, own_target};
use crate::model::{Finding, Value};

/// The action.
#[derive(Debug)]
pub struct DropSubscription;

/// Both ends now.
struct Sight {
    subscriber: Session,
    /// Why it could not be asked, where it could not.
    source: Result<Session, ActionError>,
    subscription: Option<Subscription>,
    /// The slot's name, from the subscription; where that is gone already, from the snapshot.
    name: Option<String>,
    slot: Option<Slot>,
}

async fn look(call: &Call, snapshot: &Value) -> Result<Sight, ActionError> {
    let subscriber = open(call, own_target(call)?).await?;
    let source = open(call, source_target(call)?).await;
    let subscription = Subscription::read(&subscriber, call.params.text("subscription")?).await?;
    let saved = snapshot["slot"].as_str().map(str::to_owned);
    let name = subscription.as_ref().and_then(|there| there.slot.clone()).or(saved);
    let slot = match (&source, &name) {
        (Ok(source), Some(name)) => Slot::read(source, name).await?,
        _ => None,
    };
    Ok(Sight { subscriber, source, subscription, name, slot })
}

impl Sight {
    fn identity(&self) -> Value {
        json!({ "subscriber": self.subscriber.identity(), "source": self.source.as_ref().ok().map(Session::identity) })
    }

    fn facts(&self) -> Value {
        json!({
            "subscription": self.subscription.as_ref().map(Subscription::facts), "slot": self.slot.as_ref().map(Slot::facts),
        })
    }

    async fn obstacle(&self, call: &Call) -> Result<Option<String>, ActionError> {
        let name = call.params.text("subscription")?;
        if let Some(why) = self.subscription.as_ref().and_then(|there| there.denied(name)) {
            return Ok(Some(why));
        }
        // The slot goes before the subscription: to be refused there would leave a subscription that stands still.
        if let (Ok(source), Some(_)) = (&self.source, &self.slot)
            && let Some(why) = slot_right(source).await?
        {
            return Ok(Some(why));
        }
        let running = self.subscription.as_ref().is_some_and(|there| there.worker && there.enabled);
        Ok(match (&self.source, &self.slot) {
            (Err(_), _) if call.params.opt_text("unreachable")? == Some("detach") => None,
            (Err(error), _) => Some(format!("the source cannot be reached, and the slot there would be left: {}", error.message)),
            (Ok(_), Some(slot)) => slot.foreign().map(|why| format!("the slot {why}")),
            (Ok(_), None) if running => Some(
                "the subscription follows a server that is not the target under `source`: that one has no such slot".to_owned(),
            ),
            (Ok(_), None) => None,
        })
    }

    fn outputs(&self, left: bool) -> Value {
        json!({ "slot": self.name, "slot_left": if left { json!(self.name) } else { Value::Null } })
    }
}

#[async_trait]
impl Inspect for DropSubscription {
    fn name(&self) -> &'static str {
        "postgres.drop_subscription"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let sight = look(call, &Value::Null).await?;
        let blockers = sight.obstacle(call).await?.map(|what| Blocker { what, owner: None });
        let slot = sight.slot.as_ref().and(sight.name.as_deref()).map(drop_slot_statement);
        let mut statements: Vec<_> = slot.into_iter().collect();
        if sight.subscription.is_some() {
            statements.extend(detach_statements(call.params.text("subscription")?));
        }
        Ok(Inspection {
            identity: sight.identity(),
            state: sight.facts(),
            statements,
            blockers: blockers.into_iter().collect(),
            expected_ms: Some(500),
            ..Inspection::default()
        })
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        let sight = look(call, &Value::Null).await?;
        Ok(json!({ "identity": sight.identity(), "slot": sight.name, "found": sight.facts() }))
    }

    async fn probe(&self, call: &Call, snapshot: &Value) -> Result<Probed, ActionError> {
        let sight = look(call, snapshot).await?;
        let finding = match (&sight.subscription, &sight.slot, &sight.source) {
            (Some(_), Some(_), _) if sight.subscription.as_ref().is_some_and(|there| there.enabled) => Finding::NotApplied,
            (Some(there), ..) if there.enabled => Finding::NotApplied,
            (Some(_), Some(_), _) => Finding::Partial("the subscription is disabled, and its slot is still there".to_owned()),
            (Some(_), None, Ok(_)) => Finding::Partial("the slot is gone, and the subscription is still there".to_owned()),
            (Some(_), None, Err(error)) => Finding::Unknown(format!("the source cannot be asked: {}", error.message)),
            (None, Some(_), _) => {
                Finding::Partial("the subscription is gone, and its slot keeps the log at the source".to_owned())
            }
            (None, None, Ok(_)) => Finding::Applied,
            (None, None, Err(_)) if call.params.opt_text("unreachable")? == Some("detach") => Finding::Applied,
            (None, None, Err(error)) => Finding::Unknown(format!("the source cannot be asked: {}", error.message)),
        };
        Ok(Probed { finding, outputs: sight.outputs(sight.source.is_err()), facts: sight.facts() })
    }
}

#[async_trait]
impl Act for DropSubscription {
    async fn apply(&self, call: &Call, snapshot: &Value) -> Result<Applied, ActionError> {
        let sight = look(call, snapshot).await?;
        if let Some(what) = sight.obstacle(call).await? {
            return Err(ActionError::untouched(what));
        }
        let subscription = call.params.text("subscription")?;
        if sight.subscription.is_some() {
            disable(&sight.subscriber, subscription).await?;
        }
        if let (Ok(source), Some(slot)) = (&sight.source, &sight.name) {
            drop_slot(source, slot).await.map_err(ActionError::after_change)?;
        }
        detach(&sight.subscriber, subscription).await?;
        Ok(Applied { outputs: sight.outputs(sight.source.is_err()) })
    }

    async fn prove(&self, call: &Call, snapshot: &Value, applied: &Applied) -> Result<Evidence, ActionError> {
        let sight = look(call, snapshot).await.map_err(ActionError::after_change)?;
        if sight.subscription.is_some() || sight.slot.is_some() {
            return Err(ActionError::touched(format!("something of it is still there: {}", sight.facts())));
        }
        let left = &applied.outputs["slot_left"];
        if sight.source.is_err() && left.is_null() {
            return Err(ActionError::touched("the source cannot be asked whether the slot is gone"));
        }
        Ok(Evidence::new(json!({ "identity": sight.identity(), "found": sight.facts(), "slot_left": left })))
    }

    async fn undo(&self, call: &Call, snapshot: &Value) -> Result<Evidence, ActionError> {
        let name = call.params.text("subscription")?;
        let slot = snapshot["slot"].as_str().unwrap_or_default();
        Err(ActionError::untouched(format!("the slot `{slot}` is gone, and with it the place in the log"))
            .manual(vec![format!("-- subscribe `{name}` anew with a first copy into empty tables")]))
    }
}
