//! Every process of a target: each has a state of its own, so each is read, changed, read back and restored.

use std::time::{Duration, Instant};

use serde_json::json;

use super::server::{Server, Setting, commands, name, servers};
use super::session::{AskError, Session, addresses};
use crate::connectors::{ActionError, Blocker, Call, Evidence, own_target};
use crate::model::{Finding, Touch, Value};

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

/// How a change ended that was not the last.
pub(super) enum Changed {
    /// Nothing had to be sent.
    Nothing,
    /// Something was sent.
    Something,
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
        let mut blockers = Vec::new();
        for session in &mut self.0 {
            let level = session.ask("show cli level").await?;
            if level.trim() != "admin" {
                let what = format!("{} has the level `{}`; changes need `level admin`", session.address, level.trim());
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
        let mut touch = Touch::Untouched;
        for (session, want) in self.0.iter_mut().zip(wanted) {
            let more = bring(session, backend, want).await.map_err(|error| match touch {
                Touch::Possible => ActionError { touch, ..error },
                Touch::Untouched => error,
            })?;
            if let Changed::Something = more {
                touch = Touch::Possible;
            }
        }
        Ok(match touch {
            Touch::Possible => Changed::Something,
            Touch::Untouched => Changed::Nothing,
        })
    }

    /// Reads every process once more, and holds it to `wanted`.
    pub(super) async fn hold(&mut self, backend: &str, wanted: &[Vec<Setting>]) -> Result<Seen, ActionError> {
        let mut all = Seen::new();
        for (session, want) in self.0.iter_mut().zip(wanted) {
            let seen = servers(session, backend).await.map_err(ActionError::after_change)?;
            if let Some(why) = difference(&seen, want) {
                let text = format!("{}: {why}", session.address);
                let young = Duration::from_secs(session.process.uptime_s) < SINCE_A_RELOAD;
                let error = ActionError::touched(text);
                return Err(if young {
                    error.hint(format!(
                        "this process is {} s old: a reload or a restart loses what the runtime API set",
                        session.process.uptime_s
                    ))
                } else {
                    error
                });
            }
            all.push(seen);
        }
        Ok(all)
    }
}

/// A process younger than this is told to have been reloaded when its state is not as expected.
const SINCE_A_RELOAD: Duration = Duration::from_secs(3600);

/// Brings one process to `wanted` and reads it back.
async fn bring(session: &mut Session, backend: &str, wanted: &[Setting]) -> Result<Changed, ActionError> {
    let now = servers(session, backend).await?;
    let missing: Vec<_> =
        wanted.iter().filter(|want| !now.iter().any(|s| s.setting.name == want.name)).map(|s| s.name.clone()).collect();
    if !missing.is_empty() {
        let text = format!("{}: `{backend}` has no server {} any more", session.address, missing.join(", "));
        return Err(ActionError::untouched(text));
    }
    let all = commands(backend, &now, wanted);
    for (at, command) in all.iter().enumerate() {
        session.change(command).await.map_err(|error| {
            let text = format!("{}: `{command}`: {error}", session.address);
            match error {
                AskError::Refused(_) if at == 0 => ActionError::untouched(text),
                AskError::Refused(_) => ActionError::touched(text),
                AskError::Lost(_) => ActionError::in_doubt(text),
            }
        })?;
    }
    if all.is_empty() {
        return Ok(Changed::Nothing);
    }
    let now = servers(session, backend).await.map_err(|error| ActionError::in_doubt(error.message))?;
    match difference(&now, wanted) {
        None => Ok(Changed::Something),
        Some(why) => Err(ActionError::touched(format!("{}: after the change {why}", session.address))),
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
        found.map(|saved| saved.settings.clone()).ok_or_else(|| {
            ActionError::untouched(format!("the snapshot knows no process at {}: the target was changed since", session.address))
        })
    };
    fleet.0.iter().map(find).collect()
}

/// Puts the saved state of every server back, on every process that can be reached, and proves it. A process that cannot be
/// reached fails the undo, but never stops the way back on the others.
pub(super) async fn restore(call: &Call, backend: &str, snapshot: &Value) -> Result<Evidence, ActionError> {
    let (target, saved) = (own_target(call)?, from_value(snapshot)?);
    let backend = name(backend)?;
    let begun = Instant::now();
    let (mut restored, mut processes, mut failures) = (0, Vec::new(), Vec::new());
    let mut touch = Touch::Untouched;
    for (index, address) in addresses(target)?.iter().enumerate() {
        let Some(wanted) = saved.iter().find(|saved| saved.address == *address) else { continue };
        let one = async {
            let mut session = Session::open(call, target, index, address).await?;
            let changed = bring(&mut session, backend, &wanted.settings).await?;
            let now = servers(&mut session, backend).await?;
            match difference(&now, &wanted.settings) {
                None => Ok((changed, session.process.to_value(address))),
                Some(why) => Err(ActionError::touched(format!("{address}: {why}"))),
            }
        };
        match one.await {
            Ok((changed, process)) => {
                if let Changed::Something = changed {
                    (restored, touch) = (restored + 1, Touch::Possible);
                }
                processes.push(process);
            }
            Err(error) => failures.push((error, wanted.clone())),
        }
    }
    if failures.is_empty() {
        let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let servers: Vec<_> = saved.iter().map(|saved| saved.settings.iter().map(Setting::to_value).collect::<Value>()).collect();
        return Ok(Evidence::new(
            json!({ "processes": processes, "restored": restored, "servers": servers, "difference": [], "ms": ms }),
        ));
    }
    Err(by_hand(backend, touch, failures))
}

fn by_hand(backend: &str, touch: Touch, failures: Vec<(ActionError, Saved)>) -> ActionError {
    let text = failures.iter().map(|(error, _)| error.message.clone()).collect::<Vec<_>>().join("; ");
    let in_doubt = failures.iter().any(|(error, _)| error.in_doubt);
    let touched = touch == Touch::Possible || failures.iter().any(|(error, _)| error.touch == Touch::Possible);
    let line = |address: &str, setting: &Setting| {
        let place = format!("{backend}/{}", setting.name);
        format!("{address}: set server {place} weight {}; set server {place} state {}", setting.weight, setting.mode.word())
    };
    let manual = failures.iter().flat_map(|(_, saved)| saved.settings.iter().map(|s| line(&saved.address, s))).collect();
    ActionError { touch: if touched { Touch::Possible } else { Touch::Untouched }, in_doubt, ..ActionError::untouched(text) }
        .hint("a process that is gone for good has nothing to restore; one that was restarted has its configuration's state")
        .manual(manual)
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
