//! The action: compare with what was captured, replace, read back, ask the application, and put back.

use std::path::PathBuf;
use std::time::Instant;

use async_trait::async_trait;
use serde_json::json;

use super::content::{Before, Wanted};
use super::replace::{Image, kept_beside, kept_path, put, real_path, remove};
use crate::connectors::look::{Look, Rhythm};
use crate::connectors::{Act, ActionError, Applied, Blocker, Call, Evidence, Inspect, Inspection, Probed, Recorder};
use crate::model::{Arguments, Digest, Finding, Span, Value};

/// The action.
#[derive(Debug)]
pub struct SwitchFile;

/// One call, taken apart.
#[derive(Clone, Debug)]
struct Order {
    path: PathBuf,
    /// Where the bytes from before are kept.
    kept: PathBuf,
    wanted: Wanted,
    before: Before,
    create: bool,
    recorder: Recorder,
}

/// What `capture` found, as far as apply, probe and undo need it.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Snapshot {
    /// The digest before; none when there was no file.
    old: Option<Digest>,
    /// The digest that the switch makes.
    new: Digest,
    mode: u32,
    uid: u32,
    gid: u32,
}

impl Order {
    fn of(call: &Call) -> Result<Self, ActionError> {
        let target = call.target.as_ref().ok_or_else(|| ActionError::untouched("this action needs a `target`"))?;
        let path = real_path(&call.base_dir.join(target.settings.text("path")?));
        Ok(Self {
            kept: kept_path(&path, call),
            path,
            wanted: Wanted::of(&call.params)?,
            before: Before::of(&call.params)?,
            create: call.params.flag("create")?,
            recorder: call.recorder.clone(),
        })
    }

    /// Reads the file, and records that.
    fn read(&self) -> Result<Option<Image>, ActionError> {
        let begun = Instant::now();
        let image = Image::read(&self.path);
        let end = match &image {
            Ok(Some(image)) => image.digest().to_string(),
            Ok(None) => "no such file".to_owned(),
            Err(error) => error.message.clone(),
        };
        self.recorder.question(&format!("read {}", self.path.display()), begun.elapsed(), &end);
        image
    }

    /// Puts or removes, and records that.
    fn change(&self, path: &std::path::Path, image: Option<&Image>) -> Result<(), ActionError> {
        let begun = Instant::now();
        let (text, result) = match image {
            Some(image) => {
                (format!("replace {} by {} bytes {}", path.display(), image.bytes.len(), image.digest()), put(path, image))
            }
            None => (format!("remove {}", path.display()), remove(path)),
        };
        let end = result.as_ref().map_or_else(|error| error.message.clone(), |()| "ok".to_owned());
        self.recorder.statement(&text, begun.elapsed(), &end);
        result
    }

    /// The state before this step: the kept bytes where an earlier attempt already replaced the file, else the file.
    fn original(&self) -> Result<Option<Image>, ActionError> {
        match Image::read(&self.kept)? {
            Some(kept) => Ok(Some(kept)),
            None => self.read(),
        }
    }

    fn new_text(&self, old: Option<&Image>) -> Result<String, ActionError> {
        self.wanted.new_text(old.map(Image::text).transpose()?)
    }

    fn identity(&self) -> Value {
        json!({ "path": self.path.display().to_string() })
    }
}

impl Snapshot {
    fn take(order: &Order) -> Result<Self, ActionError> {
        let original = order.original()?;
        match &original {
            None if !order.create => {
                return Err(ActionError::untouched(format!("{} does not exist", order.path.display()))
                    .hint("write `create: true` if the switch may create it"));
            }
            None => {}
            Some(image) => order
                .before
                .check(image.text()?)
                .map_err(|why| ActionError::untouched(order.recorder.redact(&format!("{}: {why}", order.path.display()))))?,
        }
        let new = Digest::of(order.new_text(original.as_ref())?.as_bytes());
        let (mode, uid, gid) = original.as_ref().map_or_else(
            || (0o644, nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw()),
            |image| (image.mode, image.uid, image.gid),
        );
        Ok(Self { old: original.as_ref().map(Image::digest), new, mode, uid, gid })
    }

    fn to_value(&self, order: &Order) -> Value {
        json!({
            "path": order.path.display().to_string(), "kept": order.kept.display().to_string(),
            "old": self.old.map(|digest| digest.to_string()), "new": self.new.to_string(),
            "mode": self.mode, "uid": self.uid, "gid": self.gid,
        })
    }

    fn from_value(value: &Value) -> Result<Self, ActionError> {
        let broken = || ActionError::untouched("the snapshot does not hold the state of the file");
        let number = |key: &str| value[key].as_u64().and_then(|n| u32::try_from(n).ok()).ok_or_else(broken);
        let digest = |key: &str| value[key].as_str().map(|text| Digest::parse(text).ok_or_else(broken)).transpose();
        Ok(Self {
            old: digest("old")?,
            new: digest("new")?.ok_or_else(broken)?,
            mode: number("mode")?,
            uid: number("uid")?,
            gid: number("gid")?,
        })
    }

    /// Whether a file is the one from before: bytes, mode and owner.
    fn is_old(&self, image: Option<&Image>) -> bool {
        match image {
            None => self.old.is_none(),
            Some(image) => {
                self.old == Some(image.digest()) && (self.mode, self.uid, self.gid) == (image.mode, image.uid, image.gid)
            }
        }
    }

    fn is_new(&self, image: Option<&Image>) -> bool {
        image.is_some_and(|image| image.digest() == self.new)
    }
}

/// What stands in the file now, in words.
fn named(image: Option<&Image>) -> String {
    image.map_or_else(|| "no file".to_owned(), |image| image.digest().to_string())
}

fn outputs(snapshot: &Snapshot) -> Value {
    let old = snapshot.old.map(|digest| digest.to_string());
    json!({ "changed": snapshot.old != Some(snapshot.new), "old": old, "new": snapshot.new.to_string() })
}

fn apply(order: &Order, snapshot: &Snapshot) -> Result<Applied, ActionError> {
    let now = order.read()?;
    if snapshot.is_new(now.as_ref()) {
        return Ok(Applied { outputs: outputs(snapshot) });
    }
    if !snapshot.is_old(now.as_ref()) {
        let text = format!("{} is not what was captured: it is {} now", order.path.display(), named(now.as_ref()));
        return Err(ActionError::untouched(text).hint("somebody else writes to it; find out who before trying again"));
    }
    let text = order.new_text(now.as_ref())?;
    if Digest::of(text.as_bytes()) != snapshot.new {
        return Err(ActionError::untouched("the new text is not the one that was announced"));
    }
    if let Some(old) = &now {
        order.change(&order.kept, Some(old))?;
    }
    let image = Image { bytes: text.into_bytes(), mode: snapshot.mode, uid: snapshot.uid, gid: snapshot.gid };
    order.change(&order.path, Some(&image))?;
    Ok(Applied { outputs: outputs(snapshot) })
}

fn read_back(order: &Order, snapshot: &Snapshot) -> Result<Value, ActionError> {
    let now = order.read()?;
    let holds = now.as_ref().and_then(|image| image.text().ok()).is_some_and(|text| order.wanted.holds_in(text));
    if !snapshot.is_new(now.as_ref()) || !holds {
        let text = format!("{} does not hold what was written: it is {} now", order.path.display(), named(now.as_ref()));
        return Err(ActionError::touched(text));
    }
    let mode = now.map(|image| format!("{:o}", image.mode));
    Ok(json!({ "identity": order.identity(), "digest": snapshot.new.to_string(), "mode": mode }))
}

fn put_back(order: &Order, snapshot: &Snapshot) -> Result<Evidence, ActionError> {
    let manual = || match snapshot.old {
        Some(_) => vec![format!("mv -- {} {}", quoted(&order.kept), quoted(&order.path))],
        None => vec![format!("rm -- {}", quoted(&order.path))],
    };
    let now = order.read()?;
    let mut restored = false;
    if !snapshot.is_old(now.as_ref()) {
        if !snapshot.is_new(now.as_ref()) {
            let text = format!("{} is no longer what this step wrote: it is {} now", order.path.display(), named(now.as_ref()));
            return Err(ActionError::untouched(text)
                .hint("look at it first; then put the old file back by hand")
                .manual(manual()));
        }
        let kept = Image::read(&order.kept)?;
        if !snapshot.is_old(kept.as_ref()) {
            let text = format!("{} does not hold the bytes from before: it is {}", order.kept.display(), named(kept.as_ref()));
            return Err(ActionError::untouched(text).manual(manual()));
        }
        order.change(&order.path, kept.as_ref()).map_err(|error| error.manual(manual()))?;
        restored = true;
    }
    let back = order.read()?;
    if !snapshot.is_old(back.as_ref()) {
        let text = format!("{} was not restored: it is {}", order.path.display(), named(back.as_ref()));
        return Err(ActionError::touched(text).manual(manual()));
    }
    if order.kept.exists() {
        order.change(&order.kept, None)?;
    }
    let old = snapshot.old.map(|digest| digest.to_string());
    Ok(Evidence::new(json!({ "identity": order.identity(), "restored": restored, "digest": old })))
}

/// A path for a shell line that a person sends.
fn quoted(path: &std::path::Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

/// Asks the application until it reports the new state, where the step says how. The bytes on disk alone prove only that.
async fn ask_application(call: &Call) -> Result<Value, ActionError> {
    let how = Arguments::new(call.params.map("applied_by")?);
    if how.names().next().is_none() {
        return Ok(Value::Null);
    }
    let look = Look::of(call, &how)?;
    let polled = Rhythm::of(&how, Span::from_secs(30))?
        .poll(call, &look)
        .await
        .map_err(|error| ActionError::touched(format!("the application has not taken up the new file: {}", error.message)))?;
    Ok(json!({ "asked": look.shown(call), "times": polled.asked, "answer": polled.answer }))
}

/// Runs file work off the async threads: a hung network folder must not stop the engine.
async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> Result<T, ActionError> + Send + 'static) -> Result<T, ActionError> {
    let joined = tokio::task::spawn_blocking(work).await;
    joined.unwrap_or_else(|panic| Err(ActionError::in_doubt(format!("the file work ended in a panic: {panic}"))))
}

#[async_trait]
impl Inspect for SwitchFile {
    fn name(&self) -> &'static str {
        "switch.file"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let order = Order::of(call)?;
        off_thread(move || {
            let now = order.read()?;
            let mut blockers = Vec::new();
            let mut block = |what: String| blockers.push(Blocker { what, owner: None });
            let text = now.as_ref().map(Image::text).transpose()?;
            match text {
                None if !order.create => block(format!("{} does not exist", order.path.display())),
                None => {}
                Some(text) => {
                    if let Err(why) = order.before.check(text) {
                        block(order.recorder.redact(&why));
                    }
                }
            }
            for left in kept_beside(&order.path).into_iter().filter(|left| *left != order.kept) {
                block(format!("{} is left of another run", left.display()));
            }
            let changes: Vec<_> = order.wanted.changes(text).iter().map(|change| order.recorder.redact(change)).collect();
            let undo = match &now {
                Some(image) => format!("replace {} by {} bytes {}", order.path.display(), image.bytes.len(), image.digest()),
                None => format!("remove {}", order.path.display()),
            };
            Ok(Inspection {
                identity: order.identity(),
                state: json!({ "digest": now.as_ref().map(|image| image.digest().to_string()) }),
                statements: changes.iter().map(|change| format!("replace {}: {change}", order.path.display())).collect(),
                undo_statements: vec![undo],
                blockers,
                expected_ms: Some(20),
            })
        })
        .await
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        let order = Order::of(call)?;
        let how = Arguments::new(call.params.map("applied_by")?);
        if how.names().next().is_some() {
            Look::of(call, &how)?;
        }
        off_thread(move || Ok(Snapshot::take(&order)?.to_value(&order))).await
    }

    async fn probe(&self, call: &Call, snapshot: &Value) -> Result<Probed, ActionError> {
        let (order, snapshot) = (Order::of(call)?, Snapshot::from_value(snapshot)?);
        off_thread(move || {
            let now = order.read()?;
            let finding = if snapshot.is_new(now.as_ref()) {
                Finding::Applied
            } else if snapshot.is_old(now.as_ref()) {
                Finding::NotApplied
            } else {
                Finding::Unknown(format!("the file is neither the old nor the new one: it is {}", named(now.as_ref())))
            };
            Ok(Probed { finding, outputs: outputs(&snapshot), facts: json!({ "found": named(now.as_ref()) }) })
        })
        .await
    }
}

#[async_trait]
impl Act for SwitchFile {
    async fn apply(&self, call: &Call, snapshot: &Value) -> Result<Applied, ActionError> {
        let (order, snapshot) = (Order::of(call)?, Snapshot::from_value(snapshot)?);
        off_thread(move || apply(&order, &snapshot)).await
    }

    async fn prove(&self, call: &Call, snapshot: &Value, _applied: &Applied) -> Result<Evidence, ActionError> {
        let (order, snapshot) = (Order::of(call)?, Snapshot::from_value(snapshot)?);
        let file = off_thread(move || read_back(&order, &snapshot)).await;
        let file = file.map_err(ActionError::after_change)?;
        Ok(Evidence::new(json!({ "file": file, "application": ask_application(call).await.map_err(ActionError::after_change)? })))
    }

    async fn undo(&self, call: &Call, snapshot: &Value) -> Result<Evidence, ActionError> {
        let (order, snapshot) = (Order::of(call)?, Snapshot::from_value(snapshot)?);
        off_thread(move || put_back(&order, &snapshot)).await
    }
}
