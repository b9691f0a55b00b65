//! What every verb answers, once more without the known secrets. Each hand redacts what it says itself; this is the second
//! line, at the one place that all of them pass. A snapshot is not touched: an undo needs it as it was taken, and none
//! carries a parameter.

use async_trait::async_trait;

use super::{Act, ActionError, Applied, Blocker, Call, Evidence, Inspect, Inspection, Probed, Recorder};
use crate::model::{Finding, Value};

/// An action whose answers are redacted.
#[derive(Debug)]
pub struct Guarded<A>(pub A);

fn error(recorder: &Recorder, error: ActionError) -> ActionError {
    ActionError {
        message: recorder.redact(&error.message),
        hint: error.hint.map(|hint| recorder.redact(&hint)),
        manual: error.manual.iter().map(|statement| recorder.redact(statement)).collect(),
        ..error
    }
}

fn evidence(recorder: &Recorder, evidence: Evidence) -> Evidence {
    let facts = recorder.redact_value(&evidence.facts);
    if facts == evidence.facts { evidence } else { Evidence::new(facts) }
}

#[async_trait]
impl<A: Inspect> Inspect for Guarded<A> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let recorder = &call.recorder;
        let found = self.0.inspect(call).await.map_err(|e| error(recorder, e))?;
        let texts = |texts: Vec<String>| texts.iter().map(|text| recorder.redact(text)).collect();
        let blocker = |blocker: Blocker| Blocker { what: recorder.redact(&blocker.what), owner: blocker.owner };
        Ok(Inspection {
            identity: recorder.redact_value(&found.identity),
            state: recorder.redact_value(&found.state),
            statements: texts(found.statements),
            undo_statements: texts(found.undo_statements),
            blockers: found.blockers.into_iter().map(blocker).collect(),
            expected_ms: found.expected_ms,
        })
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        self.0.capture(call).await.map_err(|e| error(&call.recorder, e))
    }

    async fn probe(&self, call: &Call, snapshot: &Value) -> Result<Probed, ActionError> {
        let recorder = &call.recorder;
        let probed = self.0.probe(call, snapshot).await.map_err(|e| error(recorder, e))?;
        let finding = match probed.finding {
            Finding::Applied => Finding::Applied,
            Finding::NotApplied => Finding::NotApplied,
            Finding::Partial(what) => Finding::Partial(recorder.redact(&what)),
            Finding::Unknown(why) => Finding::Unknown(recorder.redact(&why)),
        };
        Ok(Probed { finding, outputs: recorder.redact_value(&probed.outputs), facts: recorder.redact_value(&probed.facts) })
    }
}

#[async_trait]
impl<A: Act> Act for Guarded<A> {
    async fn apply(&self, call: &Call, snapshot: &Value) -> Result<Applied, ActionError> {
        let applied = self.0.apply(call, snapshot).await.map_err(|e| error(&call.recorder, e))?;
        Ok(Applied { outputs: call.recorder.redact_value(&applied.outputs) })
    }

    async fn prove(&self, call: &Call, snapshot: &Value, applied: &Applied) -> Result<Evidence, ActionError> {
        let proof = self.0.prove(call, snapshot, applied).await.map_err(|e| error(&call.recorder, e))?;
        Ok(evidence(&call.recorder, proof))
    }

    async fn undo(&self, call: &Call, snapshot: &Value) -> Result<Evidence, ActionError> {
        let undone = self.0.undo(call, snapshot).await.map_err(|e| error(&call.recorder, e))?;
        Ok(evidence(&call.recorder, undone))
    }
}
