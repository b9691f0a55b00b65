//! A bench for one action: a folder, calls with short deadlines, and everything that was recorded.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use pointsman::connectors::kept::Kept;
use pointsman::connectors::recorder::NoteKind;
use pointsman::connectors::{Act, ActionError, Applied, Call, Evidence, Note, Recorder, Target};
use pointsman::model::{Arguments, Redactor, RunId, StepId, TargetName, Value};
use serde_json::json;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;

/// A secret that must never come back from any verb.
pub const CANARY: &str = "c4nary-s3cret-value";

pub struct Bench {
    folder: tempfile::TempDir,
    sink: UnboundedSender<Note>,
    notes: UnboundedReceiver<Note>,
    targets: BTreeMap<TargetName, Target>,
    kept: Kept,
    pub run: RunId,
}

impl Bench {
    pub fn new() -> Self {
        let (sink, notes) = unbounded_channel();
        let folder = tempfile::tempdir().unwrap();
        Self { folder, sink, notes, targets: BTreeMap::new(), kept: Kept::default(), run: RunId::new("shop-20261121-abcd") }
    }

    /// A bench whose run nobody else has: programs of one step of one run end each other.
    pub fn alone() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        Self { run: RunId::new(format!("alone-{}-{number}", std::process::id())), ..Self::new() }
    }

    /// The same, and every verb opens sessions of its own: what changed at the server a moment ago is seen.
    pub fn with_new_sessions(self) -> Self {
        Self { kept: Kept::nothing(), ..self }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A SQLite file made by `sql`, and a target of the same name.
    pub fn database(&mut self, name: &str, sql: &str) -> rusqlite::Connection {
        let connection = rusqlite::Connection::open(self.path(&format!("{name}.db"))).unwrap();
        connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA foreign_keys = OFF").unwrap();
        connection.busy_timeout(Duration::from_secs(10)).unwrap();
        connection.execute_batch(sql).unwrap();
        self.target(name, "sqlite", json!({ "path": format!("{name}.db"), "busy_timeout": "2s" }));
        connection
    }

    pub fn target(&mut self, name: &str, connector: &str, settings: Value) {
        let settings = Arguments::new(settings.as_object().unwrap().clone());
        let target = Target { name: TargetName::new(name), connector: connector.to_owned(), settings };
        self.targets.insert(TargetName::new(name), target);
    }

    pub fn call(&self, step: &str, target: Option<&str>, params: Value) -> Call {
        let redactor = Arc::new(Redactor::new([CANARY]));
        Call {
            run: self.run.clone(),
            step: StepId::new(step),
            attempt: 1,
            params: Arguments::new(params.as_object().unwrap().clone()),
            target: target.map(|name| self.targets[name].clone()),
            targets: self.targets.clone(),
            base_dir: self.folder.path().to_owned(),
            deadline: Instant::now() + Duration::from_secs(60),
            cancel: CancellationToken::new(),
            recorder: Recorder::new(StepId::new(step), 1, redactor, self.sink.clone()),
            kept: self.kept.clone(),
        }
    }

    /// The targets, for a test that changes their settings.
    pub fn targets_mut(&mut self) -> impl Iterator<Item = &mut Target> {
        self.targets.values_mut()
    }

    /// A call as [`Self::call`] makes it, which opens sessions of its own, has little time, and knows these secrets.
    pub fn hurried_call(&self, step: &str, target: Option<&str>, params: Value, secrets: &[String], within: Duration) -> Call {
        let redactor = Arc::new(Redactor::new(secrets));
        let recorder = Recorder::new(StepId::new(step), 1, redactor, self.sink.clone());
        Call { recorder, deadline: Instant::now() + within, kept: Kept::nothing(), ..self.call(step, target, params) }
    }

    /// Everything that was recorded since the last time.
    pub fn notes(&mut self) -> Vec<Note> {
        std::iter::from_fn(|| self.notes.try_recv().ok()).collect()
    }

    pub fn statements(&mut self) -> Vec<String> {
        self.notes()
            .into_iter()
            .filter_map(|note| match note.kind {
                NoteKind::Statement { statement: sent, .. } | NoteKind::Question { question: sent, .. } => Some(sent),
                NoteKind::Output { .. } | NoteKind::Progress(_) => None,
            })
            .collect()
    }
}

/// Capture, apply, prove: what the engine does for one attempt.
pub async fn attempt(action: &dyn Act, call: &Call) -> Result<(Value, Applied, Evidence), ActionError> {
    let snapshot = action.capture(call).await?;
    let applied = action.apply(call, &snapshot).await?;
    let evidence = action.prove(call, &snapshot, &applied).await?;
    Ok((snapshot, applied, evidence))
}

/// Waits until `ready` answers something; fails after ten seconds.
pub async fn eventually<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(found) = ready() {
            return found;
        }
        assert!(Instant::now() < end, "{what} did not happen in ten seconds");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
