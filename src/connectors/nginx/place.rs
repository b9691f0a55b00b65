//! The host that nginx runs on: this one, or one behind SSH. What a switch does there are five things: read, write, remove, run,
//! and look at the workers.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use super::generation::Generation;
use crate::connectors::command::{End, run_looking};
use crate::connectors::file::replace::{Image, kept_beside, put, real_path, remove};
use crate::connectors::patience::Patience;
#[cfg(feature = "ssh")]
use crate::connectors::ssh::{Host, HostImage, with_host};
use crate::connectors::{ActionError, Call, Target, own_target};
use crate::model::{Arguments, Value};

/// Where nginx runs.
#[derive(Clone)]
pub(super) enum Place {
    Here,
    /// A target for a session there, made of the key `ssh`.
    #[cfg_attr(not(feature = "ssh"), allow(dead_code, reason = "only a build with SSH reaches other hosts"))]
    There(Box<Target>),
}

#[cfg_attr(not(feature = "ssh"), allow(unused_variables, reason = "only a session with another host needs the call"))]
impl Place {
    pub(super) fn of(call: &Call) -> Result<Self, ActionError> {
        let target = own_target(call)?;
        if target.settings.get("ssh").is_none() {
            return Ok(Self::Here);
        }
        if cfg!(not(feature = "ssh")) {
            return Err(ActionError::untouched("the target names a host under `ssh`, and this build of Pointsman has no SSH")
                .hint("build it with `--features ssh`"));
        }
        let settings = Arguments::new(target.settings.map("ssh")?);
        Ok(Self::There(Box::new(Target { name: target.name.clone(), connector: "ssh".to_owned(), settings })))
    }

    /// The file itself behind a path of the settings; at another host it must be absolute.
    pub(super) async fn path(&self, call: &Call, path: &str) -> Result<PathBuf, ActionError> {
        match self {
            Self::Here => Ok(real_path(&call.base_dir.join(path))),
            #[cfg(feature = "ssh")]
            Self::There(target) => {
                let path = path.to_owned();
                with_host(call, target, move |host| host.real_path(&path).map(PathBuf::from)).await
            }
            #[cfg(not(feature = "ssh"))]
            Self::There(_) => Err(no_ssh()),
        }
    }

    pub(super) async fn read(&self, call: &Call, path: &Path) -> Result<Option<Image>, ActionError> {
        match self {
            Self::Here => Image::read(path),
            #[cfg(feature = "ssh")]
            Self::There(target) => {
                let path = text(path);
                with_host(call, target, move |host| host.read(&path)?.map(|image| from_there(&image)).transpose()).await
            }
            #[cfg(not(feature = "ssh"))]
            Self::There(_) => Err(no_ssh()),
        }
    }

    /// Replaces a file atomically.
    pub(super) async fn put(&self, call: &Call, path: &Path, image: &Image) -> Result<(), ActionError> {
        match self {
            Self::Here => {
                let begun = Instant::now();
                let result = put(path, image);
                let end = result.as_ref().map_or_else(|error| error.message.clone(), |()| "ok".to_owned());
                call.recorder.statement(&format!("replace {} by {}", path.display(), image.digest()), begun.elapsed(), &end);
                result
            }
            #[cfg(feature = "ssh")]
            Self::There(target) => {
                let (path, image) = (text(path), image.clone());
                let owner = format!("{}:{}", image.uid, image.gid);
                let there = HostImage { bytes: image.bytes, mode: image.mode, owner };
                with_host(call, target, move |host| host.replace(&path, &there)).await
            }
            #[cfg(not(feature = "ssh"))]
            Self::There(_) => Err(no_ssh()),
        }
    }

    pub(super) async fn remove(&self, call: &Call, path: &Path) -> Result<(), ActionError> {
        match self {
            Self::Here => remove(path),
            #[cfg(feature = "ssh")]
            Self::There(target) => {
                let path = text(path);
                with_host(call, target, move |host| host.remove(&path)).await
            }
            #[cfg(not(feature = "ssh"))]
            Self::There(_) => Err(no_ssh()),
        }
    }

    /// What other steps kept beside the file.
    pub(super) async fn beside(&self, call: &Call, path: &Path) -> Result<Vec<PathBuf>, ActionError> {
        match self {
            Self::Here => Ok(kept_beside(path)),
            #[cfg(feature = "ssh")]
            Self::There(target) => {
                let folder = text(path.parent().unwrap_or(Path::new("/")));
                let pattern = format!(".{}.pointsman-*", path.file_name().unwrap_or_default().to_string_lossy());
                let found = with_host(call, target, move |host| {
                    host.ask(&["find", folder.as_str(), "-maxdepth", "1", "-name", pattern.as_str()])
                });
                Ok(found.await?.lines().map(PathBuf::from).collect())
            }
            #[cfg(not(feature = "ssh"))]
            Self::There(_) => Err(no_ssh()),
        }
    }

    /// Runs a program; the error says how it ended.
    pub(super) async fn run(&self, call: &Call, argv: &[String], patience: &Patience) -> Result<Result<(), String>, ActionError> {
        match self {
            Self::Here => {
                let ended = run_looking(call, argv.to_vec(), patience).await?;
                let complaint = || format!("`{}` {}: {}", argv.join(" "), ended.end, ended.stderr.text.trim());
                Ok(if ended.end == End::Code(0) { Ok(()) } else { Err(complaint()) })
            }
            #[cfg(feature = "ssh")]
            Self::There(target) => {
                let argv = argv.to_vec();
                with_host(call, target, move |host| {
                    let ran = host.look(&argv)?;
                    Ok(if ran.is_ok() { Ok(()) } else { Err(format!("`{}` {}: {}", argv.join(" "), ran.end, ran.stderr.trim())) })
                })
                .await
            }
            #[cfg(not(feature = "ssh"))]
            Self::There(_) => Err(no_ssh()),
        }
    }

    /// Tells the master to read its configuration anew.
    pub(super) async fn hang_up(&self, call: &Call, master: i32) -> Result<(), ActionError> {
        match self {
            Self::Here => {
                let begun = Instant::now();
                let sent = kill(Pid::from_raw(master), Signal::SIGHUP);
                let end = sent.map_or_else(|error| error.to_string(), |()| "ok".to_owned());
                call.recorder.statement(&format!("SIGHUP to the nginx master {master}"), begun.elapsed(), &end);
                sent.map_err(|error| ActionError::untouched(format!("the nginx master {master} cannot be signalled: {error}")))
            }
            #[cfg(feature = "ssh")]
            Self::There(target) => {
                let argv = ["kill".to_owned(), "-HUP".to_owned(), master.to_string()];
                with_host(call, target, move |host| host.act(&argv, b"").map(|_| ())).await
            }
            #[cfg(not(feature = "ssh"))]
            Self::There(_) => Err(no_ssh()),
        }
    }

    /// The workers now, and whether they are younger than `file`.
    pub(super) async fn generation(&self, call: &Call, pid_file: &Path, file: &Path) -> Result<Generation, ActionError> {
        match self {
            Self::Here => Generation::read(pid_file, file),
            #[cfg(feature = "ssh")]
            Self::There(target) => {
                let (pid_file, file) = (text(pid_file), text(file));
                let seen = with_host(call, target, move |host| {
                    host.ask(&["sh", "-c", super::generation::SCRIPT, "sh", pid_file.as_str(), file.as_str()])
                });
                Generation::parse(&seen.await?)
            }
            #[cfg(not(feature = "ssh"))]
            Self::There(_) => Err(no_ssh()),
        }
    }

    /// Who the host is, for the evidence; none for this one.
    pub(super) async fn identity(&self, call: &Call) -> Result<Value, ActionError> {
        match self {
            Self::Here => Ok(json!(null)),
            #[cfg(feature = "ssh")]
            Self::There(target) => with_host(call, target, |host: &Host| Ok(host.identity())).await,
            #[cfg(not(feature = "ssh"))]
            Self::There(_) => Err(no_ssh()),
        }
    }

    /// Between two looks at the workers: at another host each is a session.
    pub(super) const fn pause(&self) -> Duration {
        match self {
            Self::Here => Duration::from_millis(20),
            Self::There(_) => Duration::from_millis(250),
        }
    }
}

#[cfg(not(feature = "ssh"))]
fn no_ssh() -> ActionError {
    ActionError::untouched("this build of Pointsman has no SSH")
}

#[cfg(feature = "ssh")]
fn text(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(feature = "ssh")]
fn from_there(image: &HostImage) -> Result<Image, ActionError> {
    let numbers = image.owner.split_once(':').and_then(|(uid, gid)| Some((uid.parse().ok()?, gid.parse().ok()?)));
    let (uid, gid) = numbers.ok_or_else(|| ActionError::untouched(format!("`{}` is no owner of a file", image.owner)))?;
    Ok(Image { bytes: image.bytes.clone(), mode: image.mode, uid, gid })
}
