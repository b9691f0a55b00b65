//! `notify.webhook`: tells a chat or a pager. Telling twice is a nuisance and no damage, so nothing here is ever in doubt.

use async_trait::async_trait;
use reqwest::Method;
use serde_json::json;

use super::exchange::{Order, Trouble};
use crate::connectors::patience::Patience;
use crate::connectors::{Act, ActionError, Applied, Call, Evidence, Inspect, Inspection, Probed};
use crate::model::{Finding, Value};

/// The action.
#[derive(Debug)]
pub struct NotifyWebhook;

fn order(call: &Call) -> Result<Order, ActionError> {
    let text = call.params.text("text")?;
    // A text may quote an output; what is told leaves the house, so it is redacted like the record.
    Ok(Order::of(&call.params)?.method(Method::POST).json(&json!({ "text": call.recorder.redact(text) })))
}

#[async_trait]
impl Inspect for NotifyWebhook {
    fn name(&self) -> &'static str {
        "notify.webhook"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let text = call.recorder.redact(call.params.text("text")?);
        let shown = call.recorder.redact(&order(call)?.shown_host());
        Ok(Inspection { statements: vec![format!("{shown} {}", json!({ "text": text }))], ..Inspection::default() })
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        order(call)?;
        Ok(Value::Null)
    }

    async fn probe(&self, _call: &Call, _snapshot: &Value) -> Result<Probed, ActionError> {
        let finding = Finding::Unknown("nobody can look whether a notice was read".to_owned());
        Ok(Probed { finding, outputs: Value::Null, facts: Value::Null })
    }
}

#[async_trait]
impl Act for NotifyWebhook {
    async fn apply(&self, call: &Call, _snapshot: &Value) -> Result<Applied, ActionError> {
        let order = order(call)?;
        let shown = call.recorder.redact(&order.shown_host());
        let answer = order.send(call, &Patience::of(call), &shown).await.map_err(|trouble| {
            let text = format!("`{shown}`: {trouble}");
            match trouble {
                Trouble::NotSent(_) | Trouble::Stopped(_) => ActionError::untouched(text),
                Trouble::NoAnswer(_) => ActionError::touched(text),
            }
        })?;
        order.expect.check(&answer).map_err(|why| ActionError::touched(call.recorder.redact(&format!("`{shown}`: {why}"))))?;
        Ok(Applied { outputs: json!({ "status": answer.status }) })
    }

    async fn prove(&self, call: &Call, _snapshot: &Value, applied: &Applied) -> Result<Evidence, ActionError> {
        let shown = call.recorder.redact(&order(call)?.shown_host());
        Ok(Evidence::new(json!({ "told": shown, "status": applied.outputs["status"] })))
    }

    async fn undo(&self, _call: &Call, _snapshot: &Value) -> Result<Evidence, ActionError> {
        Ok(Evidence::new(json!({ "undo": "a notice cannot be taken back, and need not be" })))
    }
}
