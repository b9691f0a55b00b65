//! `pgbouncer.pause`: clients wait, no server connection is left. Ends by itself when a transaction takes too long.

use async_trait::async_trait;
use serde_json::json;

use super::order::{Order, differences, shown, was_paused};
use super::pool::{View, resume};
use crate::connectors::patience::Patience;
use crate::connectors::{Act, ActionError, Applied, Call, Evidence, Inspect, Inspection, Probed};
use crate::model::{Finding, Value};

/// The action.
#[derive(Debug)]
pub struct Pause;

fn outputs(found: &[View]) -> Value {
    let waiting: u64 = found.iter().map(|view| view.waiting).sum();
    json!({ "processes": found.len(), "clients_waiting": waiting })
}

#[async_trait]
impl Inspect for Pause {
    fn name(&self) -> &'static str {
        "pgbouncer.pause"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let order = Order::of(call)?;
        let consoles = order.open(call).await?;
        let found = order.views(&consoles, call).await?;
        Ok(Inspection {
            identity: order.way.identity(),
            state: shown(&found),
            statements: order.each("PAUSE", &found),
            undo_statements: order.each("RESUME", &found),
            blockers: order.blockers(&consoles, &found, call).await?,
            expected_ms: None,
        })
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        let order = Order::of(call)?;
        Ok(order.snapshot(&order.look(call).await?))
    }

    async fn probe(&self, call: &Call, _snapshot: &Value) -> Result<Probed, ActionError> {
        let found = Order::of(call)?.look(call).await?;
        let finding = if found.iter().all(View::is_held) {
            Finding::Applied
        } else if found.iter().all(|view| !view.paused) {
            Finding::NotApplied
        } else {
            Finding::Partial("some processes are paused or still wait for a transaction".to_owned())
        };
        Ok(Probed { finding, outputs: outputs(&found), facts: shown(&found) })
    }
}

#[async_trait]
impl Act for Pause {
    async fn apply(&self, call: &Call, _snapshot: &Value) -> Result<Applied, ActionError> {
        let order = Order::of(call)?;
        let (consoles, helpers) = (order.open(call).await?, order.open(call).await?);
        let now = order.views(&helpers, call).await?;
        let held = order.hold(call, &consoles, &helpers, &now).await?;
        Ok(Applied { outputs: outputs(&held) })
    }

    async fn prove(&self, call: &Call, _snapshot: &Value, _applied: &Applied) -> Result<Evidence, ActionError> {
        let order = Order::of(call)?;
        let consoles = order.open(call).await.map_err(ActionError::after_change)?;
        let found = order.views(&consoles, call).await.map_err(ActionError::after_change)?;
        if let Some(view) = found.iter().find(|view| !view.is_held()) {
            let text = format!("`{}` is not held at {}: {}", order.database, view.address, view.to_value());
            return Err(ActionError::touched(text));
        }
        Ok(Evidence::new(
            json!({ "identity": order.way.identity(), "asked": "SHOW DATABASES, SHOW SERVERS", "answer": shown(&found) }),
        ))
    }

    async fn undo(&self, call: &Call, snapshot: &Value) -> Result<Evidence, ActionError> {
        let order = Order::of(call)?;
        let patience = Patience::of(call);
        let consoles = order.open(call).await?;
        let before = order.views(&consoles, call).await?;
        let by_hand = || order.resume_by_hand(&before, snapshot);
        resume(&consoles, &order.database, &patience, |address| !was_paused(snapshot, address))
            .await
            .map_err(|error| error.manual(by_hand()))?;
        let now = order.snapshot(&order.views(&consoles, call).await?);
        let left = differences(snapshot, &now, &["paused"]);
        if !left.is_empty() {
            return Err(ActionError::touched(format!("the state before is not restored: {}", left.join("; "))).manual(by_hand()));
        }
        Ok(Evidence::new(json!({ "identity": order.way.identity(), "differences": left, "now": now })))
    }
}
