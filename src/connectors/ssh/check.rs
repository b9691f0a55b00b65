//! `ssh.check`: a program at a host that only looks.

use async_trait::async_trait;
use serde_json::json;

use super::order::{Order, last_words, outputs};
use super::session::with_host;
use crate::connectors::{Act, ActionError, Applied, Call, Evidence, Inspect, Inspection, Probed, own_target};
use crate::model::{Digest, Value};

/// The action.
#[derive(Debug)]
pub struct SshCheck;

#[async_trait]
impl Inspect for SshCheck {
    fn name(&self) -> &'static str {
        "ssh.check"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let order = Order::of(call)?;
        with_host(call, own_target(call)?, move |host| {
            Ok(Inspection { identity: host.identity(), statements: vec![order.shown(host)], ..Inspection::default() })
        })
        .await
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        Order::of(call)?;
        Ok(Value::Null)
    }

    async fn probe(&self, _call: &Call, _snapshot: &Value) -> Result<Probed, ActionError> {
        Ok(Probed::nothing_left())
    }
}

#[async_trait]
impl Act for SshCheck {
    async fn apply(&self, call: &Call, _snapshot: &Value) -> Result<Applied, ActionError> {
        let order = Order::of(call)?;
        with_host(call, own_target(call)?, move |host| {
            let shown = order.shown(host);
            let script = format!("{}exec {}", order.setting(host), order.starting(host));
            let failed = |why: String| ActionError::untouched(format!("`{shown}` at {} {why}", host.shown()));
            let (end, out, err) = host
                .streamed(&shown, &script, order.stdin.as_bytes())
                .map_err(|error| failed(format!("has no answer: {error}")))?;
            order.check(&end, &out.raw).map_err(|why| failed(format!("{why}{}", last_words(&out, &err))))?;
            Ok(Applied { outputs: outputs(&end, &out, &err) })
        })
        .await
    }

    async fn prove(&self, _call: &Call, _snapshot: &Value, applied: &Applied) -> Result<Evidence, ActionError> {
        let printed = Digest::of(applied.outputs["stdout"].to_string().as_bytes()).to_string();
        Ok(Evidence::new(json!({ "exit_code": applied.outputs["exit_code"], "stdout": printed })))
    }

    async fn undo(&self, _call: &Call, _snapshot: &Value) -> Result<Evidence, ActionError> {
        Ok(Evidence::new(json!({ "changed": false })))
    }
}
