//! One step of a plan, with everything the state machine needs to decide about it.

use serde::{Deserialize, Serialize};

use super::{Param, Template};
use crate::model::{PersonId, RoleName, Span, StepId, TargetName, Value};

/// The position of a step in its plan.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepIndex(u32);

impl StepIndex {
    /// The position `index`; a plan has fewer than 2^32 steps.
    pub fn new(index: usize) -> Self {
        Self(u32::try_from(index).expect("invariant: a plan has fewer than 2^32 steps"))
    }

    /// As an index into a slice.
    pub const fn get(self) -> usize {
        self.0 as usize
    }
}

/// Which part of the runbook a step stands in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Section {
    /// `steps`
    Forward,
    /// `rollback.steps`
    Rollback,
    /// `finally`
    Finally,
}

/// A step as it will be executed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedStep {
    /// The id, unique in the plan.
    pub id: StepId,
    /// The part of the runbook.
    pub section: Section,
    /// What kind of step it is.
    pub kind: StepKind,
    /// The action; empty for a group and for an undo step.
    pub action: String,
    /// The target it acts on.
    pub target: Option<TargetName>,
    /// The steps that must have succeeded (or been skipped) first; all in the same section.
    pub needs: Vec<StepIndex>,
    /// The parameters; templates that only a run can resolve are still in it.
    pub with: Param,
    /// Renders to `true` or `false`; `false` skips the step.
    pub when: Option<Template>,
    /// The group that this step is an item of.
    pub group: Option<StepIndex>,
    /// The item of `foreach` that this step is for.
    pub item: Option<Value>,
    /// The time one attempt may take.
    pub timeout: Span,
    /// How often and how long it is tried.
    pub retry: Retry,
    /// What a failure means.
    pub on_failure: OnFailure,
    /// What a crash in the middle of an attempt means.
    pub in_doubt: InDoubt,
    /// The way back.
    pub undo: PlannedUndo,
    /// The reason why nothing before this can be undone after it.
    pub point_of_no_return: Option<String>,
    /// Who is responsible for it.
    pub owner: Option<PersonId>,
    /// The role that must confirm it before its dependents start.
    pub confirm: Option<RoleName>,
    /// Whether retry, skip and resolve need two persons.
    pub protected: bool,
    /// Conditions on its outputs, as written.
    pub expect: Vec<(String, Value)>,
    /// Whether its action can change a target.
    pub mutating: bool,
    /// Whether a second attempt is harmless: by the action's contract (`Repeat::Ensures`), or by the author's `idempotent:`.
    pub ensures: bool,
    /// Whether its action can tell after a crash if it was applied.
    pub has_probe: bool,
    /// For an engine wait: what it waits for. Such a step has no attempts.
    pub wait: Option<Wait>,
}

/// What kind of step it is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// An action, or a wait of the engine.
    Action,
    /// A `foreach` over a list known at plan time. Its items are steps of their own, which stand before it and which it
    /// needs; it succeeds when they have.
    Group {
        /// How many items run at the same time, at most.
        max_concurrent: u32,
    },
    /// A `foreach` over a list that only the run knows. When its turn comes, one instance per item is made of it.
    Spread {
        /// Renders to the list.
        over: Template,
        /// How many items run at the same time, at most.
        max_concurrent: u32,
    },
    /// In `rollback.steps`: undoes other steps.
    Undo(UndoScope),
}

/// Which steps an undo step undoes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UndoScope {
    /// Everything that ran.
    Everything,
    /// These, if they ran.
    Steps(Vec<StepIndex>),
}

/// How often a step is tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// Attempts in all; 1 means no retry.
    pub max_attempts: u32,
    /// The pause before the second attempt; it doubles with each further one.
    pub backoff: Span,
    /// No new attempt starts later than this after the first one started.
    pub max_elapsed: Option<Span>,
}

/// What a failed step means for the run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// The run turns back.
    Rollback,
    /// The step waits for a person.
    Hold,
    /// The run goes on without the step and without its dependents.
    Continue,
}

/// What a crash in the middle of an attempt means.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InDoubt {
    /// Look, read-only; ask a person when the look cannot tell.
    Probe,
    /// Run it again; the author says why this is harmless.
    Rerun {
        /// The reason.
        why: String,
    },
    /// Ask a person.
    Ask,
}

/// The way back from a step. "Not needed", "exists" and "cannot" are three things.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlannedUndo {
    /// It changes nothing.
    NotNeeded,
    /// The action's own: restore the captured snapshot.
    Auto,
    /// Another action, named by the author.
    Action {
        /// The action.
        action: String,
        /// Its target.
        target: Option<TargetName>,
        /// Its parameters.
        with: Param,
    },
    /// The author says that nothing has to be undone.
    Nothing {
        /// The reason.
        why: String,
    },
    /// The action or the author says that it cannot be undone.
    Impossible {
        /// The reason.
        why: String,
    },
}

/// What an engine wait waits for. Waiting occupies nothing: it is state and a deadline.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wait {
    /// Persons who decide.
    Approval {
        /// How many of each role.
        approvers: Vec<Approvers>,
        /// Who may not approve.
        not: Vec<Exclusion>,
        /// How long the decision may take.
        deadline: Option<Span>,
        /// What happens then.
        on_deadline: OnDeadline,
        /// Whether it takes signatures.
        #[serde(default, skip_serializing_if = "SignatureRule::is_accepted")]
        signature: SignatureRule,
        /// How old the evidence may be: how long ago the steps before the gate ended.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        evidence_within: Option<Span>,
        /// How long ago the same steps were run under a profile and succeeded, at most.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rehearsed_within: Option<Span>,
        /// Who may fill any place once the deadline has passed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        escalate_to: Option<RoleName>,
        /// Who may open it in an emergency, without its quorum.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        break_glass: Option<BreakGlass>,
    },
    /// A length of time.
    Hold {
        /// How long.
        duration: Span,
    },
    /// The runbook's window.
    Window,
    /// A person who does something and reports it.
    Manual {
        /// The role that may report; anybody of the roster when none.
        role: Option<RoleName>,
        /// The fields of the report and their types (`text`, `integer`, `boolean`).
        form: Vec<(String, String)>,
        /// How long it may take.
        deadline: Option<Span>,
        /// What happens then.
        on_deadline: OnDeadline,
    },
}

/// How many persons of one role must approve.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approvers {
    /// The role.
    pub role: RoleName,
    /// How many persons, at least one.
    pub count: u32,
}

/// Who may not approve although they have the role.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exclusion {
    /// Who started the run.
    Starter,
    /// Who owns the runbook.
    Author,
    /// Who edited the runbook last.
    Editor,
}

/// How a gate is opened in an emergency: by several persons at once, or by one after a delay in which everybody can say no.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BreakGlass {
    /// The role that may.
    pub role: RoleName,
    /// How many persons open it at once; at least two.
    pub persons: u32,
    /// After how long it opens for one.
    pub delay: Option<Span>,
}

/// Whether a gate takes only signed approvals.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignatureRule {
    /// Only signed ones.
    Required,
    /// Signed ones, and those of local users whom the kernel vouches for.
    #[default]
    Accepted,
}

impl SignatureRule {
    /// Whether unsigned approvals count.
    pub fn is_accepted(&self) -> bool {
        *self == Self::Accepted
    }
}

/// What happens at a deadline. It never approves.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnDeadline {
    /// Keep waiting, and say so.
    Hold,
    /// As if a person had rejected: the step's `on_failure` decides.
    Reject,
    /// Turn back.
    Rollback,
    /// Keep waiting, and let another role decide too.
    Escalate,
}
