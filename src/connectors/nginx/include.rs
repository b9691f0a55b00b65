//! The file that nginx includes: replaced atomically, tested, taken up by new workers, asked about, and put back byte by byte.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use super::generation::Generation;
use crate::connectors::command::{End, run_looking};
use crate::connectors::file::replace::{Image, kept_beside, kept_path, put, real_path, remove};
use crate::connectors::look::{Look, Rhythm};
use crate::connectors::patience::Patience;
use crate::connectors::{ActionError, Blocker, Call, Evidence, own_target};
use crate::model::{Arguments, Digest, Span, Value};

/// The include of a target, and how its nginx is tested and reloaded.
pub(super) struct Include {
    pub(super) path: PathBuf,
    /// Where the bytes from before are kept.
    pub(super) kept: PathBuf,
    pid_file: PathBuf,
    test: Vec<String>,
    /// A program that reloads; a hang-up to the master when empty.
    reload: Vec<String>,
    old_workers_within: Duration,
}

/// How long a master may take to start new workers.
const TAKE_UP: Duration = Duration::from_secs(10);

/// What `capture` found.
pub(super) struct Snapshot {
    old: Digest,
    mode: u32,
    uid: u32,
    gid: u32,
}

impl Snapshot {
    pub(super) fn from_value(value: &Value) -> Result<Self, ActionError> {
        let broken = || ActionError::untouched("the snapshot does not hold the state of the file");
        let number = |key: &str| value[key].as_u64().and_then(|n| u32::try_from(n).ok()).ok_or_else(broken);
        let old = value["old"].as_str().and_then(Digest::parse).ok_or_else(broken)?;
        Ok(Self { old, mode: number("mode")?, uid: number("uid")?, gid: number("gid")? })
    }

    pub(super) fn is_old(&self, image: &Image) -> bool {
        self.old == image.digest() && (self.mode, self.uid, self.gid) == (image.mode, image.uid, image.gid)
    }
}

impl Include {
    pub(super) fn of(call: &Call) -> Result<Self, ActionError> {
        let settings = &own_target(call)?.settings;
        let path = real_path(&call.base_dir.join(settings.text("include")?));
        let mut test = settings.texts("test")?;
        if test.is_empty() {
            test = vec!["nginx".to_owned(), "-t".to_owned()];
            if let Some(config) = settings.opt_text("config")? {
                test.extend(["-c".to_owned(), call.base_dir.join(config).display().to_string()]);
            }
        }
        Ok(Self {
            kept: kept_path(&path, call),
            path,
            pid_file: call.base_dir.join(settings.opt_text("pid_file")?.unwrap_or("/run/nginx.pid")),
            test,
            reload: settings.texts("reload")?,
            old_workers_within: call.params.opt_span("old_workers_within")?.unwrap_or(Span::from_secs(0)).as_duration(),
        })
    }

    pub(super) fn generation(&self) -> Result<Generation, ActionError> {
        Generation::read(&self.pid_file)
    }

    pub(super) fn identity(&self) -> Result<Value, ActionError> {
        Ok(json!({ "include": self.path.display().to_string(), "master": self.generation()?.master }))
    }

    /// The file now. It must exist: what nginx does not include yet cannot switch anything.
    pub(super) fn read(&self) -> Result<Image, ActionError> {
        Image::read(&self.path)?.ok_or_else(|| {
            ActionError::untouched(format!("{} does not exist", self.path.display()))
                .hint("put the route of today into it and include it once, before the night")
        })
    }

    /// The state before this step, also where an earlier attempt replaced the file already.
    pub(super) fn capture(&self) -> Result<Value, ActionError> {
        let now = self.read()?;
        let old = Image::read(&self.kept)?.unwrap_or(now);
        Ok(json!({
            "path": self.path.display().to_string(), "kept": self.kept.display().to_string(), "old": old.digest().to_string(),
            "mode": old.mode, "uid": old.uid, "gid": old.gid, "bytes": old.bytes.len(),
        }))
    }

    pub(super) fn blockers(&self) -> Vec<Blocker> {
        let left = kept_beside(&self.path).into_iter().filter(|left| *left != self.kept);
        left.map(|left| Blocker { what: format!("{} is left of another run", left.display()), owner: None }).collect()
    }

    /// What is sent for a text, in words.
    pub(super) fn statements(&self, digest: Digest) -> Vec<String> {
        let reload = if self.reload.is_empty() { "SIGHUP to the nginx master".to_owned() } else { self.reload.join(" ") };
        vec![format!("replace {} by {digest}", self.path.display()), self.test.join(" "), reload]
    }

    fn recorded(&self, call: &Call, text: &str, begun: Instant, result: &Result<(), ActionError>) {
        let end = result.as_ref().map_or_else(|error| error.message.clone(), |()| "ok".to_owned());
        call.recorder.statement(text, begun.elapsed(), &end);
    }

    fn replace(&self, call: &Call, image: &Image) -> Result<(), ActionError> {
        let begun = Instant::now();
        let result = put(&self.path, image);
        self.recorded(call, &format!("replace {} by {}", self.path.display(), image.digest()), begun, &result);
        result
    }

    async fn tested(&self, call: &Call, patience: &Patience) -> Result<(), ActionError> {
        let ended = run_looking(call, self.test.clone(), patience).await?;
        if ended.end == End::Code(0) {
            return Ok(());
        }
        Err(ActionError::untouched(format!("`{}` {}: {}", self.test.join(" "), ended.end, ended.stderr.text.trim())))
    }

    /// Lets the master read its configuration anew, and waits until other workers serve: a master that does not like the
    /// configuration keeps its workers and says so in its log only.
    async fn reloaded(&self, call: &Call, patience: &Patience) -> Result<(), ActionError> {
        let before = self.generation()?;
        if self.reload.is_empty() {
            let begun = Instant::now();
            let sent = kill(Pid::from_raw(before.master), Signal::SIGHUP).map_err(|error| {
                ActionError::untouched(format!("the nginx master {} cannot be signalled: {error}", before.master))
            });
            self.recorded(call, &format!("SIGHUP to the nginx master {}", before.master), begun, &sent);
            sent?;
        } else {
            let ended = run_looking(call, self.reload.clone(), patience).await?;
            if ended.end != End::Code(0) {
                let text = format!("`{}` {}: {}", self.reload.join(" "), ended.end, ended.stderr.text.trim());
                return Err(ActionError::touched(text));
            }
        }
        let patience = patience.at_most(TAKE_UP);
        loop {
            let now = self.generation().map_err(|error| ActionError::touched(error.message))?;
            if !now.serving.is_empty() && now.serving.is_disjoint(&before.serving) && now.is_younger_than(&self.path) {
                return Ok(());
            }
            patience.sleep(Duration::from_millis(20)).await.map_err(|stopped| {
                ActionError::touched(format!("nginx started no new workers: {stopped}")).hint("see its error log")
            })?;
        }
    }

    /// Ensures that `text` is in the file and in the workers. A text that the test refuses never reaches a worker: the bytes
    /// from before are put back first.
    pub(super) async fn ensure(
        &self,
        call: &Call,
        patience: &Patience,
        snapshot: &Snapshot,
        text: &str,
        own: &[Digest],
    ) -> Result<(), ActionError> {
        let now = self.read()?;
        let wanted = Image { bytes: text.as_bytes().to_vec(), mode: snapshot.mode, uid: snapshot.uid, gid: snapshot.gid };
        // Also says that there is a master: without one nothing is written.
        let generation = self.generation()?;
        if now == wanted && generation.is_younger_than(&self.path) {
            return Ok(());
        }
        if !snapshot.is_old(&now) && !own.contains(&now.digest()) {
            let text = format!("{} is not what was captured: it is {} now", self.path.display(), now.digest());
            return Err(ActionError::untouched(text).hint("somebody else writes to it; find out who before trying again"));
        }
        if now != wanted {
            if snapshot.is_old(&now) {
                put(&self.kept, &now)?;
            }
            self.replace(call, &wanted)?;
        }
        if let Err(error) = self.tested(call, patience).await {
            self.replace(call, &now).map_err(|worse| ActionError::touched(format!("{error}; and then: {worse}")))?;
            if snapshot.is_old(&now) {
                remove(&self.kept)?;
            }
            let text =
                format!("nginx does not accept the new text: {error}; the bytes from before are back, nothing was reloaded");
            return Err(ActionError::touched(text));
        }
        self.reloaded(call, patience).await.map_err(ActionError::after_change)
    }

    /// Waits for workers that have the old route, as long as the step says, and answers how many are left.
    pub(super) async fn old_workers(&self, call: &Call, patience: &Patience) -> Result<usize, ActionError> {
        let patience = patience.at_most(self.old_workers_within);
        loop {
            let left = self.generation()?.leaving.len();
            if left == 0 || patience.sleep(Duration::from_millis(50)).await.is_err() {
                if left > 0 {
                    call.recorder.progress(&format!("{left} old workers keep the old route until their connections end"));
                }
                return Ok(left);
            }
        }
    }

    /// Proves that file and workers have `text`, and asks through nginx where the step says how.
    pub(super) async fn prove(&self, call: &Call, text: &str) -> Result<Evidence, ActionError> {
        let now = self.read().map_err(ActionError::after_change)?;
        if now.bytes != text.as_bytes() {
            let text = format!("{} does not hold what was written: it is {}", self.path.display(), now.digest());
            return Err(ActionError::touched(text));
        }
        let generation = self.generation().map_err(ActionError::after_change)?;
        if !generation.is_younger_than(&self.path) {
            return Err(ActionError::touched("the workers of nginx are older than the file: they have another route"));
        }
        let asked = ask(call).await.map_err(ActionError::after_change)?;
        Ok(Evidence::new(json!({
            "identity": self.identity().map_err(ActionError::after_change)?, "digest": now.digest().to_string(), "workers": generation.serving,
            "old_workers": generation.leaving.len(), "asked": asked,
        })))
    }

    /// Puts the bytes from before back, tested and taken up by new workers.
    pub(super) async fn undo(&self, call: &Call, snapshot: &Snapshot, own: &[Digest]) -> Result<Evidence, ActionError> {
        let quoted = |path: &std::path::Path| format!("'{}'", path.display().to_string().replace('\'', r"'\''"));
        let by_hand = vec![
            format!("mv -- {} {}", quoted(&self.kept), quoted(&self.path)),
            self.test.join(" "),
            "nginx -s reload".to_owned(),
        ];
        let back = async {
            let (patience, now) = (Patience::of(call), self.read()?);
            let mut restored = false;
            if !snapshot.is_old(&now) {
                if !own.contains(&now.digest()) {
                    let text = format!("{} is no longer what this step wrote: it is {}", self.path.display(), now.digest());
                    return Err(ActionError::untouched(text).hint("look at it first; then put the old file back by hand"));
                }
                let kept = Image::read(&self.kept)?.filter(|kept| snapshot.is_old(kept)).ok_or_else(|| {
                    ActionError::untouched(format!("{} does not hold the bytes from before", self.kept.display()))
                })?;
                self.replace(call, &kept)?;
                restored = true;
            }
            if !self.generation()?.is_younger_than(&self.path) {
                self.tested(call, &patience).await.map_err(|error| ActionError::touched(error.message))?;
                self.reloaded(call, &patience).await?;
            }
            if !snapshot.is_old(&self.read()?) {
                return Err(ActionError::touched(format!("{} was not restored", self.path.display())));
            }
            remove(&self.kept)?;
            let left = self.generation()?.leaving.len();
            Ok(
                json!({ "identity": self.identity()?, "restored": restored, "digest": snapshot.old.to_string(), "old_workers": left }),
            )
        };
        back.await.map(Evidence::new).map_err(|error: ActionError| error.manual(by_hand))
    }
}

/// Asks through nginx until the answer is as expected, where the step says how.
async fn ask(call: &Call) -> Result<Value, ActionError> {
    let how = Arguments::new(call.params.map("ask")?);
    if how.names().next().is_none() {
        return Ok(Value::Null);
    }
    let look = Look::of(call, &how)?;
    let polled = Rhythm::of(&how, Span::from_secs(10))?.poll(call, &look).await?;
    Ok(json!({ "asked": look.shown(call), "times": polled.asked, "answer": polled.answer }))
}
