//! The servers of a backend that a step takes traffic from, and whether any would be left.

use super::fleet::Seen;
use super::server::{Mode, Server, Setting, name};
use crate::connectors::{ActionError, Call};

/// What a step names, and the state that it wants there.
pub(super) struct Chosen {
    pub(super) backend: String,
    /// Empty means the whole backend.
    pub(super) servers: Vec<String>,
    mode: Mode,
}

impl Chosen {
    pub(super) fn of(call: &Call, mode: Mode) -> Result<Self, ActionError> {
        let servers = call.params.texts("servers")?;
        for server in &servers {
            name(server)?;
        }
        Ok(Self { backend: name(call.params.text("backend")?)?.to_owned(), servers, mode })
    }

    /// The servers that this is about, with the wanted state. Weights stay as they are, and a server in maintenance stays
    /// there: to drain it would open it to clients that persist.
    pub(super) fn wanted(&self, seen: &Seen) -> Result<Vec<Vec<Setting>>, ActionError> {
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

    /// Whether this would leave a backend without a server that takes new traffic.
    pub(super) fn emptied(&self, seen: &Seen) -> Option<String> {
        let stays =
            |server: &Server| server.is_open() && !self.servers.is_empty() && !self.servers.contains(&server.setting.name);
        let is_empty = |servers: &Vec<Server>| servers.iter().any(Server::is_open) && !servers.iter().any(stays);
        seen.iter().any(is_empty).then(|| format!("no server of `{}` would be left", self.backend))
    }
}

/// The names of the servers, which are the same in every process.
pub(super) fn names(wanted: &[Vec<Setting>]) -> Vec<String> {
    wanted.first().map_or_else(Vec::new, |settings| settings.iter().map(|s| s.name.clone()).collect())
}
