//! The contract of an action: inspect, capture, apply, prove, probe, undo.
//!
//! The engine owns when the verbs are called; an action owns what they say to its system. The verbs that change something
//! are in a trait of their own ([`Act`]), which a dry run cannot reach.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::Recorder;
use super::kept::Kept;
use crate::model::{ArgumentError, Arguments, Digest, Finding, RunId, StepId, TargetName, Touch, Value};

/// One call of one verb.
#[derive(Clone, Debug)]
pub struct Call {
    /// The run, for owner tags at the target.
    pub run: RunId,
    /// The step.
    pub step: StepId,
    /// The attempt, from 1.
    pub attempt: u32,
    /// The resolved parameters, secrets filled in, defaults of the catalog filled in.
    pub params: Arguments,
    /// The step's target.
    pub target: Option<Target>,
    /// The targets that parameters name (`check.tables` has two).
    pub targets: BTreeMap<TargetName, Target>,
    /// The folder of the runbook: relative paths start here.
    pub base_dir: PathBuf,
    /// When the engine stops waiting. A verb ends by itself a little earlier.
    pub deadline: Instant,
    /// Set when the engine no longer wants the answer.
    pub cancel: CancellationToken,
    /// Where statements, output and progress go.
    pub recorder: Recorder,
    /// The sessions of this run that wait for a verb.
    pub kept: Kept,
}

/// A target with its settings, secrets filled in.
#[derive(Clone, PartialEq, Debug)]
pub struct Target {
    /// The name in the runbook.
    pub name: TargetName,
    /// The connector.
    pub connector: String,
    /// The settings.
    pub settings: Arguments,
}

/// What a read-only look before an apply found.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Inspection {
    /// Who the target says it is: server id, file, host key.
    pub identity: Value,
    /// The state that matters, for people.
    pub state: Value,
    /// What apply would send, exactly.
    pub statements: Vec<String>,
    /// What undo would send, exactly.
    pub undo_statements: Vec<String>,
    /// What stands in the way now.
    pub blockers: Vec<Blocker>,
    /// How long apply should take, in milliseconds, where that is known.
    pub expected_ms: Option<u64>,
}

/// Something that stands in the way of an apply.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Blocker {
    /// What it is.
    pub what: String,
    /// Whose it is, where that is known.
    pub owner: Option<String>,
}

/// What an apply did.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Applied {
    /// What later steps can read.
    pub outputs: Value,
}

/// What was asked to prove something, and what came back. The engine adds the time.
#[derive(Clone, PartialEq, Debug)]
pub struct Evidence {
    /// What was asked and what came back, redacted.
    pub facts: Value,
    /// The digest of `facts` as JSON.
    pub digest: Digest,
}

impl Evidence {
    /// Evidence made of these facts.
    pub fn new(facts: Value) -> Self {
        let digest = Digest::of(facts.to_string().as_bytes());
        Self { facts, digest }
    }

    /// The undo of what only looks.
    pub fn nothing_changed() -> Self {
        Self::new(serde_json::json!({ "undo": "nothing was changed" }))
    }
}

/// What a read-only look after a crash found.
#[derive(Clone, PartialEq, Debug)]
pub struct Probed {
    /// The finding.
    pub finding: Finding,
    /// The outputs, where it counts as applied.
    pub outputs: Value,
    /// What was asked and what came back.
    pub facts: Value,
}

impl Probed {
    /// What an action answers that only looks: nothing can be left of it, and looking again is harmless.
    pub const fn nothing_left() -> Self {
        Self { finding: Finding::NotApplied, outputs: Value::Null, facts: Value::Null }
    }
}

/// Why a verb failed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}")]
pub struct ActionError {
    /// What was tried and what came back.
    pub message: String,
    /// Whether the target can have changed.
    pub touch: Touch,
    /// Whether nobody saw the end: the attempt is then in doubt and not failed.
    pub in_doubt: bool,
    /// What a person can do.
    pub hint: Option<String>,
    /// What a person can send by hand, where an undo failed.
    pub manual: Vec<String>,
}

impl ActionError {
    /// A failure before anything was sent: the target is untouched.
    pub fn untouched(message: impl Into<String>) -> Self {
        Self { message: message.into(), touch: Touch::Untouched, in_doubt: false, hint: None, manual: Vec::new() }
    }

    /// A failure after something may have been changed; the attempt is over.
    pub fn touched(message: impl Into<String>) -> Self {
        Self { touch: Touch::Possible, ..Self::untouched(message) }
    }

    /// Nobody saw the end of it.
    pub fn in_doubt(message: impl Into<String>) -> Self {
        Self { in_doubt: true, ..Self::touched(message) }
    }

    /// The same failure where something was changed before it.
    #[must_use]
    pub fn after_change(self) -> Self {
        Self { touch: Touch::Possible, ..self }
    }

    /// With what a person can do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// With what a person can send by hand.
    #[must_use]
    pub fn manual(mut self, statements: Vec<String>) -> Self {
        self.manual = statements;
        self
    }
}

impl From<ArgumentError> for ActionError {
    fn from(error: ArgumentError) -> Self {
        Self::untouched(error.to_string())
    }
}

/// The verbs that only look.
#[async_trait]
pub trait Inspect: Send + Sync {
    /// The action's name in the catalog.
    fn name(&self) -> &'static str;

    /// Identity, state, blockers and the exact statements, before every apply and in a dry run.
    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError>;

    /// What undo and probe need; journaled with the intent.
    async fn capture(&self, call: &Call) -> Result<Value, ActionError>;

    /// After a crash: was it applied? `snapshot` is what `capture` returned for that attempt.
    async fn probe(&self, call: &Call, snapshot: &Value) -> Result<Probed, ActionError>;
}

/// The verbs that change something. Only a holder of a `LivePermit` reaches them.
#[async_trait]
pub trait Act: Inspect {
    /// Ensures the state. A no-op when it already holds.
    async fn apply(&self, call: &Call, snapshot: &Value) -> Result<Applied, ActionError>;

    /// Proves the state right after `apply`; no step succeeds without it.
    async fn prove(&self, call: &Call, snapshot: &Value, applied: &Applied) -> Result<Evidence, ActionError>;

    /// Ensures the saved state and proves it. A no-op when it already holds.
    async fn undo(&self, call: &Call, snapshot: &Value) -> Result<Evidence, ActionError>;
}
