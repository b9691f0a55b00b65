//! `nginx.split`: clients move in shares of 0.01 % and more, behind a gate.

use async_trait::async_trait;
use serde_json::json;

use super::include::{Include, Snapshot};
use super::route::{digests, split};
use super::switch::found;
use crate::connectors::ramp::{Ended, NoCounters, Ramp};
use crate::connectors::{Act, ActionError, Applied, Call, Evidence, Inspect, Inspection, Probed};
use crate::model::{Percent, Touch, Value};

/// The action.
#[derive(Debug)]
pub struct Split;

/// The ramp and the text of every share.
fn order(call: &Call) -> Result<(Ramp, Vec<String>), ActionError> {
    let ramp = Ramp::of(&call.params)?;
    let texts = ramp.shares.iter().map(|share| split(call, *share)).collect::<Result<Vec<_>, _>>()?;
    Ok((ramp, texts))
}

#[async_trait]
impl Inspect for Split {
    fn name(&self) -> &'static str {
        "nginx.split"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let (include, (ramp, texts)) = (Include::of(call).await?, order(call)?);
        let (now, generation) = (include.read(call).await?, include.generation(call).await?);
        Ok(Inspection {
            identity: include.identity(call).await?,
            state: json!({ "digest": now.digest().to_string(), "workers": generation.serving, "ramp": ramp.shown(call) }),
            statements: digests(&texts).into_iter().flat_map(|digest| include.statements(digest)).collect(),
            undo_statements: include.statements(now.digest()),
            blockers: include.blockers(call).await?,
            expected_ms: Some(200 + u64::try_from(ramp.length().as_millis()).unwrap_or(u64::MAX)),
        })
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        order(call)?;
        Include::of(call).await?.capture(call).await
    }

    async fn probe(&self, call: &Call, snapshot: &Value) -> Result<Probed, ActionError> {
        let (include, (_, texts), snapshot) = (Include::of(call).await?, order(call)?, Snapshot::from_value(snapshot)?);
        let finding = found(call, &include, &snapshot, &split(call, Percent::ALL)?, &digests(&texts)).await?;
        let left = include.generation(call).await?.leaving.len();
        let outputs = json!({ "to": call.params.text("to")?, "stages": [], "old_workers": left });
        Ok(Probed { finding, outputs, facts: json!({ "old_workers": left }) })
    }
}

#[async_trait]
impl Act for Split {
    async fn apply(&self, call: &Call, snapshot: &Value) -> Result<Applied, ActionError> {
        let (include, (ramp, texts), saved) = (Include::of(call).await?, order(call)?, Snapshot::from_value(snapshot)?);
        let (patience, own) = (ramp.patience(call)?, digests(&texts));
        let is_there = include.read(call).await?.bytes == split(call, Percent::ALL)?.as_bytes();
        let mut stages = Vec::new();
        for (at, (share, text)) in
            ramp.shares.iter().zip(&texts).enumerate().filter(|(at, _)| !is_there || *at + 1 == texts.len())
        {
            let failed = match include.ensure(call, &patience, &saved, text, &own).await {
                // The first share that was refused before anything was sent leaves nothing to put back.
                Err(error) if at == 0 && error.touch == Touch::Untouched => return Err(error),
                Err(error) => Some(error),
                Ok(()) if is_there => None,
                Ok(()) => match ramp.stay(call, &patience, *share, &mut NoCounters).await {
                    Ok(stage) => {
                        stages.push(stage);
                        None
                    }
                    Err(Ended::Refused(why)) => Some(ActionError::touched(why)),
                    Err(Ended::Stopped(why)) => {
                        return Err(ActionError::touched(why).hint("the share stays as it is; undo restores the file"));
                    }
                },
            };
            if let Some(failed) = failed {
                call.recorder.progress(&format!("{}; everything goes back", failed.message));
                return Err(match include.undo(call, &saved, &own).await {
                    Ok(_) => {
                        let text = format!("{}; the file and the workers are back to what was before", failed.message);
                        ActionError { message: text, touch: Touch::Possible, ..failed }
                    }
                    Err(error) => {
                        let text = format!("{}; it could not be put back: {}", failed.message, error.message);
                        ActionError { message: text, touch: Touch::Possible, manual: error.manual, ..failed }
                    }
                });
            }
        }
        let left = include.old_workers(call, &patience).await.map_err(|error| ActionError::touched(error.message))?;
        Ok(Applied { outputs: json!({ "to": call.params.text("to")?, "stages": stages, "old_workers": left }) })
    }

    async fn prove(&self, call: &Call, _snapshot: &Value, _applied: &Applied) -> Result<Evidence, ActionError> {
        Include::of(call).await?.prove(call, &split(call, Percent::ALL)?).await
    }

    async fn undo(&self, call: &Call, snapshot: &Value) -> Result<Evidence, ActionError> {
        let (include, (_, texts), snapshot) = (Include::of(call).await?, order(call)?, Snapshot::from_value(snapshot)?);
        include.undo(call, &snapshot, &digests(&texts)).await
    }
}
