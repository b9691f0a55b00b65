//! `ssh.file`: a file at a host, replaced atomically and only if it is what was captured; the bytes from before are kept beside
//! it, with the run in their name, and put back exactly.

use async_trait::async_trait;
use serde_json::json;

use super::host::{Host, Image};
use super::session::with_host;
use super::shell::quoted;
use crate::connectors::{Act, ActionError, Applied, Blocker, Call, Evidence, Inspect, Inspection, Probed, own_target};
use crate::model::{Digest, Finding, Value};

/// The action.
#[derive(Debug)]
pub struct SshFile;

/// What a step asks for.
#[derive(Clone)]
struct Order {
    path: String,
    content: String,
    mode: Option<u32>,
    owner: Option<String>,
    create: bool,
}

/// A file without its bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Mark {
    digest: String,
    mode: u32,
    owner: String,
}

/// What `capture` found, as far as apply, probe and undo need it.
struct Snapshot {
    path: String,
    kept: String,
    /// None when there was no file.
    old: Option<Mark>,
    new: Mark,
}

impl Order {
    fn of(call: &Call) -> Result<Self, ActionError> {
        let params = &call.params;
        let mode = params.opt_text("mode")?.map(|text| {
            u32::from_str_radix(text, 8)
                .ok()
                .filter(|mode| *mode <= 0o7777)
                .ok_or_else(|| ActionError::untouched("`mode` is four octal digits"))
        });
        Ok(Self {
            path: params.text("path")?.to_owned(),
            content: params.text("content")?.to_owned(),
            mode: mode.transpose()?,
            owner: params.opt_text("owner")?.map(str::to_owned),
            create: params.flag("create")?,
        })
    }

    /// The file as this step makes it.
    fn wanted(&self, host: &Host, old: Option<&Image>) -> Result<Image, ActionError> {
        let owner = match (&self.owner, old) {
            (Some(owner), _) => numbers(host, owner)?,
            (None, Some(old)) => old.owner.clone(),
            (None, None) => format!("{}:{}", host.ask(&["id", "-u"])?, host.ask(&["id", "-g"])?),
        };
        let mode = self.mode.or(old.map(|old| old.mode)).unwrap_or(0o644);
        Ok(Image { bytes: self.content.clone().into_bytes(), mode, owner })
    }
}

/// `user:group` in numbers, as a file has them.
fn numbers(host: &Host, owner: &str) -> Result<String, ActionError> {
    let (user, group) = owner.split_once(':').unwrap_or((owner, ""));
    let is_number = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    let uid = if is_number(user) { user.to_owned() } else { host.ask(&["id", "-u", "--", user])? };
    let gid = match group {
        "" => host.ask(&["id", "-g", "--", user])?,
        group if is_number(group) => group.to_owned(),
        group => {
            let line = host.ask(&["getent", "group", group])?;
            line.split(':')
                .nth(2)
                .map(str::to_owned)
                .ok_or_else(|| ActionError::untouched(format!("there is no group {group}")))?
        }
    };
    Ok(format!("{uid}:{gid}"))
}

impl Mark {
    fn of(image: &Image) -> Self {
        Self { digest: image.digest().to_string(), mode: image.mode, owner: image.owner.clone() }
    }

    fn to_value(&self) -> Value {
        json!({ "digest": self.digest, "mode": format!("{:o}", self.mode), "owner": self.owner })
    }

    fn from_value(value: &Value) -> Option<Self> {
        let text = |key: &str| value[key].as_str().map(str::to_owned);
        Some(Self { digest: text("digest")?, mode: u32::from_str_radix(value["mode"].as_str()?, 8).ok()?, owner: text("owner")? })
    }
}

/// What stands in the file now, in words.
fn named(mark: Option<&Mark>) -> String {
    mark.map_or_else(|| "no file".to_owned(), |mark| format!("{} mode {:o} owner {}", mark.digest, mark.mode, mark.owner))
}

impl Snapshot {
    /// The state before this step: the kept bytes where an earlier attempt already replaced the file, else the file.
    fn take(host: &Host, order: &Order) -> Result<Self, ActionError> {
        let path = host.real_path(&order.path)?;
        let kept = kept_path(host, &path);
        let old = match host.read(&kept)? {
            Some(image) => Some(image),
            None => host.read(&path)?,
        };
        if old.is_none() && !order.create {
            let text = format!("{path} does not exist at {}", host.shown());
            return Err(ActionError::untouched(text).hint("write `create: true` if the step may create it"));
        }
        let new = Mark::of(&order.wanted(host, old.as_ref())?);
        Ok(Self { path, kept, old: old.as_ref().map(Mark::of), new })
    }

    fn to_value(&self) -> Value {
        let old = self.old.as_ref().map(Mark::to_value);
        json!({ "path": self.path, "kept": self.kept, "old": old, "new": self.new.to_value() })
    }

    fn from_value(value: &Value) -> Result<Self, ActionError> {
        let read = || {
            let text = |key: &str| value[key].as_str().map(str::to_owned);
            let old = if value["old"].is_null() { None } else { Some(Mark::from_value(&value["old"])?) };
            Some(Self { path: text("path")?, kept: text("kept")?, old, new: Mark::from_value(&value["new"])? })
        };
        read().ok_or_else(|| ActionError::untouched("the snapshot does not hold the state of the file"))
    }

    fn outputs(&self) -> Value {
        let old = self.old.as_ref().map(|mark| mark.digest.clone());
        json!({ "changed": self.old.as_ref() != Some(&self.new), "old": old, "new": self.new.digest })
    }

    fn manual(&self) -> Vec<String> {
        vec![match self.old {
            Some(_) => format!("mv -T -- {} {}", quoted(&self.kept), quoted(&self.path)),
            None => format!("rm -- {}", quoted(&self.path)),
        }]
    }
}

fn kept_path(host: &Host, path: &str) -> String {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let (run, step, _) = &host.owner;
    format!("{folder}/.{name}.pointsman-{run}-{step}")
}

fn now(host: &Host, path: &str) -> Result<(Option<Image>, Option<Mark>), ActionError> {
    let image = host.read(path)?;
    let mark = image.as_ref().map(Mark::of);
    Ok((image, mark))
}

fn apply(host: &Host, order: &Order, snapshot: &Snapshot) -> Result<Applied, ActionError> {
    let (image, mark) = now(host, &snapshot.path)?;
    if mark.as_ref() == Some(&snapshot.new) {
        return Ok(Applied { outputs: snapshot.outputs() });
    }
    if mark != snapshot.old {
        let text = format!("{} is not what was captured: it is {} now", snapshot.path, named(mark.as_ref()));
        return Err(ActionError::untouched(text).hint("somebody else writes to it; find out who before trying again"));
    }
    let wanted = order.wanted(host, image.as_ref())?;
    if Mark::of(&wanted) != snapshot.new {
        return Err(ActionError::untouched("the new file is not the one that was announced"));
    }
    if let Some(old) = &image {
        host.replace(&snapshot.kept, old)?;
    }
    host.replace(&snapshot.path, &wanted)?;
    Ok(Applied { outputs: snapshot.outputs() })
}

fn put_back(host: &Host, snapshot: &Snapshot) -> Result<Evidence, ActionError> {
    let (_, mark) = now(host, &snapshot.path)?;
    let mut restored = false;
    if mark != snapshot.old {
        if mark.as_ref() != Some(&snapshot.new) {
            let text = format!("{} is no longer what this step wrote: it is {} now", snapshot.path, named(mark.as_ref()));
            return Err(ActionError::untouched(text).hint("look at it first; then put the old file back by hand"));
        }
        match &snapshot.old {
            None => host.remove(&snapshot.path)?,
            Some(old) => {
                let (kept, found) = now(host, &snapshot.kept)?;
                let kept = kept.filter(|_| found.as_ref() == Some(old)).ok_or_else(|| {
                    let text = format!("{} does not hold the bytes from before: it is {}", snapshot.kept, named(found.as_ref()));
                    ActionError::untouched(text)
                })?;
                host.replace(&snapshot.path, &kept)?;
            }
        }
        restored = true;
    }
    let (_, back) = now(host, &snapshot.path)?;
    if back != snapshot.old {
        let text = format!("{} was not restored: it is {}", snapshot.path, named(back.as_ref()));
        return Err(ActionError::touched(text));
    }
    if host.read(&snapshot.kept)?.is_some() {
        host.remove(&snapshot.kept)?;
    }
    let found = back.as_ref().map(Mark::to_value);
    Ok(Evidence::new(json!({ "identity": host.identity(), "path": snapshot.path, "restored": restored, "found": found })))
}

#[async_trait]
impl Inspect for SshFile {
    fn name(&self) -> &'static str {
        "ssh.file"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let order = Order::of(call)?;
        with_host(call, own_target(call)?, move |host| {
            let path = host.real_path(&order.path)?;
            let (image, mark) = now(host, &path)?;
            let mut blockers = Vec::new();
            if image.is_none() && !order.create {
                blockers.push(Blocker { what: format!("{path} does not exist"), owner: None });
            }
            let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
            let pattern = format!(".{name}.pointsman-*");
            let left =
                host.look(&["find", if folder.is_empty() { "/" } else { folder }, "-maxdepth", "1", "-name", &pattern])?.text();
            let own = kept_path(host, &path);
            for left in left.lines().filter(|left| *left != own) {
                blockers.push(Blocker { what: format!("{left} is left of another run"), owner: None });
            }
            let wanted = order.wanted(host, image.as_ref())?;
            let replace =
                |image: &Image| format!("replace {path} by {} bytes {}", image.bytes.len(), named(Some(&Mark::of(image))));
            Ok(Inspection {
                identity: host.identity(),
                state: json!({ "path": path, "found": mark.as_ref().map(Mark::to_value) }),
                statements: vec![replace(&wanted)],
                undo_statements: vec![image.as_ref().map_or_else(|| format!("remove {path}"), replace)],
                blockers,
                expected_ms: Some(500),
            })
        })
        .await
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        let order = Order::of(call)?;
        with_host(call, own_target(call)?, move |host| Ok(Snapshot::take(host, &order)?.to_value())).await
    }

    async fn probe(&self, call: &Call, snapshot: &Value) -> Result<Probed, ActionError> {
        let snapshot = Snapshot::from_value(snapshot)?;
        with_host(call, own_target(call)?, move |host| {
            let (_, mark) = now(host, &snapshot.path)?;
            let finding = if mark.as_ref() == Some(&snapshot.new) {
                Finding::Applied
            } else if mark == snapshot.old {
                Finding::NotApplied
            } else {
                Finding::Unknown(format!("the file is neither the old nor the new one: it is {}", named(mark.as_ref())))
            };
            Ok(Probed { finding, outputs: snapshot.outputs(), facts: json!({ "found": named(mark.as_ref()) }) })
        })
        .await
    }
}

#[async_trait]
impl Act for SshFile {
    async fn apply(&self, call: &Call, snapshot: &Value) -> Result<Applied, ActionError> {
        let (order, snapshot) = (Order::of(call)?, Snapshot::from_value(snapshot)?);
        with_host(call, own_target(call)?, move |host| apply(host, &order, &snapshot)).await
    }

    async fn prove(&self, call: &Call, snapshot: &Value, _applied: &Applied) -> Result<Evidence, ActionError> {
        let (order, snapshot) = (Order::of(call)?, Snapshot::from_value(snapshot)?);
        let proof = with_host(call, own_target(call)?, move |host| {
            let (_, mark) = now(host, &snapshot.path)?;
            let digest = Digest::of(order.content.as_bytes()).to_string();
            if mark.as_ref() != Some(&snapshot.new) || snapshot.new.digest != digest {
                let text = format!("{} does not hold what was written: it is {} now", snapshot.path, named(mark.as_ref()));
                return Err(ActionError::touched(text));
            }
            Ok(Evidence::new(json!({ "identity": host.identity(), "path": snapshot.path, "found": snapshot.new.to_value() })))
        });
        proof.await.map_err(ActionError::after_change)
    }

    async fn undo(&self, call: &Call, snapshot: &Value) -> Result<Evidence, ActionError> {
        let snapshot = Snapshot::from_value(snapshot)?;
        let manual = snapshot.manual();
        let undone = with_host(call, own_target(call)?, move |host| put_back(host, &snapshot)).await;
        undone.map_err(|error| error.manual(manual))
    }
}
