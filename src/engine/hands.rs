//! Performs effects: builds a call, runs the verbs of its action under a deadline, and sends back what came of it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

use super::calls::Calls;
use crate::connectors::{Act, ActionError, Call, Evidence, LivePermit, Note, Registry};
use crate::model::{Redactor, RunId, Touch, Value};
use crate::plan::Plan;
use crate::run::{CallSpec, Effect, Failure, Input, Instance, Look, Preparation, Success};

/// The most bytes of JSON that a snapshot, or outputs with their evidence, may have: the journal takes 1 MiB per record.
const LARGEST_VALUE: usize = 768 << 10;

/// How much longer than its deadline a verb is waited for; it should have ended by itself before.
const GRACE: Duration = Duration::from_secs(5);

/// The hands of one executor.
pub(super) struct Hands {
    shared: Arc<Shared>,
    cancels: HashMap<Instance, CancellationToken>,
}

struct Shared {
    calls: Calls,
    registry: Registry,
    permit: LivePermit,
    inputs: UnboundedSender<Input>,
}

impl Hands {
    pub fn new(
        plan: Arc<Plan>,
        run: RunId,
        registry: Registry,
        inputs: UnboundedSender<Input>,
        notes: UnboundedSender<Note>,
    ) -> Self {
        let permit = LivePermit::for_live_engine();
        let shared = Shared { calls: Calls::new(plan, run, notes), registry, permit, inputs };
        Self { shared: Arc::new(shared), cancels: HashMap::new() }
    }

    /// Lets go of every target: sessions that wait for a verb are ended.
    pub async fn rest(&self) {
        self.shared.calls.end().await;
    }

    /// Begins an effect; its end arrives as an input.
    pub fn perform(&mut self, effect: Effect) {
        let instance = match &effect {
            Effect::Cancel(instance) => {
                if let Some(cancel) = self.cancels.remove(instance) {
                    cancel.cancel();
                }
                return;
            }
            Effect::Prepare(spec)
            | Effect::Apply(spec)
            | Effect::Probe(spec)
            | Effect::Undo(spec)
            | Effect::UndoByAction(spec) => spec.instance,
        };
        let cancel = CancellationToken::new();
        self.cancels.insert(instance, cancel.clone());
        let shared = self.shared.clone();
        tokio::spawn(async move {
            let input = shared.run_verb(effect, cancel).await;
            // A closed channel means that the executor is gone; the next one finds the attempt in doubt.
            let _ = shared.inputs.send(input);
        });
    }
}

impl Shared {
    async fn run_verb(&self, effect: Effect, cancel: CancellationToken) -> Input {
        match effect {
            Effect::Prepare(spec) => {
                let result = self.bounded(&spec, cancel, false, |act, call| async move { prepare(&*act, &call).await }).await;
                Input::Prepared(spec.instance, spec.attempt, result.map(|p| self.redact_preparation(p)))
            }
            Effect::Apply(spec) => {
                let snapshot = spec.snapshot.clone();
                let verbs = |act: Arc<dyn Act>, call: Call| async move { apply(&*act, &call, &snapshot).await };
                let result = self.bounded(&spec, cancel, spec.mutating, verbs).await;
                Input::Applied(spec.instance, spec.attempt, result.map(|s| self.redact_success(s)))
            }
            Effect::Probe(spec) => {
                let snapshot = spec.snapshot.clone();
                let verbs = |act: Arc<dyn Act>, call: Call| async move { act.probe(&call, &snapshot).await };
                let result = self.bounded(&spec, cancel, false, verbs).await;
                let redactor = self.calls.redactor();
                let look = |p: crate::connectors::Probed| Look {
                    finding: p.finding,
                    outputs: redactor.cleaned(p.outputs),
                    evidence: redactor.cleaned(p.facts),
                };
                Input::Probed(spec.instance, spec.attempt, result.map(look))
            }
            Effect::Undo(spec) => {
                let snapshot = spec.snapshot.clone();
                let verbs = |act: Arc<dyn Act>, call: Call| async move { act.undo(&call, &snapshot).await };
                let result = self.bounded(&spec, cancel, true, verbs).await;
                Input::Undone(spec.instance, spec.attempt, result.map(|evidence| self.shown(&evidence)))
            }
            Effect::UndoByAction(spec) => {
                let verbs = |act: Arc<dyn Act>, call: Call| async move {
                    let prepared = prepare(&*act, &call).await?;
                    apply(&*act, &call, &prepared.snapshot).await
                };
                let result = self.bounded(&spec, cancel, true, verbs).await;
                let redactor = self.calls.redactor();
                Input::Undone(spec.instance, spec.attempt, result.map(|success| redactor.cleaned(success.evidence)))
            }
            Effect::Cancel(_) => unreachable!("invariant: a cancel is no verb"),
        }
    }

    /// Runs verbs under the deadline of the call. Whoever has not answered after it and a grace is given up on.
    async fn bounded<T, F>(
        &self,
        spec: &CallSpec,
        cancel: CancellationToken,
        mutating: bool,
        verbs: impl FnOnce(Arc<dyn Act>, Call) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, ActionError>>,
    {
        let timeout = spec.timeout.as_duration();
        let act = self.registry.acting(&spec.action, &self.permit).ok_or_else(|| {
            Failure::untouched(format!("this build of Pointsman has no connector for the action {}", spec.action))
        })?;
        let deadline = Instant::now() + timeout;
        let call = self.calls.call(spec, deadline, cancel).map_err(|error| Failure::untouched(self.calls.redact(&error)))?;
        match tokio::time::timeout(timeout + GRACE, verbs(act, call)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(self.failure(error)),
            Err(_) if mutating => Err(Failure {
                error: format!("the action {} did not answer within {}", spec.action, spec.timeout),
                touch: Touch::Possible,
                in_doubt: true,
                manual: Vec::new(),
            }),
            Err(_) => Err(Failure::untouched(format!("the action {} did not answer within {}", spec.action, spec.timeout))),
        }
    }

    fn failure(&self, error: ActionError) -> Failure {
        let redactor = self.calls.redactor();
        let message = match &error.hint {
            Some(hint) => format!("{} ({hint})", error.message),
            None => error.message.clone(),
        };
        Failure {
            error: redactor.redact(&message),
            touch: error.touch,
            in_doubt: error.in_doubt,
            manual: error.manual.iter().map(|line| redactor.redact(line)).collect(),
        }
    }

    fn redact_preparation(&self, preparation: Preparation) -> Preparation {
        let redactor: Arc<Redactor> = self.calls.redactor();
        Preparation { identity: redactor.cleaned(preparation.identity), snapshot: redactor.cleaned(preparation.snapshot) }
    }

    fn redact_success(&self, success: Success) -> Success {
        let redactor = self.calls.redactor();
        Success { outputs: redactor.redact_value(&success.outputs), evidence: redactor.cleaned(success.evidence) }
    }

    fn shown(&self, evidence: &Evidence) -> Value {
        self.calls.redactor().cleaned(show(evidence))
    }
}

/// Inspect, then capture: nothing is sent that changes anything.
async fn prepare(act: &dyn Act, call: &Call) -> Result<Preparation, ActionError> {
    let inspection = act.inspect(call).await?;
    if !inspection.blockers.is_empty() {
        let blockers: Vec<String> = inspection
            .blockers
            .iter()
            .map(|blocker| match &blocker.owner {
                Some(owner) => format!("{} (of {owner})", blocker.what),
                None => blocker.what.clone(),
            })
            .collect();
        return Err(ActionError::untouched(format!("blocked: {}", blockers.join("; "))));
    }
    let snapshot = act.capture(call).await?;
    if let Some(bytes) = too_large(&[&snapshot, &inspection.identity]) {
        return Err(ActionError::untouched(format!(
            "the state to come back to has {bytes} bytes, and a record takes {LARGEST_VALUE}"
        ))
        .hint("split the step: fewer tables or files at a time"));
    }
    Ok(Preparation { identity: inspection.identity, snapshot })
}

/// Apply, then prove: no step succeeds on an exit code alone.
async fn apply(act: &dyn Act, call: &Call, snapshot: &Value) -> Result<Success, ActionError> {
    let applied = act.apply(call, snapshot).await?;
    let evidence = act
        .prove(call, snapshot, &applied)
        .await
        .map_err(|error| ActionError { message: format!("applied, and the proof failed: {}", error.message), ..error })?;
    // The effect is there and proven: what is too long to keep is left out, and its digest stays.
    let facts = if too_large(&[&evidence.facts]).is_some() { Value::from("too long to keep") } else { evidence.facts };
    let outputs = match too_large(&[&applied.outputs, &facts]) {
        None => applied.outputs,
        Some(bytes) => {
            return Err(ActionError::touched(format!(
                "applied and proven, but its outputs have {bytes} bytes, and a record takes {LARGEST_VALUE}"
            )));
        }
    };
    Ok(Success { outputs, evidence: show(&Evidence { facts, digest: evidence.digest }) })
}

/// How many bytes of JSON these have together, if that is too many.
fn too_large(values: &[&Value]) -> Option<usize> {
    let bytes = values.iter().map(|value| weight(value)).sum();
    (bytes > LARGEST_VALUE).then_some(bytes)
}

/// The bytes of a value as JSON, but for escapes in its texts; what escapes make too long the journal refuses by itself.
fn weight(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 5,
        Value::Number(_) => 20,
        Value::String(text) => text.len() + 2,
        Value::Array(items) => items.iter().map(|item| weight(item) + 1).sum::<usize>() + 2,
        Value::Object(map) => map.iter().map(|(key, item)| key.len() + weight(item) + 4).sum::<usize>() + 2,
    }
}

fn show(evidence: &Evidence) -> Value {
    serde_json::json!({ "facts": evidence.facts, "digest": evidence.digest })
}
