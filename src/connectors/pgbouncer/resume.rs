//! `pgbouncer.resume`: clients are served again, and a query through every process lands where it should.

use async_trait::async_trait;
use serde_json::json;

use super::console::{Console, quoted};
use super::landing::Landing;
use super::order::{Order, differences, shown, was_paused};
use super::pool::{pause, resume};
use crate::connectors::patience::Patience;
use crate::connectors::{Act, ActionError, Applied, Call, Evidence, Inspect, Inspection, Probed};
use crate::model::{Finding, Value};

/// The action.
#[derive(Debug)]
pub struct Resume;

#[async_trait]
impl Inspect for Resume {
    fn name(&self) -> &'static str {
        "pgbouncer.resume"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let order = Order::of(call)?;
        Landing::of(call)?;
        let found = order.look(call).await?;
        Ok(Inspection {
            identity: order.way.identity(),
            state: shown(&found),
            statements: order.each("RESUME", &found),
            undo_statements: order.each("PAUSE", &found),
            ..Inspection::default()
        })
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        let order = Order::of(call)?;
        Ok(order.snapshot(&order.look(call).await?))
    }

    async fn probe(&self, call: &Call, _snapshot: &Value) -> Result<Probed, ActionError> {
        let found = Order::of(call)?.look(call).await?;
        let paused = found.iter().filter(|view| view.paused).count();
        let finding = match paused {
            0 => Finding::Applied,
            some if some == found.len() => Finding::NotApplied,
            some => Finding::Partial(format!("{some} of {} processes are still paused", found.len())),
        };
        Ok(Probed { finding, outputs: json!({ "processes": found.len() }), facts: shown(&found) })
    }
}

#[async_trait]
impl Act for Resume {
    async fn apply(&self, call: &Call, _snapshot: &Value) -> Result<Applied, ActionError> {
        let order = Order::of(call)?;
        let consoles = order.open(call).await?;
        resume(&consoles, &order.database, &Patience::of(call), |_| true).await?;
        Ok(Applied { outputs: json!({ "processes": consoles.len() }) })
    }

    async fn prove(&self, call: &Call, _snapshot: &Value, _applied: &Applied) -> Result<Evidence, ActionError> {
        let order = Order::of(call)?;
        let consoles = order.open(call).await.map_err(ActionError::after_change)?;
        let found = order.views(&consoles, call).await.map_err(ActionError::after_change)?;
        if let Some(view) = found.iter().find(|view| view.paused) {
            return Err(ActionError::touched(format!("`{}` is paused at {}", order.database, view.address)));
        }
        let landed =
            Landing::of(call)?.prove(call, &order.way, &order.database, &consoles).await.map_err(ActionError::after_change)?;
        Ok(Evidence::new(json!({ "identity": order.way.identity(), "answer": shown(&found), "query": landed })))
    }

    async fn undo(&self, call: &Call, snapshot: &Value) -> Result<Evidence, ActionError> {
        let order = Order::of(call)?;
        let (consoles, helpers) = (order.open(call).await?, order.open(call).await?);
        let was = |console: &Console| was_paused(snapshot, &console.address);
        let (held, helping): (Vec<_>, Vec<_>) =
            (consoles.into_iter().filter(&was).collect(), helpers.into_iter().filter(&was).collect());
        if !held.is_empty() {
            let waiting = Patience::of(call).at_most(order.within);
            let by_hand =
                held.iter().map(|console| format!("-- at the console of {}: PAUSE {}", console.address, quoted(&order.database)));
            let by_hand: Vec<_> = by_hand.collect();
            pause(&held, &helping, &order.database, &waiting).await.map_err(|error| match error.manual.is_empty() {
                true => error.manual(by_hand),
                false => error,
            })?;
        }
        let now = order.snapshot(&order.look(call).await?);
        let left = differences(snapshot, &now, &["paused"]);
        if !left.is_empty() {
            return Err(ActionError::touched(format!("the state before is not restored: {}", left.join("; "))));
        }
        Ok(Evidence::new(json!({ "identity": order.way.identity(), "differences": left, "now": now })))
    }
}
