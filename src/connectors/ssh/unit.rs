//! Units of systemd at a host: what is asked of them, and the state to go back to.

use std::collections::BTreeMap;

use serde_json::json;

use super::host::Host;
use crate::connectors::{ActionError, Call};
use crate::model::Value;

/// The state of one unit that a step may change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct State {
    /// `active`, `inactive`, `failed`, …
    pub(super) active: String,
    /// `enabled`, `disabled`, `masked`, `masked-runtime`, `static`, …
    pub(super) file: String,
    /// The processes of its control group.
    pub(super) pids: Vec<String>,
    pub(super) load: String,
    /// The unit's file.
    pub(super) place: String,
}

impl State {
    /// Whether it runs, or is about to.
    pub(super) fn is_up(&self) -> bool {
        matches!(self.active.as_str(), "active" | "activating" | "reloading" | "refreshing")
    }

    pub(super) fn is_masked(&self) -> bool {
        self.file.starts_with("masked") || self.load == "masked"
    }

    /// Whether a mask that lasts until the next boot has no effect: a file in `/etc` stands before one in `/run`.
    pub(super) fn resists_masks(&self) -> bool {
        self.place.starts_with("/etc/systemd/system/") && !self.is_masked()
    }

    pub(super) fn to_value(&self) -> Value {
        json!({ "active": self.active, "file": self.file, "load": self.load })
    }

    /// What a snapshot holds; processes come and go and are no part of it.
    pub(super) fn from_value(value: &Value) -> Result<Self, ActionError> {
        let text = |key: &str| {
            value[key].as_str().map(str::to_owned).ok_or_else(|| ActionError::untouched("the snapshot does not hold the units"))
        };
        Ok(Self { active: text("active")?, file: text("file")?, load: text("load")?, pids: Vec::new(), place: String::new() })
    }
}

/// The units of a step, with the suffix that systemd would add.
pub(super) fn names(call: &Call) -> Result<Vec<String>, ActionError> {
    let names = call.params.texts("units")?;
    if names.is_empty() {
        return Err(ActionError::untouched("`units` names no unit"));
    }
    let named = |name: String| -> Result<String, ActionError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.@:\\".contains(c);
        if name.is_empty() || name.starts_with('-') || !name.chars().all(plain) {
            return Err(ActionError::untouched(format!("`{name}` is no name of a unit; patterns are not taken")));
        }
        let known = [".service", ".timer", ".socket", ".path", ".target", ".mount", ".slice", ".scope", ".swap", ".automount"];
        Ok(if known.iter().any(|suffix| name.ends_with(suffix)) { name } else { format!("{name}.service") })
    };
    names.into_iter().map(named).collect()
}

/// The states of these units now.
pub(super) fn states(host: &Host, names: &[String]) -> Result<BTreeMap<String, State>, ActionError> {
    let keys = "ActiveState,UnitFileState,LoadState,ControlGroup,FragmentPath";
    let argv = ["systemctl", "show", "-p", keys, "--"].into_iter().chain(names.iter().map(String::as_str)).collect::<Vec<_>>();
    let asked = host.ask(&argv)?;
    let blocks: Vec<&str> = asked.split("\n\n").collect();
    if blocks.len() != names.len() {
        return Err(ActionError::untouched(format!("systemd at {} does not tell of every unit", host.shown())));
    }
    let mut groups = Vec::new();
    let mut states = BTreeMap::new();
    for (name, block) in names.iter().zip(blocks) {
        let value = |key: &str| {
            let line = block.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            line.unwrap_or_default().to_owned()
        };
        let (active, file, load) = (value("ActiveState"), value("UnitFileState"), value("LoadState"));
        if active.is_empty() {
            return Err(ActionError::untouched(format!("systemd at {} does not tell of {name}", host.shown())));
        }
        groups.push((name.clone(), value("ControlGroup")));
        let state = State { active, file, load, pids: Vec::new(), place: value("FragmentPath") };
        states.insert(name.clone(), state);
    }
    groups.retain(|(_, group)| !group.is_empty());
    for (name, pid) in pids(host, &groups)? {
        if let Some(state) = states.get_mut(&name) {
            state.pids.push(pid);
        }
    }
    Ok(states)
}

/// The live processes of these control groups, wherever this host mounts them.
fn pids(host: &Host, groups: &[(String, String)]) -> Result<Vec<(String, String)>, ActionError> {
    if groups.is_empty() {
        return Ok(Vec::new());
    }
    let one = |(name, group): &(String, String)| {
        format!(
            "for r in /sys/fs/cgroup /sys/fs/cgroup/unified /sys/fs/cgroup/systemd; do f=$r{}; [ -d \"$f\" ] || continue\n\
             find \"$f\" -name cgroup.procs -exec cat {{}} + 2>/dev/null | while read -r p; do printf '%s %s\\n' {} \"$p\"; done; break; done\n",
            super::shell::quoted(group),
            super::shell::quoted(name),
        )
    };
    let ran = host.look_script("processes of the units' control groups", &groups.iter().map(one).collect::<String>())?;
    let split = |line: &str| line.split_once(' ').map(|(name, pid)| (name.to_owned(), pid.to_owned()));
    Ok(ran.text().lines().filter_map(split).collect())
}

/// The states as a snapshot.
pub(super) fn to_value(states: &BTreeMap<String, State>) -> Value {
    let units: serde_json::Map<_, _> = states.iter().map(|(name, state)| (name.clone(), state.to_value())).collect();
    json!({ "units": units })
}

/// The states of a snapshot.
pub(super) fn from_value(value: &Value) -> Result<BTreeMap<String, State>, ActionError> {
    let units = value["units"].as_object().ok_or_else(|| ActionError::untouched("the snapshot does not hold the units"))?;
    units.iter().map(|(name, state)| Ok((name.clone(), State::from_value(state)?))).collect()
}
