//! An action without an effect, so that all that is measured is what stands around it.

use std::time::Duration;

use async_trait::async_trait;
use pointsman::connectors::{Act, ActionError, Applied, Call, Evidence, Inspect, Inspection, Probed};
use pointsman::model::{Finding, Value};
use serde_json::json;

/// An action that takes a while, or no time, and does nothing.
pub struct Idle {
    /// How long applying it takes.
    pub apply: Duration,
}

#[async_trait]
impl Inspect for Idle {
    fn name(&self) -> &'static str {
        "command"
    }

    async fn inspect(&self, _: &Call) -> Result<Inspection, ActionError> {
        Ok(Inspection::default())
    }

    async fn capture(&self, _: &Call) -> Result<Value, ActionError> {
        Ok(Value::Null)
    }

    async fn probe(&self, _: &Call, _: &Value) -> Result<Probed, ActionError> {
        Ok(Probed { finding: Finding::NotApplied, outputs: Value::Null, facts: Value::Null })
    }
}

#[async_trait]
impl Act for Idle {
    async fn apply(&self, _: &Call, _: &Value) -> Result<Applied, ActionError> {
        if !self.apply.is_zero() {
            tokio::time::sleep(self.apply).await;
        }
        Ok(Applied { outputs: json!({ "exit_code": 0 }) })
    }

    async fn prove(&self, _: &Call, _: &Value, applied: &Applied) -> Result<Evidence, ActionError> {
        Ok(Evidence::new(applied.outputs.clone()))
    }

    async fn undo(&self, _: &Call, _: &Value) -> Result<Evidence, ActionError> {
        Ok(Evidence::new(Value::Null))
    }
}
