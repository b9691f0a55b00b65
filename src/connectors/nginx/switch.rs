//! `nginx.switch`: another upstream, at once.

use async_trait::async_trait;
use serde_json::json;

use super::include::{Include, Snapshot};
use super::route::{digests, upstream};
use crate::connectors::patience::Patience;
use crate::connectors::{Act, ActionError, Applied, Call, Evidence, Inspect, Inspection, Probed};
use crate::model::{Digest, Finding, Value};

/// The action.
#[derive(Debug)]
pub struct Switch;

/// What is found of a text after a crash: file and workers must both have it.
pub(super) async fn found(
    call: &Call,
    include: &Include,
    snapshot: &Snapshot,
    wanted: &str,
    own: &[Digest],
) -> Result<Finding, ActionError> {
    let (now, generation) = (include.read(call).await?, include.generation(call).await?);
    let is_taken_up = generation.is_younger;
    Ok(if now.bytes == wanted.as_bytes() && is_taken_up {
        Finding::Applied
    } else if snapshot.is_old(&now) && is_taken_up {
        Finding::NotApplied
    } else if own.contains(&now.digest()) || snapshot.is_old(&now) {
        Finding::Partial("the file was written, and the workers have not taken up the last share of it".to_owned())
    } else {
        Finding::Unknown(format!("the file is neither the old nor the new one: it is {}", now.digest()))
    })
}

#[async_trait]
impl Inspect for Switch {
    fn name(&self) -> &'static str {
        "nginx.switch"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let (include, text) = (Include::of(call).await?, upstream(call)?);
        let (now, generation) = (include.read(call).await?, include.generation(call).await?);
        Ok(Inspection {
            identity: include.identity(call).await?,
            state: json!({ "digest": now.digest().to_string(), "workers": generation.serving, "old_workers": generation.leaving.len() }),
            statements: include.statements(Digest::of(text.as_bytes())),
            undo_statements: include.statements(now.digest()),
            blockers: include.blockers(call).await?,
            expected_ms: Some(200),
        })
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        upstream(call)?;
        Include::of(call).await?.capture(call).await
    }

    async fn probe(&self, call: &Call, snapshot: &Value) -> Result<Probed, ActionError> {
        let (include, text, snapshot) = (Include::of(call).await?, upstream(call)?, Snapshot::from_value(snapshot)?);
        let finding = found(call, &include, &snapshot, &text, &digests(std::slice::from_ref(&text))).await?;
        let left = include.generation(call).await?.leaving.len();
        Ok(Probed {
            finding,
            outputs: json!({ "to": call.params.text("to")?, "old_workers": left }),
            facts: json!({ "old_workers": left }),
        })
    }
}

#[async_trait]
impl Act for Switch {
    async fn apply(&self, call: &Call, snapshot: &Value) -> Result<Applied, ActionError> {
        let (include, text, snapshot) = (Include::of(call).await?, upstream(call)?, Snapshot::from_value(snapshot)?);
        let patience = Patience::of(call);
        include.ensure(call, &patience, &snapshot, &text, &digests(std::slice::from_ref(&text))).await?;
        let left = include.old_workers(call, &patience).await.map_err(|error| ActionError::touched(error.message))?;
        Ok(Applied { outputs: json!({ "to": call.params.text("to")?, "old_workers": left }) })
    }

    async fn prove(&self, call: &Call, _snapshot: &Value, _applied: &Applied) -> Result<Evidence, ActionError> {
        Include::of(call).await?.prove(call, &upstream(call)?).await
    }

    async fn undo(&self, call: &Call, snapshot: &Value) -> Result<Evidence, ActionError> {
        let (include, text, snapshot) = (Include::of(call).await?, upstream(call)?, Snapshot::from_value(snapshot)?);
        include.undo(call, &snapshot, &digests(&[text])).await
    }
}
