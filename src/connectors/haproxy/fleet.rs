//! Every process of a target: each has a state of its own, so each is read, changed, read back and restored.

use async_trait::async_trait;
use serde_json::json;

use super::hand::{self, Changed, Hand};
use super::server::{Server, Setting, commands, name, servers};
use super::session::{Session, addresses};
use crate::connectors::{ActionError, Blocker, Call, Evidence, own_target};
use crate::model::{Finding, Value};

/// Sessions with all processes, in the order of the target.
pub(super) struct Fleet(pub(super) Vec<Session>);

/// The servers of a backend, per process.
pub(super) type Seen = Vec<Vec<Server>>;

/// What one process had before, by its address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Saved {
    pub(super) address: String,
    pub(super) settings: Vec<Setting>,
}

impl Fleet {
    /// Sessions with every process. One that cannot be reached is an error: its traffic would go another way.
    pub(super) async fn open(call: &Call) -> Result<Self, ActionError> {
        let target = own_target(call)?;
        let mut sessions: Vec<Session> = Vec::new();
        for (index, address) in addresses(target)?.iter().enumerate() {
            let session = Session::open(call, target, index, address).await?;
            let same =
                |other: &&Session| (&other.process.node, other.process.pid) == (&session.process.node, session.process.pid);
            if let Some(other) = sessions.iter().find(same) {
                return Err(ActionError::untouched(format!("{} and {address} are the same process", other.address))
                    .hint("name every process once; in a cluster give each its own `node`"));
            }
            sessions.push(session);
        }
        Ok(Self(sessions))
    }

    /// Who the processes say they are.
    pub(super) fn identity(&self) -> Value {
        self.0.iter().map(|session| session.process.to_value(&session.address)).collect()
    }

    /// The servers of `backend` in every process; all processes must have the same ones.
    pub(super) async fn see(&mut self, backend: &str) -> Result<Seen, ActionError> {
        let mut seen: Seen = Vec::new();
        for session in &mut self.0 {
            let found = servers(session, backend).await?;
            let names = |servers: &[Server]| servers.iter().map(|s| s.setting.name.clone()).collect::<Vec<_>>();
            if let Some(first) = seen.first().filter(|first| names(first) != names(&found)) {
                return Err(ActionError::untouched(format!(
                    "the processes do not have the same servers in `{backend}`: {} at {}, and not {}",
                    names(&found).join(", "),
                    session.address,
                    names(first).join(", ")
                )));
            }
            seen.push(found);
        }
        Ok(seen)
    }

    /// What the runtime API may not do here, said before anything is tried.
    pub(super) async fn level_blockers(&mut self) -> Result<Vec<Blocker>, ActionError> {
        self.lacking(&["admin"]).await
    }

    /// The same where one of `levels` is enough.
    pub(super) async fn lacking(&mut self, levels: &[&str]) -> Result<Vec<Blocker>, ActionError> {
        let mut blockers = Vec::new();
        for session in &mut self.0 {
            let level = session.ask("show cli level").await?;
            if !levels.contains(&level.trim()) {
                let (found, needed) = (level.trim(), levels.join("` or `level "));
                let what = format!("{} has the level `{found}`; this change needs `level {needed}`", session.address);
                blockers.push(Blocker { what, owner: None });
            }
        }
        Ok(blockers)
    }

    /// What would be sent to turn `seen` into `wanted`, with the address in front.
    pub(super) fn statements(&self, backend: &str, seen: &Seen, wanted: &[Vec<Setting>]) -> Vec<String> {
        let all = self.0.iter().zip(seen).zip(wanted);
        let per_process = |((session, now), want): ((&Session, &Vec<Server>), &Vec<Setting>)| {
            let address = session.address.clone();
            commands(backend, now, want).into_iter().map(move |command| format!("{address}: {command}")).collect::<Vec<_>>()
        };
        all.flat_map(per_process).collect()
    }

    /// Brings every process to `wanted` and reads it back. An error says whether something was changed before it.
    pub(super) async fn ensure(&mut self, backend: &str, wanted: &[Vec<Setting>]) -> Result<Changed, ActionError> {
        hand::ensure(self, &Backend(name(backend)?), wanted).await
    }

    /// Reads every process once more, and holds it to `wanted`.
    pub(super) async fn hold(&mut self, backend: &str, wanted: &[Vec<Setting>]) -> Result<Seen, ActionError> {
        let mut all = Seen::new();
        for (session, want) in self.0.iter_mut().zip(wanted) {
            let seen = servers(session, backend).await.map_err(ActionError::after_change)?;
            if let Some(why) = difference(&seen, want) {
                return Err(hand::not_held(session, &why));
            }
            all.push(seen);
        }
        Ok(all)
    }
}

/// The servers of a backend as something that a process holds.
struct Backend<'a>(&'a str);

#[async_trait]
impl Hand for Backend<'_> {
    type Want = Vec<Setting>;

    async fn bring(&self, session: &mut Session, wanted: &Vec<Setting>) -> Result<Changed, ActionError> {
        let now = servers(session, self.0).await?;
        let missing: Vec<_> =
            wanted.iter().filter(|want| !now.iter().any(|s| s.setting.name == want.name)).map(|s| s.name.clone()).collect();
        if !missing.is_empty() {
            let text = format!("{}: `{}` has no server {} any more", session.address, self.0, missing.join(", "));
            return Err(ActionError::untouched(text));
        }
        hand::send(session, &commands(self.0, &now, wanted)).await
    }

    async fn differs(&self, session: &mut Session, wanted: &Vec<Setting>) -> Result<Option<String>, ActionError> {
        Ok(difference(&servers(session, self.0).await?, wanted))
    }

    fn by_hand(&self, wanted: &Vec<Setting>) -> Vec<String> {
        let line = |setting: &Setting| {
            let place = format!("{}/{}", self.0, setting.name);
            format!("set server {place} weight {}; set server {place} state {}", setting.weight, setting.mode.word())
        };
        wanted.iter().map(line).collect()
    }
}

/// What is not as wanted, in words.
fn difference(now: &[Server], wanted: &[Setting]) -> Option<String> {
    let differs = |want: &Setting| match now.iter().find(|server| server.setting.name == want.name) {
        None => Some(format!("{} is not there", want.name)),
        Some(found) if found.setting == *want => None,
        Some(found) => Some(format!("{}, not {} with weight {}", found.setting.shown(), want.mode.word(), want.weight)),
    };
    let all: Vec<_> = wanted.iter().filter_map(differs).collect();
    if all.is_empty() { None } else { Some(all.join("; ")) }
}

/// The snapshot of a backend: every server's state and weight in every process.
pub(super) fn to_value(fleet: &Fleet, seen: &Seen) -> Value {
    let process = |(session, servers): (&Session, &Vec<Server>)| {
        let mut value = session.process.to_value(&session.address);
        value["servers"] = servers.iter().map(|server| server.setting.to_value()).collect();
        value
    };
    json!({ "processes": fleet.0.iter().zip(seen).map(process).collect::<Vec<_>>() })
}

/// What a snapshot saved, per process.
pub(super) fn from_value(snapshot: &Value) -> Result<Vec<Saved>, ActionError> {
    let broken = || ActionError::untouched("the snapshot does not hold the state of the servers");
    let process = |value: &Value| {
        let settings = value["servers"].as_array()?.iter().map(Setting::from_value).collect::<Option<Vec<_>>>()?;
        Some(Saved { address: value["address"].as_str()?.to_owned(), settings })
    };
    let all = snapshot["processes"].as_array().ok_or_else(broken)?;
    all.iter().map(process).collect::<Option<Vec<_>>>().ok_or_else(broken)
}

/// The saved settings in the order of the target's addresses.
pub(super) fn in_order(fleet: &Fleet, saved: &[Saved]) -> Result<Vec<Vec<Setting>>, ActionError> {
    let find = |session: &Session| {
        let found = saved.iter().find(|saved| saved.address == session.address);
        found.map(|saved| saved.settings.clone()).ok_or_else(|| unknown(&session.address))
    };
    fleet.0.iter().map(find).collect()
}

/// A process that was not there when the state was saved.
pub(super) fn unknown(address: &str) -> ActionError {
    ActionError::untouched(format!("the snapshot knows no process at {address}: the target was changed since"))
}

/// Puts the saved state of every server back, on every process that can be reached, and proves it.
pub(super) async fn restore(call: &Call, backend: &str, snapshot: &Value) -> Result<Evidence, ActionError> {
    let saved: Vec<_> = from_value(snapshot)?.into_iter().map(|saved| (saved.address, saved.settings)).collect();
    let servers: Vec<Value> = saved.iter().map(|(_, settings)| settings.iter().map(Setting::to_value).collect()).collect();
    let mut facts = hand::restore(call, &Backend(name(backend)?), &saved).await?;
    facts["servers"] = servers.into();
    Ok(Evidence::new(facts))
}

/// `seen`, with the settings that are wanted in it: what a read would show afterwards.
pub(super) fn with(seen: &Seen, wanted: &[Vec<Setting>]) -> Seen {
    let replaced = |(servers, wanted): (&Vec<Server>, &Vec<Setting>)| {
        let one = |server: &Server| {
            let want = wanted.iter().find(|want| want.name == server.setting.name);
            Server { setting: want.unwrap_or(&server.setting).clone(), ..server.clone() }
        };
        servers.iter().map(one).collect()
    };
    seen.iter().zip(wanted).map(replaced).collect()
}

/// `seen` without the servers that are not in `names`.
pub(super) fn only(seen: &Seen, names: &[String]) -> Seen {
    let of = |servers: &Vec<Server>| servers.iter().filter(|s| names.contains(&s.setting.name)).cloned().collect();
    seen.iter().map(of).collect()
}

/// What is found after a crash.
pub(super) fn finding(seen: &Seen, wanted: &[Vec<Setting>], saved: &[Vec<Setting>]) -> Finding {
    let all = |settings: &[Vec<Setting>]| seen.iter().zip(settings).all(|(now, want)| difference(now, want).is_none());
    if all(wanted) {
        return Finding::Applied;
    }
    if all(saved) {
        return Finding::NotApplied;
    }
    let told: Vec<_> = seen.iter().zip(wanted).filter_map(|(now, want)| difference(now, want)).collect();
    Finding::Partial(told.join("; "))
}
