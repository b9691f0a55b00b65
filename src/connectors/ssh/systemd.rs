//! `systemd.stop`, `systemd.start`, `systemd.mask`: units brought into a state, and exactly back into the one before.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;

use super::host::Host;
use super::session::with_host;
use super::shell::shown;
use super::unit::{self, State};
use crate::connectors::{Act, ActionError, Applied, Blocker, Call, Evidence, Inspect, Inspection, Probed, own_target};
use crate::model::{Finding, Value};

/// One of the three actions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SystemdUnits {
    /// `systemd.stop`.
    Stop,
    /// `systemd.start`.
    Start,
    /// `systemd.mask`: masked until the next boot, and stopped.
    Mask,
}

type States = BTreeMap<String, State>;

impl SystemdUnits {
    /// Whether a unit is as this action wants it; the error says what it is instead.
    fn holds(self, name: &str, state: &State) -> Result<(), String> {
        match self {
            Self::Start if state.active == "active" => Ok(()),
            Self::Start => Err(format!("{name} is {}", state.active)),
            Self::Mask if !state.is_masked() => Err(format!("{name} is not masked but {}", state.file)),
            Self::Stop | Self::Mask if state.is_up() || state.active == "deactivating" => {
                Err(format!("{name} is {}", state.active))
            }
            Self::Stop | Self::Mask if !state.pids.is_empty() => {
                Err(format!("{name} has left processes: {}", state.pids.join(", ")))
            }
            Self::Stop | Self::Mask => Ok(()),
        }
    }

    /// What is sent for these units; a unit that is as wanted is left alone.
    fn commands(self, states: &States) -> Vec<Vec<String>> {
        let open: Vec<_> = states.iter().filter(|(name, state)| self.holds(name, state).is_err()).collect();
        let of = |verb: &[&str], units: Vec<&String>| {
            let words = ["systemctl"].iter().chain(verb).map(|word| (*word).to_owned());
            words.chain(["--".to_owned()]).chain(units.into_iter().cloned()).collect::<Vec<_>>()
        };
        let mut commands = Vec::new();
        let unmasked: Vec<_> = open.iter().filter(|(_, state)| !state.is_masked()).map(|(name, _)| *name).collect();
        if self == Self::Mask && !unmasked.is_empty() {
            commands.push(of(&["mask", "--runtime", "--quiet"], unmasked));
        }
        if !open.is_empty() {
            // A timer that is stopped after its service could start it in between.
            let mut units: Vec<_> = open.iter().map(|(name, _)| *name).collect();
            units.sort_by_key(|name| {
                std::cmp::Reverse(name.ends_with(".timer") || name.ends_with(".socket") || name.ends_with(".path"))
            });
            commands.push(of(&[if self == Self::Start { "start" } else { "stop" }], units));
        }
        commands
    }
}

/// What brings the units back: unmask what was not masked, then start what ran and stop what did not.
fn way_back(before: &States, now: &States) -> Vec<Vec<String>> {
    let mut commands = Vec::new();
    let mut push = |verb: &[&str], units: Vec<String>| {
        if !units.is_empty() {
            let words = ["systemctl"].iter().chain(verb).map(|word| (*word).to_owned());
            commands.push(words.chain(["--".to_owned()]).chain(units).collect());
        }
    };
    let chosen = |test: &dyn Fn(&State, &State) -> bool| -> Vec<String> {
        let both = before.iter().filter_map(|(name, then)| now.get(name).map(|now| (name, then, now)));
        both.filter(|(_, then, now)| test(then, now)).map(|(name, ..)| name.clone()).collect()
    };
    push(&["unmask", "--runtime", "--quiet"], chosen(&|then, now| !then.is_masked() && now.is_masked()));
    push(&["stop"], chosen(&|then, now| !then.is_up() && now.is_up()));
    push(&["start"], chosen(&|then, now| then.is_up() && !now.is_up()));
    // What had failed before is failed again only in its mark, so nothing is sent for it.
    commands
}

/// Whether the units are as they were. A unit that had failed counts as not running.
fn difference(before: &States, now: &States) -> Vec<String> {
    let mut found = Vec::new();
    for (name, then) in before {
        match now.get(name) {
            Some(now) if then.is_up() == now.is_up() && then.is_masked() == now.is_masked() && then.file == now.file => {}
            Some(now) => found.push(format!("{name} was {} and {}, is {} and {}", then.active, then.file, now.active, now.file)),
            None => found.push(format!("{name} is not told of")),
        }
    }
    found
}

fn resisting(name: &str) -> String {
    format!(
        "{name} cannot be masked until the next boot: its file is in /etc/systemd/system, which stands before the mask in /run"
    )
}

fn send(host: &Host, commands: &[Vec<String>]) -> Result<(), ActionError> {
    commands.iter().try_for_each(|argv| host.act(argv, b"").map(|_| ()))
}

/// Looks until every unit is as wanted, or the time is up: some need a moment after `systemctl` has returned.
fn settled(host: &Host, names: &[String], test: impl Fn(&States) -> Vec<String>) -> Result<(States, Vec<String>), ActionError> {
    let patience = host.patience().at_most(Duration::from_secs(5));
    loop {
        let states = unit::states(host, names)?;
        let wrong = test(&states);
        if wrong.is_empty() || patience.sleep_blocking(Duration::from_millis(200)).is_err() {
            return Ok((states, wrong));
        }
    }
}

#[async_trait]
impl Inspect for SystemdUnits {
    fn name(&self) -> &'static str {
        match self {
            Self::Stop => "systemd.stop",
            Self::Start => "systemd.start",
            Self::Mask => "systemd.mask",
        }
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let (names, verb) = (unit::names(call)?, *self);
        with_host(call, own_target(call)?, move |host| {
            let states = unit::states(host, &names)?;
            let mut blockers = Vec::new();
            for (name, state) in &states {
                if state.load == "not-found" {
                    blockers.push(Blocker { what: format!("there is no unit {name}"), owner: None });
                } else if verb == Self::Mask && state.resists_masks() {
                    blockers.push(Blocker { what: resisting(name), owner: None });
                } else if verb == Self::Start && state.is_masked() {
                    blockers.push(Blocker { what: format!("{name} is masked"), owner: None });
                }
            }
            let commands = verb.commands(&states);
            let mut after = states.clone();
            for state in after.values_mut() {
                state.active = if verb == Self::Start { "active" } else { "inactive" }.to_owned();
                if verb == Self::Mask {
                    state.load = "masked".to_owned();
                }
            }
            let shown_all = |commands: &[Vec<String>]| commands.iter().map(|argv| host.shown_line(argv)).collect();
            Ok(Inspection {
                identity: host.identity(),
                state: unit::to_value(&states),
                statements: shown_all(&commands),
                undo_statements: shown_all(&way_back(&states, &after)),
                blockers,
                expected_ms: None,
            })
        })
        .await
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        let (names, verb) = (unit::names(call)?, *self);
        with_host(call, own_target(call)?, move |host| {
            let states = unit::states(host, &names)?;
            if let Some((name, _)) = states.iter().find(|(_, state)| state.load == "not-found") {
                return Err(ActionError::untouched(format!("there is no unit {name} at {}", host.shown())));
            }
            if let Some((name, _)) = states.iter().find(|(_, state)| verb == Self::Mask && state.resists_masks()) {
                return Err(
                    ActionError::untouched(resisting(name)).hint("stop it with `systemd.stop`, and its timer and socket with it")
                );
            }
            Ok(unit::to_value(&states))
        })
        .await
    }

    async fn probe(&self, call: &Call, snapshot: &Value) -> Result<Probed, ActionError> {
        let (names, verb, before) = (unit::names(call)?, *self, unit::from_value(snapshot)?);
        with_host(call, own_target(call)?, move |host| {
            let states = unit::states(host, &names)?;
            let wrong: Vec<_> = states.iter().filter_map(|(name, state)| verb.holds(name, state).err()).collect();
            let finding = if wrong.is_empty() {
                Finding::Applied
            } else if difference(&before, &states).is_empty() {
                Finding::NotApplied
            } else {
                Finding::Partial(wrong.join("; "))
            };
            Ok(Probed { finding, outputs: json!({ "units": names.len(), "changed": null }), facts: unit::to_value(&states) })
        })
        .await
    }
}

#[async_trait]
impl Act for SystemdUnits {
    async fn apply(&self, call: &Call, snapshot: &Value) -> Result<Applied, ActionError> {
        let (names, verb, before) = (unit::names(call)?, *self, unit::from_value(snapshot)?);
        with_host(call, own_target(call)?, move |host| {
            send(host, &verb.commands(&unit::states(host, &names)?))?;
            let changed = before.iter().filter(|(name, state)| verb.holds(name, state).is_err()).count();
            Ok(Applied { outputs: json!({ "units": names.len(), "changed": changed }) })
        })
        .await
    }

    async fn prove(&self, call: &Call, _snapshot: &Value, _applied: &Applied) -> Result<Evidence, ActionError> {
        let (names, verb) = (unit::names(call)?, *self);
        let proof = with_host(call, own_target(call)?, move |host| {
            let wrong = |states: &States| states.iter().filter_map(|(name, state)| verb.holds(name, state).err()).collect();
            let (states, wrong) = settled(host, &names, wrong)?;
            if !wrong.is_empty() {
                return Err(ActionError::touched(wrong.join("; ")));
            }
            Ok(Evidence::new(json!({ "identity": host.identity(), "found": unit::to_value(&states) })))
        });
        proof.await.map_err(ActionError::after_change)
    }

    async fn undo(&self, call: &Call, snapshot: &Value) -> Result<Evidence, ActionError> {
        let before = unit::from_value(snapshot)?;
        let names: Vec<_> = before.keys().cloned().collect();
        let up = |wanted: bool| before.iter().filter(move |(_, state)| state.is_up() == wanted).map(|(name, _)| name.as_str());
        let mut manual = Vec::new();
        let unmasked: Vec<_> = before.iter().filter(|(_, state)| !state.is_masked()).map(|(name, _)| name.as_str()).collect();
        let by_hand = [("unmask --runtime", unmasked), ("stop", up(false).collect()), ("start", up(true).collect())];
        for (verb, units) in by_hand {
            if !units.is_empty() {
                manual.push(format!("systemctl {verb} -- {}", shown(&units)));
            }
        }
        let undone = with_host(call, own_target(call)?, move |host| {
            let commands = way_back(&before, &unit::states(host, &names)?);
            send(host, &commands)?;
            let (states, wrong) = settled(host, &names, |now| difference(&before, now))?;
            if !wrong.is_empty() {
                return Err(ActionError::touched(wrong.join("; ")));
            }
            Ok(Evidence::new(json!({ "identity": host.identity(), "sent": commands.len(), "found": unit::to_value(&states) })))
        });
        undone.await.map_err(|error| error.manual(manual))
    }
}
