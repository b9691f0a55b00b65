//! `http.request`: one request that may change something. Never sent is untouched; sent and unanswered is in doubt.

use async_trait::async_trait;
use reqwest::Method;
use serde_json::json;

use super::exchange::{Order, Trouble};
use crate::connectors::patience::Patience;
use crate::connectors::{Act, ActionError, Applied, Call, Evidence, Inspect, Inspection, Probed};
use crate::model::{Digest, Finding, Value};

/// The action.
#[derive(Debug)]
pub struct HttpRequest;

fn order(call: &Call) -> Result<Order, ActionError> {
    let params = &call.params;
    let mut order = Order::of(params)?;
    if params.opt_text("method")?.is_none() {
        order = order.method(Method::POST);
    }
    match (params.get("json"), params.opt_text("body")?) {
        (None, None) => Ok(order),
        (Some(json), None) => Ok(order.json(json)),
        (None, Some(body)) => Ok(order.text(body)),
        (Some(_), Some(_)) => Err(ActionError::untouched("give either `json` or `body`, not both")),
    }
}

#[async_trait]
impl Inspect for HttpRequest {
    fn name(&self) -> &'static str {
        "http.request"
    }

    /// What would be sent. Nothing is: only the author knows which requests are harmless.
    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let mut statements = vec![call.recorder.redact(&order(call)?.shown())];
        if let Some(prove) = Order::nested(&call.params, "prove")? {
            statements.push(call.recorder.redact(&prove.shown()));
        }
        Ok(Inspection { statements, ..Inspection::default() })
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        order(call)?;
        Ok(Value::Null)
    }

    async fn probe(&self, call: &Call, _snapshot: &Value) -> Result<Probed, ActionError> {
        let unknown = |why: String| Probed { finding: Finding::Unknown(why), outputs: Value::Null, facts: Value::Null };
        let Some(probe) = Order::nested(&call.params, "probe")? else {
            return Ok(unknown("the step has no `probe` to look with".to_owned()));
        };
        let shown = call.recorder.redact(&probe.shown());
        match probe.send(call, &Patience::of(call), &shown).await {
            Ok(answer) => {
                let finding = if probe.expect.check(&answer).is_ok() { Finding::Applied } else { Finding::NotApplied };
                let facts = json!({ "asked": shown, "answer": answer.facts(&call.recorder) });
                Ok(Probed { finding, outputs: Value::Null, facts })
            }
            Err(trouble) => Ok(unknown(format!("the probe `{shown}`: {trouble}"))),
        }
    }
}

#[async_trait]
impl Act for HttpRequest {
    async fn apply(&self, call: &Call, _snapshot: &Value) -> Result<Applied, ActionError> {
        let order = order(call)?;
        let shown = call.recorder.redact(&order.shown());
        let answer = order.send(call, &Patience::of(call), &shown).await.map_err(|trouble| {
            let text = format!("`{shown}`: {trouble}");
            match trouble {
                Trouble::NotSent(_) | Trouble::Stopped(_) => ActionError::untouched(text),
                Trouble::NoAnswer(_) => ActionError::in_doubt(text),
            }
        })?;
        let unexpected = |why: String| ActionError::touched(call.recorder.redact(&format!("`{shown}`: {why}")));
        order.expect.check(&answer).map_err(unexpected)?;
        Ok(Applied { outputs: answer.outputs(&call.recorder) })
    }

    async fn prove(&self, call: &Call, _snapshot: &Value, applied: &Applied) -> Result<Evidence, ActionError> {
        let digest = Digest::of(applied.outputs["body"].to_string().as_bytes()).to_string();
        let answered = json!({ "status": applied.outputs["status"], "body": digest });
        let Some(prove) = Order::nested(&call.params, "prove")? else {
            let proof = "the answer to the request itself; the step has no `prove`";
            return Ok(Evidence::new(json!({ "answer": answered, "proof": proof })));
        };
        let shown = call.recorder.redact(&prove.shown());
        let failed =
            |why: String| ActionError::touched(call.recorder.redact(&format!("the effect is not proven: `{shown}`: {why}")));
        let answer = prove.send(call, &Patience::of(call), &shown).await.map_err(|trouble| failed(trouble.to_string()))?;
        prove.expect.check(&answer).map_err(failed)?;
        Ok(Evidence::new(json!({ "answer": answered, "asked": shown, "proof": answer.facts(&call.recorder) })))
    }

    async fn undo(&self, call: &Call, _snapshot: &Value) -> Result<Evidence, ActionError> {
        let shown = call.recorder.redact(&order(call)?.shown());
        Err(ActionError::untouched("only the author knows the way back from a request")
            .manual(vec![format!("# undo by hand: {shown}")]))
    }
}
