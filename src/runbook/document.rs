//! A runbook as it was written: every key of the language, with the place of every value.
//!
//! Well formed, and not yet meaningful: see the room's description for what was checked and what the planner checks.

use super::{Entry, Node, ParamDecl};
use crate::diagnostic::SourceSpan;
use crate::model::{Digest, Object, PersonId, RoleName, Span, StepId, TargetName, Timestamp, Value, WitnessLevel};

/// A value and where it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub span: SourceSpan,
}

impl<T> Spanned<T> {
    /// A value at `span`.
    pub const fn new(value: T, span: SourceSpan) -> Self {
        Self { value, span }
    }

    /// The same place with another value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Spanned<U> {
        Spanned { value: change(self.value), span: self.span }
    }
}

/// A whole runbook.
#[derive(Clone, PartialEq, Debug)]
pub struct Runbook {
    /// `pointsman`: the version of the language; always 1 today.
    pub version: Spanned<u32>,
    /// The digest of everything that is written but for what differs between profiles (`targets`, `environment`, `window`,
    /// `roster`, `owner`, `title`, defaults of parameters); spaces and remarks do not count.
    pub written: Digest,
    /// `runbook`: its name, a well-formed name.
    pub name: Spanned<String>,
    /// `title`: for people.
    pub title: Option<Spanned<String>>,
    /// `owner`: its author. Whether the roster has this person is for the planner.
    pub owner: Option<Spanned<PersonId>>,
    /// `environment`: where it acts; typed by whoever approves a protected gate.
    pub environment: Option<Spanned<String>>,
    /// `params`, in written order; names are distinct, defaults fit their own rules.
    pub params: Vec<ParamDecl>,
    /// `window`.
    pub window: Option<Window>,
    /// `roster`: the path of the roster file, from the folder of the runbook.
    pub roster: Option<Spanned<String>>,
    /// `witness`: who outside has to have seen the record.
    pub witness: Option<WitnessPolicy>,
    /// `targets`, in written order; names are distinct.
    pub targets: Vec<Target>,
    /// `move`: what the built-in interlocks speak about.
    pub movement: Option<Move>,
    /// `interlocks`: rules of its own, in written order; names are distinct.
    pub interlocks: Vec<Interlock>,
    /// `defaults`.
    pub defaults: Defaults,
    /// `steps`, in written order, at least one; ids are distinct within each section.
    pub steps: Vec<Step>,
    /// `finally`, in written order.
    pub finally: Vec<Step>,
    /// `rollback`.
    pub rollback: Option<Rollback>,
}

/// A profile: other targets for the same steps. Whether it fits a runbook is for the planner.
#[derive(Clone, PartialEq, Debug)]
pub struct Profile {
    /// Its first key.
    pub span: SourceSpan,
    /// `targets`, in written order; names are distinct.
    pub targets: Vec<Target>,
    /// `params`.
    pub params: Object,
    /// `environment`.
    pub environment: Option<Spanned<String>>,
    /// `window`.
    pub window: Option<Window>,
}

/// `window`: when a run may act. Times are local times of `time_zone` that exist exactly once; it opens before it closes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Window {
    /// The whole block.
    pub span: SourceSpan,
    /// The first moment.
    pub opens: Spanned<Timestamp>,
    /// The last moment.
    pub closes: Spanned<Timestamp>,
    /// An IANA time zone that exists.
    pub time_zone: Spanned<String>,
}

/// `witness`: what a gate waits for, beyond what the installation asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WitnessPolicy {
    /// The whole block.
    pub span: SourceSpan,
    /// `level`: L2 or L3.
    pub level: Spanned<WitnessLevel>,
    /// `heartbeat`: from one second to a minute.
    pub heartbeat: Option<Spanned<Span>>,
}

/// One entry of `targets`.
#[derive(Clone, PartialEq, Debug)]
pub struct Target {
    /// Its name.
    pub name: Spanned<TargetName>,
    /// The value behind the name.
    pub span: SourceSpan,
    /// `connector`. Whether it exists is for the planner.
    pub connector: Spanned<String>,
    /// Every other key; the connector's settings are typed by the planner.
    pub settings: Vec<Entry>,
}

/// `move`: from where to where, and the entry of the traffic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Move {
    /// The whole block.
    pub span: SourceSpan,
    /// The target that is left.
    pub from: Spanned<TargetName>,
    /// The target that is moved to; another one than `from`.
    pub to: Spanned<TargetName>,
    /// `target/part`, or a target alone.
    pub entry: Option<Spanned<String>>,
    /// `clients_bear`: how long clients can bear that nobody writes.
    pub clients_bear: Option<Spanned<Span>>,
}

/// One entry of `interlocks`. What its words mean is for the planner.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Interlock {
    /// Its name.
    pub name: Spanned<String>,
    /// Its words.
    pub law: InterlockText,
}

/// The words of a rule, by its kind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum InterlockText {
    /// `never`: what is true at no moment.
    Never(Spanned<String>),
    /// `before`: what steps require when they start.
    Before(Spanned<String>),
    /// `always-ends`: what is true at every end.
    AlwaysEnds(Spanned<String>),
}

/// `defaults`: what steps have that do not say otherwise.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Defaults {
    /// `timeout` of one attempt.
    pub timeout: Option<Spanned<Span>>,
    /// `retry`.
    pub retry: Option<RetryRule>,
    /// `on_failure`.
    pub on_failure: Option<Spanned<OnFailureChoice>>,
    /// `max_concurrent`: how many attempts of the whole run there are at the same time, at least 1.
    pub max_concurrent: Option<Spanned<u32>>,
}

/// One step of `steps`, `finally` or `rollback.steps`.
#[derive(Clone, PartialEq, Debug)]
pub struct Step {
    /// Its id, with the place of the key.
    pub id: Spanned<StepId>,
    /// The value behind the id.
    pub span: SourceSpan,
    /// `needs`, each only once.
    pub needs: Vec<Spanned<StepId>>,
    /// What it does.
    pub work: Work,
    /// `when`: a template, or `true` or `false` as text.
    pub when: Option<Spanned<String>>,
    /// `foreach`: a list, or a text with a template that yields one.
    pub foreach: Option<Node>,
    /// `max_concurrent` of the items, at least 1; only with `foreach`.
    pub max_concurrent: Option<Spanned<u32>>,
    /// `timeout` of one attempt.
    pub timeout: Option<Spanned<Span>>,
    /// `retry`.
    pub retry: Option<RetryRule>,
    /// `on_failure`; not in `finally`, where a failure never turns the run back.
    pub on_failure: Option<Spanned<OnFailureChoice>>,
    /// `in_doubt`; `rerun` comes with `idempotent`.
    pub in_doubt: Option<Spanned<InDoubtChoice>>,
    /// `idempotent`: why a second run is harmless.
    pub idempotent: Option<Spanned<String>>,
    /// `undo` of a step that acts; only in `steps`.
    pub undo: Option<Spanned<Undo>>,
    /// `point_of_no_return`: the reason in words; only in `steps`.
    pub point_of_no_return: Option<Spanned<String>>,
    /// `owner`: the executor.
    pub owner: Option<Spanned<PersonId>>,
    /// `confirm.role`: who must confirm it before its dependents start.
    pub confirm: Option<Spanned<RoleName>>,
    /// `protected`.
    pub protected: Option<Spanned<bool>>,
    /// `expect`, in written order.
    pub expect: Vec<Expectation>,
}

/// What a step does.
#[derive(Clone, PartialEq, Debug)]
pub enum Work {
    /// It calls an action.
    Action(Call),
    /// In `rollback.steps` only: it undoes steps of `steps`.
    Undo(Spanned<UndoScope>),
}

/// An action with what it is called with.
#[derive(Clone, PartialEq, Debug)]
pub struct Call {
    /// `action`. Whether it exists is for the planner.
    pub action: Spanned<String>,
    /// `target`.
    pub target: Option<Spanned<TargetName>>,
    /// `with`, always a map; typed by the planner.
    pub with: Option<Node>,
}

/// `undo` of a step of `rollback.steps`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum UndoScope {
    /// `everything` that ran.
    Everything,
    /// These steps, if they ran; at least one, each only once.
    Steps(Vec<Spanned<StepId>>),
}

/// `undo` of a step of `steps`.
#[derive(Clone, PartialEq, Debug)]
pub enum Undo {
    /// `auto`: the action's own.
    Auto,
    /// `{ action, target, with }`: another action.
    Action(Call),
    /// `{ nothing: "why" }`: there is nothing to undo.
    Nothing {
        /// The reason.
        why: Spanned<String>,
    },
    /// `{ impossible: "why" }`: it cannot be undone.
    Impossible {
        /// The reason.
        why: Spanned<String>,
    },
}

/// `retry`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RetryRule {
    /// The whole block.
    pub span: SourceSpan,
    /// `max_attempts` in all, at least 1.
    pub max_attempts: Option<Spanned<u32>>,
    /// `backoff` before the second attempt.
    pub backoff: Option<Spanned<Span>>,
    /// `max_elapsed` after which no attempt starts.
    pub max_elapsed: Option<Spanned<Span>>,
}

/// `on_failure`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum OnFailureChoice {
    /// The run turns back.
    Rollback,
    /// The step waits for a person.
    Hold,
    /// The run goes on without the step.
    Continue,
}

/// `in_doubt`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum InDoubtChoice {
    /// Look, read-only.
    Probe,
    /// Run it again; the step says in `idempotent` why this is harmless.
    Rerun,
    /// Ask a person.
    Ask,
}

/// One entry of `expect`. Whether the action has this output is for the planner.
#[derive(Clone, PartialEq, Debug)]
pub struct Expectation {
    /// The output.
    pub output: Spanned<String>,
    /// The condition as written; `Condition::parse` accepts it.
    pub condition: Spanned<Value>,
}

/// `rollback`: the way back as a branch of its own.
#[derive(Clone, PartialEq, Debug)]
pub struct Rollback {
    /// The whole block.
    pub span: SourceSpan,
    /// `decide.role`: who may order it by hand.
    pub decide: Option<Spanned<RoleName>>,
    /// `steps`, in written order; without any, what ran is undone in reverse.
    pub steps: Vec<Step>,
}
