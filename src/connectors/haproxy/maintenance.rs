//! `haproxy.maintenance`: a backend, or some of its servers, takes no traffic. The rest of the night is behind this door.

use async_trait::async_trait;
use serde_json::json;

use super::fleet::{Fleet, Seen, finding, from_value, in_order, restore, to_value};
use super::server::{Mode, Setting, name};
use super::session::SETTLE;
use super::shut::{left, shut};
use crate::connectors::{Act, ActionError, Applied, Blocker, Call, Evidence, Inspect, Inspection, Probed};
use crate::model::Value;

/// The action.
#[derive(Debug)]
pub struct Maintenance;

/// What a step asks for.
struct Order {
    backend: String,
    /// Empty means the whole backend.
    servers: Vec<String>,
    cut: bool,
}

impl Order {
    fn of(call: &Call) -> Result<Self, ActionError> {
        let servers = call.params.texts("servers")?;
        for server in &servers {
            name(server)?;
        }
        Ok(Self { backend: name(call.params.text("backend")?)?.to_owned(), servers, cut: call.params.flag("cut")? })
    }

    /// The servers that this is about, with maintenance as their state. Weights stay as they are.
    fn wanted(&self, seen: &Seen) -> Result<Vec<Vec<Setting>>, ActionError> {
        let mut all = Vec::new();
        for servers in seen {
            if let Some(unknown) = self.servers.iter().find(|name| !servers.iter().any(|s| s.setting.name == **name)) {
                return Err(ActionError::untouched(format!("`{}` has no server `{unknown}`", self.backend)));
            }
            let chosen = servers.iter().filter(|s| self.servers.is_empty() || self.servers.contains(&s.setting.name));
            all.push(chosen.map(|s| Setting { mode: Mode::Maintenance, ..s.setting.clone() }).collect());
        }
        Ok(all)
    }

    /// Whether naming servers would close the whole backend: then it has to be said as that.
    fn emptied(&self, seen: &Seen) -> Option<String> {
        let is_empty = |servers: &Vec<super::server::Server>| {
            servers.iter().any(super::server::Server::is_open)
                && !servers.iter().any(|s| s.is_open() && !self.servers.contains(&s.setting.name))
        };
        (!self.servers.is_empty() && seen.iter().any(is_empty))
            .then(|| format!("no server of `{}` would be left: leave `servers` out to close the whole backend", self.backend))
    }

    fn names(wanted: &[Vec<Setting>]) -> Vec<String> {
        wanted.first().map_or_else(Vec::new, |settings| settings.iter().map(|s| s.name.clone()).collect())
    }
}

#[async_trait]
impl Inspect for Maintenance {
    fn name(&self) -> &'static str {
        "haproxy.maintenance"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let (order, mut fleet) = (Order::of(call)?, Fleet::open(call).await?);
        let seen = fleet.see(&order.backend).await?;
        let wanted = order.wanted(&seen)?;
        let mut statements = fleet.statements(&order.backend, &seen, &wanted);
        let names = Order::names(&wanted);
        let sessions = left(&mut fleet, &order.backend, &names).await?;
        if order.cut {
            statements.extend(super::shut::statements(&fleet, &order.backend, &names));
        }
        let before: Vec<Vec<Setting>> = seen.iter().map(|servers| servers.iter().map(|s| s.setting.clone()).collect()).collect();
        let after = super::fleet::with(&seen, &wanted);
        let mut blockers = fleet.level_blockers().await?;
        blockers.extend(order.emptied(&seen).map(|what| Blocker { what, owner: None }));
        let servers: Value = seen.iter().map(|s| s.iter().map(|s| s.setting.to_value()).collect::<Value>()).collect();
        Ok(Inspection {
            identity: fleet.identity(),
            state: json!({ "backend": order.backend, "servers": servers, "sessions": sessions }),
            statements,
            undo_statements: fleet.statements(&order.backend, &after, &before),
            blockers,
            expected_ms: Some(if order.cut { 500 } else { 50 }),
        })
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        let (order, mut fleet) = (Order::of(call)?, Fleet::open(call).await?);
        let seen = fleet.see(&order.backend).await?;
        let wanted = order.wanted(&seen)?;
        // Only what this step touches is saved: the others are somebody else's.
        Ok(to_value(&fleet, &super::fleet::only(&seen, &Order::names(&wanted))))
    }

    async fn probe(&self, call: &Call, snapshot: &Value) -> Result<Probed, ActionError> {
        let (order, mut fleet) = (Order::of(call)?, Fleet::open(call).await?);
        let seen = fleet.see(&order.backend).await?;
        let (wanted, saved) = (order.wanted(&seen)?, in_order(&fleet, &from_value(snapshot)?)?);
        let sessions = left(&mut fleet, &order.backend, &Order::names(&wanted)).await?;
        let outputs = json!({ "servers": Order::names(&wanted).len(), "processes": seen.len(), "sessions": sessions, "cut": 0 });
        Ok(Probed { finding: finding(&seen, &wanted, &saved), outputs, facts: json!({ "sessions": sessions }) })
    }
}

#[async_trait]
impl Act for Maintenance {
    async fn apply(&self, call: &Call, _snapshot: &Value) -> Result<Applied, ActionError> {
        let (order, mut fleet) = (Order::of(call)?, Fleet::open(call).await?);
        let seen = fleet.see(&order.backend).await?;
        if let Some(why) = order.emptied(&seen) {
            return Err(ActionError::untouched(why));
        }
        let wanted = order.wanted(&seen)?;
        fleet.ensure(&order.backend, &wanted).await?;
        let names = Order::names(&wanted);
        let cut = if order.cut { shut(&mut fleet, &order.backend, &names, SETTLE).await? } else { 0 };
        let touched = |error: super::session::AskError| ActionError::touched(error.to_string());
        let sessions = left(&mut fleet, &order.backend, &names).await.map_err(touched)?;
        call.recorder.progress(&format!("`{}`: {} closed, {sessions} sessions are left", order.backend, names.join(", ")));
        Ok(Applied { outputs: json!({ "servers": names.len(), "processes": seen.len(), "sessions": sessions, "cut": cut }) })
    }

    async fn prove(&self, call: &Call, _snapshot: &Value, _applied: &Applied) -> Result<Evidence, ActionError> {
        let (order, mut fleet) = (Order::of(call)?, Fleet::open(call).await.map_err(ActionError::after_change)?);
        let seen = fleet.see(&order.backend).await.map_err(ActionError::after_change)?;
        let wanted = order.wanted(&seen).map_err(ActionError::after_change)?;
        fleet.hold(&order.backend, &wanted).await?;
        let names = Order::names(&wanted);
        let sessions = left(&mut fleet, &order.backend, &names).await.map_err(|e| ActionError::touched(e.to_string()))?;
        if order.cut && sessions > 0 {
            return Err(ActionError::touched(format!("`{}` still has {sessions} sessions after they were shut", order.backend)));
        }
        let servers: Value = wanted.iter().map(|s| s.iter().map(Setting::to_value).collect::<Value>()).collect();
        Ok(Evidence::new(json!({ "identity": fleet.identity(), "servers": servers, "sessions": sessions })))
    }

    async fn undo(&self, call: &Call, snapshot: &Value) -> Result<Evidence, ActionError> {
        restore(call, &Order::of(call)?.backend, snapshot).await
    }
}
