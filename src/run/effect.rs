//! What the state machine asks its shell to do, and what the shell answers.
//!
//! An effect that changes something is performed only after the records before it are durable; one that only looks need not wait.

use std::sync::Arc;

use super::Instance;
use super::command::Command;
use crate::model::{Actor, Finding, Span, StepId, TargetName, Touch, Value};
use crate::plan::Param;

/// One verb of one action, with everything resolved but the secrets.
#[derive(Clone, PartialEq, Debug)]
pub struct CallSpec {
    /// The step instance.
    pub instance: Instance,
    /// Its id.
    pub step: StepId,
    /// The number of the attempt, or of the undo attempt.
    pub attempt: u32,
    /// The action.
    pub action: String,
    /// The target.
    pub target: Option<TargetName>,
    /// The parameters; no templates are left.
    pub params: Param,
    /// How long the verb may take.
    pub timeout: Span,
    /// What `capture` returned for the attempt; null while preparing.
    pub snapshot: Value,
    /// Whether the action can change its target.
    pub mutating: bool,
}

/// Something for the shell to do.
#[derive(Clone, PartialEq, Debug)]
pub enum Effect {
    /// Inspect and capture: read-only.
    Prepare(Arc<CallSpec>),
    /// Apply and prove. The intent is durable.
    Apply(Arc<CallSpec>),
    /// Look at what an interrupted attempt left: read-only.
    Probe(Arc<CallSpec>),
    /// Undo by the action's own undo. The intent is durable.
    Undo(Arc<CallSpec>),
    /// Undo by applying and proving another action. The intent is durable.
    UndoByAction(Arc<CallSpec>),
    /// The answer to this step's verb is no longer wanted; it should end soon.
    Cancel(Instance),
}

impl Effect {
    /// Whether its target is as it was, whatever the answer.
    pub fn is_look(&self) -> bool {
        match self {
            Self::Prepare(_) | Self::Probe(_) => true,
            Self::Apply(spec) => !spec.mutating,
            Self::Undo(_) | Self::UndoByAction(_) | Self::Cancel(_) => false,
        }
    }

    /// The call that it makes; none where it ends one.
    pub const fn spec(&self) -> Option<&Arc<CallSpec>> {
        match self {
            Self::Prepare(spec) | Self::Apply(spec) | Self::Probe(spec) | Self::Undo(spec) | Self::UndoByAction(spec) => {
                Some(spec)
            }
            Self::Cancel(_) => None,
        }
    }
}

/// Something the shell has to tell.
#[derive(Clone, PartialEq, Debug)]
pub enum Input {
    /// `Prepare` ended.
    Prepared(Instance, u32, Result<Preparation, Failure>),
    /// `Apply` ended.
    Applied(Instance, u32, Result<Success, Failure>),
    /// `Probe` ended.
    Probed(Instance, u32, Result<Look, Failure>),
    /// `Undo` or `UndoByAction` ended.
    Undone(Instance, u32, Result<Value, Failure>),
    /// An action told how far it is, what it sent or what was printed.
    Noted(super::Event),
    /// A person orders something.
    Ordered(Command, Actor),
    /// The roster, or its files of keys, are not what they were; null where they cannot be read.
    PeopleChanged(Value),
}

/// What inspect and capture found.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Preparation {
    /// Who the target says it is.
    pub identity: Value,
    /// What undo and probe need.
    pub snapshot: Value,
}

/// What apply and prove returned.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Success {
    /// What later steps can read.
    pub outputs: Value,
    /// What was asked to prove it, and what came back.
    pub evidence: Value,
}

/// What a probe returned.
#[derive(Clone, PartialEq, Debug)]
pub struct Look {
    /// The finding.
    pub finding: Finding,
    /// The outputs, where it counts as applied.
    pub outputs: Value,
    /// What was asked and what came back.
    pub evidence: Value,
}

/// Why a verb failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// What was tried and what came back.
    pub error: String,
    /// Whether the target can have changed.
    pub touch: Touch,
    /// Whether nobody saw the end.
    pub in_doubt: bool,
    /// What a person can send by hand.
    pub manual: Vec<String>,
}

impl Failure {
    /// A failure that left the target untouched.
    pub fn untouched(error: impl Into<String>) -> Self {
        Self { error: error.into(), touch: Touch::Untouched, in_doubt: false, manual: Vec::new() }
    }
}
