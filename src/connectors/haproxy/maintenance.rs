//! `haproxy.maintenance`: a backend, or some of its servers, takes no traffic. The rest of the night is behind this door.

use async_trait::async_trait;
use serde_json::json;

use super::chosen::{Chosen, names};
use super::fleet::{Fleet, Seen, finding, from_value, in_order, restore, to_value};
use super::server::{Mode, Setting};
use super::session::SETTLE;
use super::shut::{left, shut};
use crate::connectors::{Act, ActionError, Applied, Blocker, Call, Evidence, Inspect, Inspection, Probed};
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
        Ok(Self { chosen: Chosen::of(call, Mode::Maintenance)?, cut: call.params.flag("cut")? })
    }

    /// Whether naming servers would close the whole backend: then it has to be said as that.
    fn emptied(&self, seen: &Seen) -> Option<String> {
        let why = self.chosen.emptied(seen)?;
        (!self.chosen.servers.is_empty()).then(|| format!("{why}: leave `servers` out to close the whole backend"))
    }
}

#[async_trait]
impl Inspect for Maintenance {
    fn name(&self) -> &'static str {
        "haproxy.maintenance"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let (order, mut fleet) = (Order::of(call)?, Fleet::open(call).await?);
        let seen = fleet.see(&order.chosen.backend).await?;
        let wanted = order.chosen.wanted(&seen)?;
        let mut statements = fleet.statements(&order.chosen.backend, &seen, &wanted);
        let names = names(&wanted);
        let sessions = left(&mut fleet, &order.chosen.backend, &names).await?;
        if order.cut {
            statements.extend(super::shut::statements(&fleet, &order.chosen.backend, &names));
        }
        let before: Vec<Vec<Setting>> = seen.iter().map(|servers| servers.iter().map(|s| s.setting.clone()).collect()).collect();
        let after = super::fleet::with(&seen, &wanted);
        let mut blockers = fleet.level_blockers().await?;
        blockers.extend(order.emptied(&seen).map(|what| Blocker { what, owner: None }));
        let servers: Value = seen.iter().map(|s| s.iter().map(|s| s.setting.to_value()).collect::<Value>()).collect();
        Ok(Inspection {
            identity: fleet.identity(),
            state: json!({ "backend": order.chosen.backend, "servers": servers, "sessions": sessions }),
            statements,
            undo_statements: fleet.statements(&order.chosen.backend, &after, &before),
            blockers,
            expected_ms: Some(if order.cut { 500 } else { 50 }),
        })
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        let (order, mut fleet) = (Order::of(call)?, Fleet::open(call).await?);
        let seen = fleet.see(&order.chosen.backend).await?;
        let wanted = order.chosen.wanted(&seen)?;
        // Only what this step touches is saved: the others are somebody else's.
        Ok(to_value(&fleet, &super::fleet::only(&seen, &names(&wanted))))
    }

    async fn probe(&self, call: &Call, snapshot: &Value) -> Result<Probed, ActionError> {
        let (order, mut fleet) = (Order::of(call)?, Fleet::open(call).await?);
        let seen = fleet.see(&order.chosen.backend).await?;
        let (wanted, saved) = (order.chosen.wanted(&seen)?, in_order(&fleet, &from_value(snapshot)?)?);
        let sessions = left(&mut fleet, &order.chosen.backend, &names(&wanted)).await?;
        let outputs = json!({ "servers": names(&wanted).len(), "processes": seen.len(), "sessions": sessions, "cut": 0 });
        Ok(Probed { finding: finding(&seen, &wanted, &saved), outputs, facts: json!({ "sessions": sessions }) })
    }
}

#[async_trait]
impl Act for Maintenance {
    async fn apply(&self, call: &Call, _snapshot: &Value) -> Result<Applied, ActionError> {
        let (order, mut fleet) = (Order::of(call)?, Fleet::open(call).await?);
        let seen = fleet.see(&order.chosen.backend).await?;
        if let Some(why) = order.emptied(&seen) {
            return Err(ActionError::untouched(why));
        }
        let wanted = order.chosen.wanted(&seen)?;
        fleet.ensure(&order.chosen.backend, &wanted).await?;
        let names = names(&wanted);
        let cut = if order.cut { shut(&mut fleet, &order.chosen.backend, &names, SETTLE).await? } else { 0 };
        let touched = |error: super::session::AskError| ActionError::touched(error.to_string());
        let sessions = left(&mut fleet, &order.chosen.backend, &names).await.map_err(touched)?;
        call.recorder.progress(&format!("`{}`: {} closed, {sessions} sessions are left", order.chosen.backend, names.join(", ")));
        Ok(Applied { outputs: json!({ "servers": names.len(), "processes": seen.len(), "sessions": sessions, "cut": cut }) })
    }

    async fn prove(&self, call: &Call, _snapshot: &Value, _applied: &Applied) -> Result<Evidence, ActionError> {
        let (order, mut fleet) = (Order::of(call)?, Fleet::open(call).await.map_err(ActionError::after_change)?);
        let seen = fleet.see(&order.chosen.backend).await.map_err(ActionError::after_change)?;
        let wanted = order.chosen.wanted(&seen).map_err(ActionError::after_change)?;
        fleet.hold(&order.chosen.backend, &wanted).await?;
        let names = names(&wanted);
        let sessions = left(&mut fleet, &order.chosen.backend, &names).await.map_err(|e| ActionError::touched(e.to_string()))?;
        if order.cut && sessions > 0 {
            return Err(ActionError::touched(format!(
                "`{}` still has {sessions} sessions after they were shut",
                order.chosen.backend
            )));
        }
        let servers: Value = wanted.iter().map(|s| s.iter().map(Setting::to_value).collect::<Value>()).collect();
        Ok(Evidence::new(json!({ "identity": fleet.identity(), "servers": servers, "sessions": sessions })))
    }

    async fn undo(&self, call: &Call, snapshot: &Value) -> Result<Evidence, ActionError> {
        restore(call, &Order::of(call)?.chosen.backend, snapshot).await
    }
}
