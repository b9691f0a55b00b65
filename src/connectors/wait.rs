//! `wait.until`: looks again and again until the world is as expected, or the time is up.

use async_trait::async_trait;
use serde_json::json;

use super::look::{Look, Rhythm};
use super::patience::Patience;
use super::{Act, ActionError, Applied, Call, Evidence, Inspect, Inspection, Probed};
use crate::model::{Digest, Span, Value};

/// Adds the actions of this connector.
pub(super) fn register(registry: &mut super::Registry) {
    registry.add(WaitUntil);
}

/// The action.
#[derive(Debug)]
pub struct WaitUntil;

#[async_trait]
impl Inspect for WaitUntil {
    fn name(&self) -> &'static str {
        "wait.until"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let look = Look::of(call, &call.params)?;
        let now = look.ask(call, &Patience::of(call)).await.map_or_else(|why| why, |_| "as expected".to_owned());
        Ok(Inspection { state: json!({ "now": now }), statements: vec![look.shown(call)], ..Inspection::default() })
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        Look::of(call, &call.params)?;
        Ok(Value::Null)
    }

    async fn probe(&self, _call: &Call, _snapshot: &Value) -> Result<Probed, ActionError> {
        Ok(Probed::nothing_left())
    }
}

#[async_trait]
impl Act for WaitUntil {
    async fn apply(&self, call: &Call, _snapshot: &Value) -> Result<Applied, ActionError> {
        let look = Look::of(call, &call.params)?;
        let polled = Rhythm::of(&call.params, Span::from_secs(60))?.poll(call, &look).await?;
        let waited_ms = u64::try_from(polled.waited.as_millis()).unwrap_or(u64::MAX);
        Ok(Applied { outputs: json!({ "asked": polled.asked, "waited_ms": waited_ms, "answer": polled.answer }) })
    }

    /// The last answer, which was as expected, is the evidence.
    async fn prove(&self, call: &Call, _snapshot: &Value, applied: &Applied) -> Result<Evidence, ActionError> {
        let answer = Digest::of(applied.outputs["answer"].to_string().as_bytes()).to_string();
        let asked = Look::of(call, &call.params)?.shown(call);
        Ok(Evidence::new(json!({ "asked": asked, "times": applied.outputs["asked"], "answer": answer })))
    }

    async fn undo(&self, _call: &Call, _snapshot: &Value) -> Result<Evidence, ActionError> {
        Ok(Evidence::nothing_changed())
    }
}
