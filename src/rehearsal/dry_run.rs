//! The dry run: every step resolved as the run would resolve it, and looked at with the read-only half of its action.
//!
//! Nothing here can change a system: it holds [`Inspect`], and the half that changes is behind a
//! `LivePermit`, which only the live engine makes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::unbounded_channel;
use tokio_util::sync::CancellationToken;

use super::model::{Known, reads};
use crate::catalog::{self, Repeat};
use crate::connectors::{Inspect, Inspection, Registry};
use crate::engine::Calls;
use crate::model::{Actor, Digest, RunId, RunOutcome, StepId, TargetName, Timestamp, Value};
use crate::plan::{History, Plan, Section, StepIndex, StepKind};
use crate::run::{CallSpec, Event, Instance, Record, State};

/// The name that a dry run has in templates and owner tags.
const NAME: &str = "dry-run";
/// How long one look may take.
const LOOK: Duration = Duration::from_secs(30);

/// What a dry run found.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DryRun {
    /// The runbook's name.
    pub runbook: String,
    /// The digest of the plan.
    pub plan: Digest,
    /// When it was made.
    pub at: Timestamp,
    /// The digest over what would be sent and what stands in the way, step by step.
    pub digest: Digest,
    /// The steps in plan order.
    pub steps: Vec<DryStep>,
}

/// One step of a dry run.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DryStep {
    /// The step.
    pub step: StepId,
    /// Its part of the runbook.
    pub section: Section,
    /// The action; empty for groups and for steps that undo others.
    pub action: String,
    /// The target.
    pub target: Option<TargetName>,
    /// How much of it is known.
    pub fidelity: Fidelity,
    /// What would be sent, exactly.
    pub statements: Vec<String>,
    /// What its undo would send, exactly.
    pub undo_statements: Vec<String>,
    /// What stands in its way now.
    pub blockers: Vec<String>,
    /// Whether a step before it changes something, so that what stands in its way now may be gone then.
    pub behind_changes: bool,
    /// Who the target says it is.
    pub identity: Value,
    /// How long it should take, where its action knows, in milliseconds.
    pub expected_ms: Option<u64>,
    /// Why less is known than could be.
    pub note: Option<String>,
}

/// How much a dry run knows of a step.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fidelity {
    /// The target was asked, with the parameters that the run will use.
    ProbedLive,
    /// The target was asked, with made-up values in the place of what earlier steps will find.
    Simulated,
    /// Only the plan was read: nothing was asked, or there was no answer.
    Static,
    /// What is sent is known, and what it does is not: a program, or a request that only its author understands.
    Opaque,
}

impl Fidelity {
    /// The words for people.
    pub const fn words(self) -> &'static str {
        match self {
            Self::ProbedLive => "probed live",
            Self::Simulated => "simulated",
            Self::Static => "static",
            Self::Opaque => "opaque",
        }
    }
}

impl DryRun {
    /// The steps that something stands in the way of, with nothing before them that could clear it.
    pub fn blocked(&self) -> impl Iterator<Item = &DryStep> {
        self.steps.iter().filter(|step| !step.blockers.is_empty() && !step.behind_changes)
    }

    /// What is otherwise than in an earlier dry run, a line each.
    pub fn difference(&self, before: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        for step in &self.steps {
            let Some(old) = before.steps.iter().find(|old| old.step == step.step) else {
                lines.push(format!("{} is new", step.step));
                continue;
            };
            let parts = [
                ("sends otherwise", old.statements != step.statements),
                ("is undone otherwise", old.undo_statements != step.undo_statements),
                ("meets another server", old.identity != step.identity),
                ("meets other obstacles", old.blockers != step.blockers),
                ("is known otherwise", old.fidelity != step.fidelity),
            ];
            let changed: Vec<&str> = parts.iter().filter(|(_, differs)| *differs).map(|(what, _)| *what).collect();
            if !changed.is_empty() {
                lines.push(format!("{} {}", step.step, changed.join(", ")));
            }
        }
        let gone = before.steps.iter().filter(|old| !self.steps.iter().any(|step| step.step == old.step));
        lines.extend(gone.map(|old| format!("{} is gone", old.step)));
        lines
    }
}

/// Looks at every step of `plan`.
pub async fn dry_run(plan: &Arc<Plan>, registry: &Registry, starter: Actor, at: Timestamp) -> DryRun {
    let run = RunId::new(NAME);
    let (notes, _heard) = unbounded_channel();
    let calls = Calls::new(plan.clone(), run.clone(), notes);
    let known = Known::of(plan, &History::default());
    let mut state = State::new(plan.clone());
    begin(&mut state, run, starter, at);
    let mut steps = Vec::new();
    for index in 0..plan.steps().len() {
        let i = Instance::of(StepIndex::new(index));
        steps.push(step(plan, &state, i, &known, registry, &calls).await);
    }
    calls.end().await;
    let told: Vec<Value> = steps.iter().map(digested).collect();
    let digest = Digest::of(Value::Array(told).to_string().as_bytes());
    DryRun { runbook: plan.content().runbook.clone(), plan: plan.digest(), at, digest, steps }
}

/// What templates read of the run itself, as far as a dry run has it.
fn begin(state: &mut State, run: RunId, starter: Actor, at: Timestamp) {
    let (runbook, plan) = (state.plan().content().runbook.clone(), state.plan().digest());
    let events = [
        Event::RunStarted { run, runbook, plan, starter },
        // `finally` reads how the run ended: here, as if all had gone well.
        Event::FinallyStarted { outcome: RunOutcome::Succeeded },
    ];
    for (seq, event) in (1..).zip(events) {
        // A fold that refuses leaves templates unresolved, and the steps that use them say so.
        let _ = state.apply(&Record { seq, epoch: 1, at, uptime_ms: 0, event });
    }
}

/// What the digest is over: nothing that differs from one moment to the next.
fn digested(step: &DryStep) -> Value {
    serde_json::json!({
        "step": step.step, "action": step.action, "target": step.target, "fidelity": step.fidelity,
        "statements": step.statements, "undo_statements": step.undo_statements,
        "blockers": step.blockers, "identity": step.identity,
    })
}

async fn step(plan: &Plan, state: &State, i: Instance, known: &Known, registry: &Registry, calls: &Calls) -> DryStep {
    let planned = state.planned(i);
    let index = StepIndex::new(i.get());
    let before = plan.before(index);
    let behind_changes = plan.steps().iter().zip(before).any(|(step, before)| before && step.mutating);
    let mut dry = DryStep {
        step: planned.id.clone(),
        section: planned.section,
        action: planned.action.clone(),
        target: planned.target.clone(),
        fidelity: Fidelity::Static,
        statements: Vec::new(),
        undo_statements: Vec::new(),
        blockers: Vec::new(),
        behind_changes,
        identity: Value::Null,
        expected_ms: None,
        note: None,
    };
    let acts = matches!(planned.kind, StepKind::Action | StepKind::Spread { .. }) && planned.wait.is_none();
    let Some(act) = registry.looking(&planned.action).filter(|_| acts) else {
        return dry;
    };
    let is_late = reads_later(plan, index);
    if matches!(planned.kind, StepKind::Spread { .. }) {
        dry.note = Some("its list is known to the run alone".to_owned());
        return dry;
    }
    let spec = match state.foreseen(i, &|used| known.outputs(&state.planned(used).id)) {
        Ok(spec) => spec,
        Err(error) => {
            dry.note = Some(error.to_string());
            return dry;
        }
    };
    match look(&*act, &spec, calls).await {
        Ok(found) => {
            dry.fidelity = match catalog::action(&planned.action).map(|spec| spec.repeat) {
                Some(Repeat::Unknown) => Fidelity::Opaque,
                Some(Repeat::Ensures) | None if is_late => Fidelity::Simulated,
                Some(Repeat::Ensures) | None => Fidelity::ProbedLive,
            };
            let clean = |lines: Vec<String>| lines.iter().map(|line| calls.redact(line)).collect();
            dry.statements = clean(found.statements);
            dry.undo_statements = clean(found.undo_statements);
            dry.blockers = clean(
                found
                    .blockers
                    .into_iter()
                    .map(|b| match b.owner {
                        Some(owner) => format!("{} (of {owner})", b.what),
                        None => b.what,
                    })
                    .collect(),
            );
            dry.identity = calls.redactor().cleaned(found.identity);
            dry.expected_ms = found.expected_ms;
        }
        Err(error) => dry.note = Some(calls.redact(&error)),
    }
    dry
}

/// Whether a template of the step reads what only an earlier step will find.
fn reads_later(plan: &Plan, index: StepIndex) -> bool {
    let mut late = false;
    plan.step(index).with.each_template(&mut |template| late |= !reads(template).is_empty());
    late
}

async fn look(act: &dyn Inspect, spec: &CallSpec, calls: &Calls) -> Result<Inspection, String> {
    let patience = spec.timeout.as_duration().min(LOOK);
    let call = calls.call(spec, Instant::now() + patience, CancellationToken::new())?;
    match tokio::time::timeout(patience, act.inspect(&call)).await {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {}s", patience.as_secs())),
    }
}
