//! `http.check`: a request that only looks, once or until the answer is as expected.

use async_trait::async_trait;
use serde_json::json;

use super::exchange::Order;
use crate::connectors::look::{Look, Rhythm};
use crate::connectors::patience::Patience;
use crate::connectors::{Act, ActionError, Applied, Call, Evidence, Inspect, Inspection, Probed};
use crate::model::{Digest, Value};

/// The action.
#[derive(Debug)]
pub struct HttpCheck;

#[async_trait]
impl Inspect for HttpCheck {
    fn name(&self) -> &'static str {
        "http.check"
    }

    /// Really asks, once: that is what a look is for. What it says now is no blocker, because steps before it may change it.
    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let order = Order::of(&call.params)?;
        let shown = call.recorder.redact(&order.shown());
        let now = match order.send(call, &Patience::of(call), &shown).await {
            Ok(answer) => match order.expect.check(&answer) {
                Ok(()) => "as expected".to_owned(),
                Err(why) => call.recorder.redact(&why),
            },
            Err(trouble) => trouble.to_string(),
        };
        Ok(Inspection { state: json!({ "now": now }), statements: vec![shown], ..Inspection::default() })
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        Order::of(&call.params)?;
        Ok(Value::Null)
    }

    async fn probe(&self, _call: &Call, _snapshot: &Value) -> Result<Probed, ActionError> {
        Ok(Probed::nothing_left())
    }
}

#[async_trait]
impl Act for HttpCheck {
    async fn apply(&self, call: &Call, _snapshot: &Value) -> Result<Applied, ActionError> {
        let look = Look::Http(Box::new(Order::of(&call.params)?));
        let found = match Rhythm::nested(&call.params, "until")? {
            Some(rhythm) => rhythm.poll(call, &look).await?.answer,
            None => look.ask(call, &Patience::of(call)).await.map_err(ActionError::untouched)?,
        };
        Ok(Applied { outputs: found })
    }

    /// The answer that was held to the conditions is the evidence.
    async fn prove(&self, call: &Call, _snapshot: &Value, applied: &Applied) -> Result<Evidence, ActionError> {
        let asked = call.recorder.redact(&Order::of(&call.params)?.shown());
        let body = Digest::of(applied.outputs["body"].to_string().as_bytes()).to_string();
        Ok(Evidence::new(json!({ "asked": asked, "status": applied.outputs["status"], "body": body })))
    }

    async fn undo(&self, _call: &Call, _snapshot: &Value) -> Result<Evidence, ActionError> {
        Ok(Evidence::nothing_changed())
    }
}
