//! `haproxy.switch`: the traffic of a backend goes to other servers of it, by absolute weights.

use async_trait::async_trait;
use serde_json::json;

use super::climb::{Fall, Stage, before, climb, shown, stages};
use super::fleet::{Fleet, Seen, finding, from_value, in_order, only, restore, to_value, with};
use super::server::{Mode, Server, Setting, name};
use super::session::SETTLE;
use super::shut::{left, shut};
use super::weights::whole;
use crate::connectors::ramp::Ramp;
use crate::connectors::{Act, ActionError, Applied, Blocker, Call, Evidence, Inspect, Inspection, Probed};
use crate::model::{Finding, Value};

/// The action.
#[derive(Debug)]
pub struct Switch;

/// What a step asks for.
struct Order {
    backend: String,
    to: String,
    /// The servers of the new side.
    new: Vec<String>,
    /// The servers of the old side; all others that are no backups when empty.
    old: Vec<String>,
    cut: bool,
}

/// The two sides of a backend.
pub(super) struct Sides {
    pub(super) new: Vec<String>,
    pub(super) old: Vec<String>,
}

impl Order {
    fn of(call: &Call) -> Result<Self, ActionError> {
        let (to, mut new, old) = (call.params.text("to")?.to_owned(), call.params.texts("servers")?, call.params.texts("from")?);
        if new.is_empty() {
            new.push(to.clone());
        }
        for server in new.iter().chain(&old) {
            name(server)?;
        }
        if let Some(both) = new.iter().find(|server| old.contains(server)) {
            return Err(ActionError::untouched(format!("`{both}` cannot be on both sides")));
        }
        let cut = call.params.opt_text("persistent")? == Some("cut");
        Ok(Self { backend: name(call.params.text("backend")?)?.to_owned(), to, new, old, cut })
    }

    /// Which servers are on which side. A backup server is on none: its weight matters when all others are gone.
    async fn sides(&self, fleet: &mut Fleet, seen: &Seen) -> Result<Sides, ActionError> {
        let known: Vec<_> = seen.first().into_iter().flatten().map(|server| server.setting.name.clone()).collect();
        if let Some(unknown) = self.new.iter().chain(&self.old).find(|name| !known.contains(name)) {
            return Err(ActionError::untouched(format!("`{}` has no server `{unknown}`", self.backend))
                .hint("`servers` names the servers of the new side where `to` is not one itself"));
        }
        let Some(session) = fleet.0.first_mut() else { return Err(ActionError::untouched("the target has no process")) };
        let rows = super::stats::rows(session, &self.backend).await?;
        let is_backup = |name: &String| rows.iter().any(|row| row.server == *name && row.number("bck") == 1);
        if let Some(backup) = self.new.iter().find(|name| is_backup(name)) {
            return Err(ActionError::untouched(format!(
                "`{backup}` is a backup server: it gets traffic only when all others fail"
            )));
        }
        let others = known.iter().filter(|name| !self.new.contains(name) && !is_backup(name));
        let old = if self.old.is_empty() { others.cloned().collect() } else { self.old.clone() };
        Ok(Sides { new: self.new.clone(), old })
    }

    /// The end of the switch, in every process.
    fn wanted(&self, sides: &Sides, seen: &Seen) -> Vec<Vec<Setting>> {
        let of_process = |servers: &Vec<Server>| {
            let new = members(servers, &sides.new);
            let opened = new.iter().zip(whole(&new, servers)).map(|(server, weight)| Setting {
                mode: Mode::Ready,
                weight,
                ..server.setting.clone()
            });
            let closed = members(servers, &sides.old).into_iter().map(|server| Setting {
                weight: 0,
                mode: if self.cut { Mode::Maintenance } else { server.setting.mode },
                ..server.setting.clone()
            });
            opened.chain(closed).collect()
        };
        seen.iter().map(of_process).collect()
    }
}

/// The servers of these names, in their order.
pub(super) fn members<'a>(servers: &'a [Server], names: &[String]) -> Vec<&'a Server> {
    names.iter().filter_map(|name| servers.iter().find(|server| server.setting.name == *name)).collect()
}

/// Why the new side cannot take the traffic, if so.
fn unready(sides: &Sides, fleet: &Fleet, seen: &Seen) -> Option<String> {
    fleet.0.iter().zip(seen).find_map(|(session, servers)| {
        let down: Vec<_> = members(servers, &sides.new)
            .into_iter()
            .filter(|server| server.setting.mode != Mode::Maintenance && !server.is_up)
            .map(|server| server.setting.name.clone())
            .collect();
        (!down.is_empty()).then(|| format!("{}: {} is down: the backend would be empty", session.address, down.join(", ")))
    })
}

/// Opens the new side without weight where it was closed, so that nothing goes there before it is known to be up.
async fn open_without_weight(order: &Order, fleet: &mut Fleet, sides: &Sides, seen: Seen) -> Result<Seen, ActionError> {
    if !seen.iter().any(|servers| members(servers, &sides.new).iter().any(|s| s.setting.mode != Mode::Ready)) {
        return Ok(seen);
    }
    for mode in [None, Some(Mode::Ready)] {
        let of_process = |servers: &Vec<Server>| {
            let closed = members(servers, &sides.new).into_iter().filter(|s| s.setting.mode != Mode::Ready);
            closed.map(|s| Setting { weight: 0, mode: mode.unwrap_or(s.setting.mode), ..s.setting.clone() }).collect::<Vec<_>>()
        };
        let wanted: Vec<_> = seen.iter().map(of_process).collect();
        fleet.ensure(&order.backend, &wanted).await?;
    }
    fleet.see(&order.backend).await.map_err(ActionError::after_change)
}

fn outputs(order: &Order, processes: usize, stages: Vec<Value>, sessions: u64, cut: u64) -> Value {
    json!({ "to": order.to, "processes": processes, "stages": stages, "old_sessions": sessions, "cut": cut })
}

#[async_trait]
impl Inspect for Switch {
    fn name(&self) -> &'static str {
        "haproxy.switch"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let (order, mut fleet) = (Order::of(call)?, Fleet::open(call).await?);
        let seen = fleet.see(&order.backend).await?;
        let sides = order.sides(&mut fleet, &seen).await?;
        let wanted = order.wanted(&sides, &seen);
        let ramp = Ramp::of(&call.params)?;
        let before: Vec<Vec<Setting>> = seen.iter().map(|servers| servers.iter().map(|s| s.setting.clone()).collect()).collect();
        let climb = stages(&ramp, &sides, &seen, &before)?;
        let (mut statements, mut now) = (Vec::new(), seen.clone());
        for next in climb.iter().map(|stage| &stage.wanted).chain([&wanted]) {
            statements.extend(fleet.statements(&order.backend, &now, next));
            now = with(&now, next);
        }
        if order.cut {
            statements.extend(super::shut::statements(&fleet, &order.backend, &sides.old));
        }
        let mut blockers = fleet.level_blockers().await?;
        blockers.extend(unready(&sides, &fleet, &seen).map(|what| Blocker { what, owner: None }));
        let sessions = left(&mut fleet, &order.backend, &sides.old).await?;
        let servers: Value = seen.iter().map(|s| s.iter().map(|s| s.setting.to_value()).collect::<Value>()).collect();
        Ok(Inspection {
            identity: fleet.identity(),
            state: json!({
                "backend": order.backend, "servers": servers, "old_sessions": sessions,
                "stages": shown(&climb), "ramp": ramp.shown(call),
            }),
            statements,
            undo_statements: fleet.statements(&order.backend, &with(&seen, &wanted), &before),
            blockers,
            expected_ms: Some(100 + u64::try_from(ramp.length().as_millis()).unwrap_or(u64::MAX)),
        })
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        let (order, mut fleet) = (Order::of(call)?, Fleet::open(call).await?);
        let seen = fleet.see(&order.backend).await?;
        let sides = order.sides(&mut fleet, &seen).await?;
        let names: Vec<_> = sides.new.iter().chain(&sides.old).cloned().collect();
        Ok(to_value(&fleet, &only(&seen, &names)))
    }

    async fn probe(&self, call: &Call, snapshot: &Value) -> Result<Probed, ActionError> {
        let (order, mut fleet) = (Order::of(call)?, Fleet::open(call).await?);
        let seen = fleet.see(&order.backend).await?;
        let sides = order.sides(&mut fleet, &seen).await?;
        let (wanted, saved) = (order.wanted(&sides, &seen), in_order(&fleet, &from_value(snapshot)?)?);
        let sessions = left(&mut fleet, &order.backend, &sides.old).await?;
        let facts = json!({ "old_sessions": sessions });
        Ok(Probed {
            finding: finding(&seen, &wanted, &saved),
            outputs: outputs(&order, seen.len(), Vec::new(), sessions, 0),
            facts,
        })
    }
}

impl Switch {
    async fn go(
        &self,
        call: &Call,
        order: &Order,
        fleet: &mut Fleet,
        sides: &Sides,
        seen: Seen,
        (ramp, climb_by): (&Ramp, &[Stage]),
    ) -> Result<Vec<Value>, Fall> {
        let opened = open_without_weight(order, fleet, sides, seen).await.map_err(Fall::Failed)?;
        if let Some(why) = unready(sides, fleet, &opened) {
            return Err(Fall::Failed(ActionError::touched(why)));
        }
        climb(call, fleet, &order.backend, sides, ramp, climb_by).await
    }
}

#[async_trait]
impl Act for Switch {
    async fn apply(&self, call: &Call, snapshot: &Value) -> Result<Applied, ActionError> {
        let (order, ramp) = (Order::of(call)?, Ramp::of(&call.params)?);
        ramp.patience(call)?;
        let mut fleet = Fleet::open(call).await?;
        let seen = fleet.see(&order.backend).await?;
        let sides = order.sides(&mut fleet, &seen).await?;
        if let Some(why) = unready(&sides, &fleet, &seen) {
            return Err(ActionError::untouched(why));
        }
        let before = before(&fleet, snapshot)?;
        let wanted = order.wanted(&sides, &seen);
        let told = if finding(&seen, &wanted, &before) == Finding::Applied {
            Vec::new()
        } else {
            // Refused before anything is sent, where weights cannot give a share.
            let climb = stages(&ramp, &sides, &seen, &before)?;
            match self.go(call, &order, &mut fleet, &sides, seen.clone(), (&ramp, &climb)).await {
                Ok(told) => told,
                Err(fall) => {
                    let what = format!("every server of `{}`", order.backend);
                    return Err(fall.land(call, &what, restore(call, &order.backend, snapshot)).await);
                }
            }
        };
        fleet.ensure(&order.backend, &wanted).await.map_err(ActionError::after_change)?;
        let cut = if order.cut { shut(&mut fleet, &order.backend, &sides.old, SETTLE).await? } else { 0 };
        let sessions = left(&mut fleet, &order.backend, &sides.old).await.map_err(|e| ActionError::touched(e.to_string()))?;
        call.recorder.progress(&format!("`{}` goes to {}; {sessions} old sessions are left", order.backend, order.to));
        Ok(Applied { outputs: outputs(&order, seen.len(), told, sessions, cut) })
    }

    async fn prove(&self, call: &Call, _snapshot: &Value, _applied: &Applied) -> Result<Evidence, ActionError> {
        let (order, mut fleet) = (Order::of(call)?, Fleet::open(call).await.map_err(ActionError::after_change)?);
        let seen = fleet.see(&order.backend).await.map_err(ActionError::after_change)?;
        let sides = order.sides(&mut fleet, &seen).await.map_err(ActionError::after_change)?;
        let wanted = order.wanted(&sides, &seen);
        let seen = fleet.hold(&order.backend, &wanted).await?;
        if let Some(why) = unready(&sides, &fleet, &seen) {
            return Err(ActionError::touched(why));
        }
        let sessions = left(&mut fleet, &order.backend, &sides.old).await.map_err(|e| ActionError::touched(e.to_string()))?;
        if order.cut && sessions > 0 {
            return Err(ActionError::touched(format!("{sessions} sessions are still with the old side after they were shut")));
        }
        let servers: Value = wanted.iter().map(|s| s.iter().map(Setting::to_value).collect::<Value>()).collect();
        Ok(Evidence::new(json!({ "identity": fleet.identity(), "servers": servers, "old_sessions": sessions })))
    }

    async fn undo(&self, call: &Call, snapshot: &Value) -> Result<Evidence, ActionError> {
        restore(call, &Order::of(call)?.backend, snapshot).await
    }
}
