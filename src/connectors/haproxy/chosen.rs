//! The servers of a backend that a step takes traffic from, and whether any would be left.

use serde_json::json;

use super::fleet::{Fleet, Seen, finding, from_value, in_order, only, to_value, with};
use super::server::{Mode, Server, Setting, name};
use super::shut::left;
use crate::connectors::{ActionError, Blocker, Call, Inspection};
use crate::model::{Finding, Value};

/// What a step names, and the state that it wants there.
pub(super) struct Chosen {
    pub(super) backend: String,
    /// Empty means the whole backend.
    pub(super) servers: Vec<String>,
    mode: Mode,
    /// Whether the backend may be left without a server that takes new traffic.
    pub(super) may_empty: bool,
    /// How a step says that it may.
    permission: &'static str,
}

/// The processes, what they say now, and what is wanted there.
pub(super) struct Sight {
    pub(super) fleet: Fleet,
    pub(super) seen: Seen,
    pub(super) wanted: Vec<Vec<Setting>>,
}

/// What is found after a crash.
pub(super) struct Found {
    pub(super) finding: Finding,
    pub(super) wanted: Vec<Vec<Setting>>,
    /// How many sessions the servers still have.
    pub(super) sessions: u64,
}

/// What every process shows right after the change.
pub(super) struct Held {
    pub(super) identity: Value,
    pub(super) servers: Value,
    /// How many sessions the servers still have.
    pub(super) sessions: u64,
}

impl Chosen {
    /// Reads `backend` and `servers`. To name no server is to say that the whole backend is meant.
    pub(super) fn of(call: &Call, mode: Mode, permission: &'static str) -> Result<Self, ActionError> {
        let servers = call.params.texts("servers")?;
        for server in &servers {
            name(server)?;
        }
        let may_empty = servers.is_empty();
        Ok(Self { backend: name(call.params.text("backend")?)?.to_owned(), servers, mode, may_empty, permission })
    }

    /// Asks every process.
    pub(super) async fn look(&self, call: &Call) -> Result<Sight, ActionError> {
        let mut fleet = Fleet::open(call).await?;
        let seen = fleet.see(&self.backend).await?;
        let wanted = self.wanted(&seen)?;
        Ok(Sight { fleet, seen, wanted })
    }

    /// What would be done and undone, and what speaks against it.
    pub(super) async fn inspect(&self, call: &Call) -> Result<(Sight, Inspection), ActionError> {
        let Sight { mut fleet, seen, wanted } = self.look(call).await?;
        let sessions = left(&mut fleet, &self.backend, &names(&wanted)).await?;
        let before: Vec<Vec<Setting>> = seen.iter().map(|servers| servers.iter().map(|s| s.setting.clone()).collect()).collect();
        let mut blockers = fleet.level_blockers().await?;
        blockers.extend(self.emptied(&seen).map(|what| Blocker { what, owner: None }));
        let inspection = Inspection {
            identity: fleet.identity(),
            state: json!({ "backend": self.backend, "servers": shown(&before), "sessions": sessions }),
            statements: fleet.statements(&self.backend, &seen, &wanted),
            undo_statements: fleet.statements(&self.backend, &with(&seen, &wanted), &before),
            blockers,
            expected_ms: None,
        };
        Ok((Sight { fleet, seen, wanted }, inspection))
    }

    /// The state of the servers that the step touches, and of no other: those are somebody else's.
    pub(super) async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        let Sight { fleet, seen, wanted } = self.look(call).await?;
        Ok(to_value(&fleet, &only(&seen, &names(&wanted))))
    }

    /// How the processes stand to what was wanted, and to the snapshot.
    pub(super) async fn probe(&self, call: &Call, snapshot: &Value) -> Result<Found, ActionError> {
        let Sight { mut fleet, seen, wanted } = self.look(call).await?;
        let saved = in_order(&fleet, &from_value(snapshot)?)?;
        let sessions = left(&mut fleet, &self.backend, &names(&wanted)).await?;
        Ok(Found { finding: finding(&seen, &wanted, &saved), wanted, sessions })
    }

    /// Brings every process to the wanted state, unless that would empty a backend that must not be.
    pub(super) async fn ensure(&self, call: &Call) -> Result<Sight, ActionError> {
        let mut fleet = Fleet::open(call).await?;
        let seen = fleet.see(&self.backend).await?;
        if let Some(why) = self.emptied(&seen) {
            return Err(ActionError::untouched(why));
        }
        let wanted = self.wanted(&seen)?;
        fleet.ensure(&self.backend, &wanted).await?;
        Ok(Sight { fleet, seen, wanted })
    }

    /// Reads every process again, and holds it to the wanted state.
    pub(super) async fn hold(&self, call: &Call) -> Result<Held, ActionError> {
        let Sight { mut fleet, wanted, .. } = self.look(call).await.map_err(ActionError::after_change)?;
        fleet.hold(&self.backend, &wanted).await?;
        let sessions = left(&mut fleet, &self.backend, &names(&wanted)).await;
        let sessions = sessions.map_err(|error| ActionError::touched(error.to_string()))?;
        Ok(Held { identity: fleet.identity(), servers: shown(&wanted), sessions })
    }

    /// The servers that this is about, with the wanted state. Weights stay as they are, and a server in maintenance stays
    /// there: to drain it would open it to clients that persist.
    fn wanted(&self, seen: &Seen) -> Result<Vec<Vec<Setting>>, ActionError> {
        let mut all = Vec::new();
        for servers in seen {
            if let Some(unknown) = self.servers.iter().find(|name| !servers.iter().any(|s| s.setting.name == **name)) {
                return Err(ActionError::untouched(format!("`{}` has no server `{unknown}`", self.backend)));
            }
            let chosen = servers.iter().filter(|s| self.servers.is_empty() || self.servers.contains(&s.setting.name));
            let mode = |now: Mode| if now == Mode::Maintenance { now } else { self.mode };
            all.push(chosen.map(|s| Setting { mode: mode(s.setting.mode), ..s.setting.clone() }).collect());
        }
        Ok(all)
    }

    /// Why not, where this would leave a backend without a server that takes new traffic.
    fn emptied(&self, seen: &Seen) -> Option<String> {
        let stays =
            |server: &Server| server.is_open() && !self.servers.is_empty() && !self.servers.contains(&server.setting.name);
        let is_empty = |servers: &Vec<Server>| servers.iter().any(Server::is_open) && !servers.iter().any(stays);
        let refused = !self.may_empty && seen.iter().any(is_empty);
        refused.then(|| format!("no server of `{}` would be left: {}", self.backend, self.permission))
    }
}

/// The names of the servers, which are the same in every process.
pub(super) fn names(wanted: &[Vec<Setting>]) -> Vec<String> {
    wanted.first().map_or_else(Vec::new, |settings| settings.iter().map(|s| s.name.clone()).collect())
}

/// For people and for the evidence: state and weight of every server, per process.
fn shown(all: &[Vec<Setting>]) -> Value {
    all.iter().map(|servers| servers.iter().map(Setting::to_value).collect::<Value>()).collect()
}
