//! `haproxy.maintenance`: a backend, or some of its servers, takes no traffic. The rest of the night is behind this door.

use async_trait::async_trait;
use serde_json::json;

use super::chosen::{Chosen, Held, Sight, names};
use super::fleet::restore;
use super::server::Mode;
use super::session::{AskError, SETTLE};
use super::shut::{left, shut, statements};
use crate::connectors::{Act, ActionError, Applied, Call, Evidence, Inspect, Inspection, Probed};
use crate::model::Value;

/// The action.
#[derive(Debug)]
pub struct Maintenance;

/// What a step asks for.
struct Order {
    chosen: Chosen,
    cut: bool,
}

impl Order {
    fn of(call: &Call) -> Result<Self, ActionError> {
        let chosen = Chosen::of(call, Mode::Maintenance, "leave `servers` out to close the whole backend")?;
        Ok(Self { chosen, cut: call.params.flag("cut")? })
    }
}

#[async_trait]
impl Inspect for Maintenance {
    fn name(&self) -> &'static str {
        "haproxy.maintenance"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let order = Order::of(call)?;
        let (sight, mut inspection) = order.chosen.inspect(call).await?;
        if order.cut {
            inspection.statements.extend(statements(&sight.fleet, &order.chosen.backend, &names(&sight.wanted)));
        }
        inspection.expected_ms = Some(if order.cut { 500 } else { 50 });
        Ok(inspection)
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        Order::of(call)?.chosen.capture(call).await
    }

    async fn probe(&self, call: &Call, snapshot: &Value) -> Result<Probed, ActionError> {
        let found = Order::of(call)?.chosen.probe(call, snapshot).await?;
        let (servers, processes, sessions) = (names(&found.wanted).len(), found.wanted.len(), found.sessions);
        let outputs = json!({ "servers": servers, "processes": processes, "sessions": sessions, "cut": 0 });
        Ok(Probed { finding: found.finding, outputs, facts: json!({ "sessions": sessions }) })
    }
}

#[async_trait]
impl Act for Maintenance {
    async fn apply(&self, call: &Call, _snapshot: &Value) -> Result<Applied, ActionError> {
        let order = Order::of(call)?;
        let Sight { mut fleet, seen, wanted } = order.chosen.ensure(call).await?;
        let names = names(&wanted);
        let cut = if order.cut { shut(&mut fleet, &order.chosen.backend, &names, SETTLE).await? } else { 0 };
        let touched = |error: AskError| ActionError::touched(error.to_string());
        let sessions = left(&mut fleet, &order.chosen.backend, &names).await.map_err(touched)?;
        call.recorder.progress(&format!("`{}`: {} closed, {sessions} sessions are left", order.chosen.backend, names.join(", ")));
        Ok(Applied { outputs: json!({ "servers": names.len(), "processes": seen.len(), "sessions": sessions, "cut": cut }) })
    }

    async fn prove(&self, call: &Call, _snapshot: &Value, _applied: &Applied) -> Result<Evidence, ActionError> {
        let order = Order::of(call)?;
        let Held { identity, servers, sessions } = order.chosen.hold(call).await?;
        if order.cut && sessions > 0 {
            return Err(ActionError::touched(format!(
                "`{}` still has {sessions} sessions after they were shut",
                order.chosen.backend
            )));
        }
        Ok(Evidence::new(json!({ "identity": identity, "servers": servers, "sessions": sessions })))
    }

    async fn undo(&self, call: &Call, snapshot: &Value) -> Result<Evidence, ActionError> {
        restore(call, &Order::of(call)?.chosen.backend, snapshot).await
    }
}
