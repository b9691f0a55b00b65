//! `command.check`: a program that only looks. It needs no way back, and running it again is harmless.

use async_trait::async_trait;
use serde_json::json;

use super::action::{complaint, inspection, outputs};
use super::child::{End, Failure, Role, run};
use super::order::Order;
use crate::connectors::patience::Patience;
use crate::connectors::{Act, ActionError, Applied, Call, Evidence, Inspect, Inspection, Probed};
use crate::model::{Digest, Value};

/// The action.
#[derive(Debug)]
pub struct CommandCheck;

#[async_trait]
impl Inspect for CommandCheck {
    fn name(&self) -> &'static str {
        "command.check"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        Ok(inspection(call, &Order::of(call)?.program, &[]))
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
impl Act for CommandCheck {
    async fn apply(&self, call: &Call, _snapshot: &Value) -> Result<Applied, ActionError> {
        let order = Order::of(call)?;
        let shown = order.program.shown();
        let error = |what: String| ActionError::untouched(call.recorder.redact(&what));
        let ended = run(call, &order.program, Role::Looking, &Patience::of(call)).await.map_err(|failure| match failure {
            Failure::NotStarted(why) => error(format!("`{shown}` could not be started: {why}")),
            Failure::Ended(stopped) => error(format!("`{shown}` was ended: {stopped}")),
            Failure::Alive(_, alive) => error(format!("`{shown}` could not be ended: {} live on", alive.len())),
            Failure::Lost(why) => error(format!("the end of `{shown}` could not be awaited: {why}")),
        })?;
        match ended.end {
            End::Code(code) if order.accepts(code) => {}
            End::Code(_) | End::Signal(_) => return Err(error(format!("`{shown}` {}{}", ended.end, complaint(&ended)))),
        }
        order.check_stdout(&ended.stdout.raw).map_err(|why| error(format!("`{shown}` printed something else: {why}")))?;
        Ok(Applied { outputs: outputs(&ended) })
    }

    /// What it answered is the evidence.
    async fn prove(&self, call: &Call, _snapshot: &Value, applied: &Applied) -> Result<Evidence, ActionError> {
        let asked = call.recorder.redact(&Order::of(call)?.program.shown());
        let printed = Digest::of(applied.outputs["stdout"].to_string().as_bytes()).to_string();
        Ok(Evidence::new(json!({ "asked": asked, "exit_code": applied.outputs["exit_code"], "stdout": printed })))
    }

    async fn undo(&self, _call: &Call, _snapshot: &Value) -> Result<Evidence, ActionError> {
        Ok(Evidence::nothing_changed())
    }
}
