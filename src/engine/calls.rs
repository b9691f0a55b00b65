//! What a verb is called with: parameters and targets with their secrets filled in, a recorder, the sessions of the run.
//!
//! The live engine and the dry run make their calls here, so that both ask the same question of the same server.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

use super::secrets::Secrets;
use crate::catalog::{self, ParamType};
use crate::connectors::kept::Kept;
use crate::connectors::{Call, Note, Recorder, Target};
use crate::model::{Arguments, Redactor, RunId, TargetName, Value};
use crate::plan::{Param, Plan};
use crate::run::CallSpec;

/// Makes the calls of one run.
#[derive(Debug)]
pub struct Calls {
    plan: Arc<Plan>,
    run: RunId,
    secrets: Secrets,
    base_dir: PathBuf,
    notes: UnboundedSender<Note>,
    kept: Kept,
}

impl Calls {
    /// The calls of `run`; what actions send and say goes to `notes`.
    pub fn new(plan: Arc<Plan>, run: RunId, notes: UnboundedSender<Note>) -> Self {
        let base_dir = PathBuf::from(&plan.content().base_dir);
        Self { plan, run, secrets: Secrets::default(), base_dir, notes, kept: Kept::default() }
    }

    /// The call of a verb.
    ///
    /// # Errors
    /// When a secret cannot be read, or a target is not in the plan.
    pub fn call(&self, spec: &CallSpec, deadline: Instant, cancel: CancellationToken) -> Result<Call, String> {
        let params = self.fill(&spec.params)?;
        let target = spec.target.as_ref().map(|name| self.target(name)).transpose()?;
        let mut targets = BTreeMap::new();
        for param in catalog::action(&spec.action).map_or(&[][..], |action| action.params) {
            if let (ParamType::Target, Ok(Some(name))) = (param.kind, params.opt_text(param.name)) {
                let name = TargetName::new(name);
                targets.insert(name.clone(), self.target(&name)?);
            }
        }
        let recorder = Recorder::new(spec.step.clone(), spec.attempt, self.secrets.redactor(), self.notes.clone());
        let (run, step, attempt) = (self.run.clone(), spec.step.clone(), spec.attempt);
        let (base_dir, kept) = (self.base_dir.clone(), self.kept.clone());
        Ok(Call { run, step, attempt, params, target, targets, base_dir, deadline, cancel, recorder, kept })
    }

    /// Lets go of every target: sessions that wait for a verb are ended.
    pub async fn end(&self) {
        self.kept.end().await;
    }

    /// The redactor that knows every secret read so far.
    pub fn redactor(&self) -> Arc<Redactor> {
        self.secrets.redactor()
    }

    /// A text without the secrets read so far.
    pub fn redact(&self, text: &str) -> String {
        self.redactor().redact(text)
    }

    fn target(&self, name: &TargetName) -> Result<Target, String> {
        let planned = self.plan.content().targets.get(name).ok_or_else(|| format!("the plan has no target {name}"))?;
        Ok(Target { name: name.clone(), connector: planned.connector.clone(), settings: self.fill(&planned.settings)? })
    }

    fn fill(&self, param: &Param) -> Result<Arguments, String> {
        match param.filled(&mut |place| self.secrets.read(place, &self.base_dir))? {
            Value::Object(object) => Ok(Arguments::new(object)),
            Value::Null => Ok(Arguments::default()),
            other => Err(format!("parameters must be a map and are {other}")),
        }
    }
}
