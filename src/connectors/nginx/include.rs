//! The file that nginx includes: replaced atomically, tested, taken up by new workers, asked about, and put back byte by byte.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use super::generation::Generation;
use super::place::Place;
use crate::connectors::file::replace::{Image, kept_path};
use crate::connectors::look::{Look, Rhythm};
use crate::connectors::patience::Patience;
use crate::connectors::{ActionError, Blocker, Call, Evidence, own_target};
use crate::model::{Arguments, Digest, Span, Value};

/// The include of a target, and how its nginx is tested and reloaded.
pub(super) struct Include {
    place: Place,
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
    pub(super) async fn of(call: &Call) -> Result<Self, ActionError> {
        let (place, settings) = (Place::of(call)?, &own_target(call)?.settings);
        let path = place.path(call, settings.text("include")?).await?;
        let mut test = settings.texts("test")?;
        if test.is_empty() {
            test = vec!["nginx".to_owned(), "-t".to_owned()];
            if let Some(config) = settings.opt_text("config")? {
                test.extend(["-c".to_owned(), call.base_dir.join(config).display().to_string()]);
            }
        }
        Ok(Self {
            kept: kept_path(&path, call),
            place,
            path,
            pid_file: call.base_dir.join(settings.opt_text("pid_file")?.unwrap_or("/run/nginx.pid")),
            test,
            reload: settings.texts("reload")?,
            old_workers_within: call.params.opt_span("old_workers_within")?.unwrap_or(Span::from_secs(0)).as_duration(),
        })
    }

    pub(super) async fn generation(&self, call: &Call) -> Result<Generation, ActionError> {
        self.place.generation(call, &self.pid_file, &self.path).await
    }

    pub(super) async fn identity(&self, call: &Call) -> Result<Value, ActionError> {
        let (host, master) = (self.place.identity(call).await?, self.generation(call).await?.master);
        let mut identity = json!({ "include": self.path.display().to_string(), "master": master });
        if !host.is_null() {
            identity["host"] = host;
        }
        Ok(identity)
    }

    /// The file now. It must exist: what nginx does not include yet cannot switch anything.
    pub(super) async fn read(&self, call: &Call) -> Result<Image, ActionError> {
        self.place.read(call, &self.path).await?.ok_or_else(|| {
            ActionError::untouched(format!("{} does not exist", self.path.display()))
                .hint("put the route of today into it and include it once, before the night")
        })
    }

    /// The state before this step, also where an earlier attempt replaced the file already.
    pub(super) async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        let now = self.read(call).await?;
        let old = self.place.read(call, &self.kept).await?.unwrap_or(now);
        Ok(json!({
            "path": self.path.display().to_string(), "kept": self.kept.display().to_string(), "old": old.digest().to_string(),
            "mode": old.mode, "uid": old.uid, "gid": old.gid, "bytes": old.bytes.len(),
        }))
    }

    pub(super) async fn blockers(&self, call: &Call) -> Result<Vec<Blocker>, ActionError> {
        let left = self.place.beside(call, &self.path).await?.into_iter().filter(|left| *left != self.kept);
        Ok(left.map(|left| Blocker { what: format!("{} is left of another run", left.display()), owner: None }).collect())
    }

    /// What is sent for a text, in words.
    pub(super) fn statements(&self, digest: Digest) -> Vec<String> {
        let reload = if self.reload.is_empty() { "SIGHUP to the nginx master".to_owned() } else { self.reload.join(" ") };
        vec![format!("replace {} by {digest}", self.path.display()), self.test.join(" "), reload]
    }

    async fn tested(&self, call: &Call, patience: &Patience) -> Result<(), ActionError> {
        self.place.run(call, &self.test, patience).await?.map_err(ActionError::untouched)
    }

    /// Lets the master read its configuration anew, and waits until other workers serve: a master that does not like the
    /// configuration keeps its workers and says so in its log only.
    async fn reloaded(&self, call: &Call, patience: &Patience) -> Result<(), ActionError> {
        let before = self.generation(call).await?;
        if self.reload.is_empty() {
            self.place.hang_up(call, before.master).await?;
        } else {
            self.place
                .run(call, &self.reload, patience)
                .await
                .map_err(ActionError::after_change)?
                .map_err(ActionError::touched)?;
        }
        let patience = patience.at_most(TAKE_UP);
        loop {
            let now = self.generation(call).await.map_err(ActionError::after_change)?;
            if !now.serving.is_empty() && now.serving.is_disjoint(&before.serving) && now.is_younger {
                return Ok(());
            }
            patience.sleep(self.place.pause()).await.map_err(|stopped| {
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
        let now = self.read(call).await?;
        let wanted = Image { bytes: text.as_bytes().to_vec(), mode: snapshot.mode, uid: snapshot.uid, gid: snapshot.gid };
        // Also says that there is a master: without one nothing is written.
        let generation = self.generation(call).await?;
        if now == wanted && generation.is_younger {
            return Ok(());
        }
        if !snapshot.is_old(&now) && !own.contains(&now.digest()) {
            let text = format!("{} is not what was captured: it is {} now", self.path.display(), now.digest());
            return Err(ActionError::untouched(text).hint("somebody else writes to it; find out who before trying again"));
        }
        if now != wanted {
            if snapshot.is_old(&now) {
                self.place.put(call, &self.kept, &now).await?;
            }
            self.place.put(call, &self.path, &wanted).await?;
        }
        if let Err(error) = self.tested(call, patience).await {
            let back = self.place.put(call, &self.path, &now).await;
            back.map_err(|worse| ActionError::touched(format!("{error}; and then: {worse}")))?;
            if snapshot.is_old(&now) {
                self.place.remove(call, &self.kept).await?;
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
            let left = self.generation(call).await?.leaving.len();
            if left == 0 || patience.sleep(self.place.pause()).await.is_err() {
                if left > 0 {
                    call.recorder.progress(&format!("{left} old workers keep the old route until their connections end"));
                }
                return Ok(left);
            }
        }
    }

    /// Proves that file and workers have `text`, and asks through nginx where the step says how.
    pub(super) async fn prove(&self, call: &Call, text: &str) -> Result<Evidence, ActionError> {
        let now = self.read(call).await.map_err(ActionError::after_change)?;
        if now.bytes != text.as_bytes() {
            let text = format!("{} does not hold what was written: it is {}", self.path.display(), now.digest());
            return Err(ActionError::touched(text));
        }
        let generation = self.generation(call).await.map_err(ActionError::after_change)?;
        if !generation.is_younger {
            return Err(ActionError::touched("the workers of nginx are older than the file: they have another route"));
        }
        let asked = ask(call).await.map_err(ActionError::after_change)?;
        Ok(Evidence::new(json!({
            "identity": self.identity(call).await.map_err(ActionError::after_change)?, "digest": now.digest().to_string(), "workers": generation.serving,
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
            let (patience, now) = (Patience::of(call), self.read(call).await?);
            let mut restored = false;
            if !snapshot.is_old(&now) {
                if !own.contains(&now.digest()) {
                    let text = format!("{} is no longer what this step wrote: it is {}", self.path.display(), now.digest());
                    return Err(ActionError::untouched(text).hint("look at it first; then put the old file back by hand"));
                }
                let kept = self.place.read(call, &self.kept).await?.filter(|kept| snapshot.is_old(kept)).ok_or_else(|| {
                    ActionError::untouched(format!("{} does not hold the bytes from before", self.kept.display()))
                })?;
                self.place.put(call, &self.path, &kept).await?;
                restored = true;
            }
            if !self.generation(call).await?.is_younger {
                self.tested(call, &patience).await.map_err(|error| ActionError::touched(error.message))?;
                self.reloaded(call, &patience).await?;
            }
            if !snapshot.is_old(&self.read(call).await?) {
                return Err(ActionError::touched(format!("{} was not restored", self.path.display())));
            }
            self.place.remove(call, &self.kept).await?;
            let left = self.generation(call).await?.leaving.len();
            Ok(
                json!({ "identity": self.identity(call).await?, "restored": restored, "digest": snapshot.old.to_string(), "old_workers": left }),
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
