//! What a step is called with: its templates rendered against what the run knows now.

use super::effect::CallSpec;
use super::state::{Instance, State};
use super::{Phase, StepStatus};
use crate::model::{Object, RunOutcome, Value};
use crate::plan::{Param, PlannedUndo, Template, TemplateError};

impl State {
    /// The call of a step's own action.
    pub(super) fn call(&self, i: Instance, attempt: u32) -> Result<CallSpec, TemplateError> {
        Ok(self.call_with(i, attempt, self.resolve(i, &self.planned(i).with)?))
    }

    fn call_with(&self, i: Instance, attempt: u32, params: Param) -> CallSpec {
        let planned = self.planned(i);
        CallSpec {
            instance: i,
            step: self.id(i).clone(),
            attempt,
            action: planned.action.clone(),
            target: planned.target.clone(),
            params,
            timeout: planned.timeout,
            snapshot: self.step(i).detail.as_ref().map_or(Value::Null, |detail| detail.snapshot.clone()),
            mutating: planned.mutating,
        }
    }

    /// The call of the action that undoes a step: its own, or the one that the author named.
    pub(super) fn undo_call(&self, i: Instance, attempt: u32) -> Result<CallSpec, TemplateError> {
        let own = self.call(i, attempt)?;
        Ok(match &self.planned(i).undo {
            PlannedUndo::Action { action, target, with } => {
                CallSpec { action: action.clone(), target: target.clone(), params: self.resolve(i, with)?, ..own }
            }
            PlannedUndo::Auto | PlannedUndo::NotNeeded | PlannedUndo::Nothing { .. } | PlannedUndo::Impossible { .. } => own,
        })
    }

    /// The call of a step before the run has begun: what earlier steps will hand it is taken from `foreseen`.
    ///
    /// # Errors
    /// When a template names something that not even `foreseen` has.
    pub fn foreseen(&self, i: Instance, foreseen: &dyn Fn(Instance) -> Value) -> Result<CallSpec, TemplateError> {
        let mut templates = Vec::new();
        self.planned(i).with.each_template(&mut |template| templates.push(template));
        let params = self.planned(i).with.resolved(&self.scope_of(i, &templates, foreseen))?;
        Ok(self.call_with(i, 1, params))
    }

    fn resolve(&self, i: Instance, param: &Param) -> Result<Param, TemplateError> {
        let mut templates = Vec::new();
        param.each_template(&mut |template| templates.push(template));
        if templates.is_empty() {
            return Ok(param.clone());
        }
        param.resolved(&self.scope(i, &templates))
    }

    pub(super) fn render(&self, i: Instance, template: &Template) -> Result<Value, TemplateError> {
        template.render(&self.scope(i, &[template]))
    }

    /// The prompt of a wait, with its templates rendered.
    pub(super) fn prompt(&self, i: Instance) -> Result<String, TemplateError> {
        let Param::Map(entries) = self.resolve(i, &self.planned(i).with)? else { return Ok(String::new()) };
        let prompt = entries.iter().find(|(key, _)| key == "prompt").map(|(_, value)| value.shown());
        Ok(match prompt {
            Some(Value::String(text)) => text,
            Some(other) => other.to_string(),
            None => String::new(),
        })
    }

    /// What the persons at a gate can see: the outputs of the steps right before it.
    pub(super) fn evidence(&self, i: Instance) -> Value {
        let mut seen = Object::new();
        for need in &self.planned(i).needs {
            let before = Instance::of(*need);
            if !self.outputs(before).is_null() {
                seen.insert(self.id(before).to_string(), self.outputs(before).clone());
            }
        }
        if let Some(found) = self.rehearsed().filter(|_| self.asks_for_rehearsal(i)) {
            seen.insert(super::note::REHEARSAL.to_owned(), serde_json::json!(found));
        }
        Value::Object(seen)
    }

    fn scope(&self, i: Instance, templates: &[&Template]) -> Value {
        self.scope_of(i, templates, &|used| match self.step(used).status {
            StepStatus::Skipped => Value::Null,
            _ => self.outputs(used).clone(),
        })
    }

    /// Only what the templates use: a scope never grows with the plan.
    fn scope_of(&self, i: Instance, templates: &[&Template], outputs: &dyn Fn(Instance) -> Value) -> Value {
        let mut steps = Object::new();
        for id in templates.iter().flat_map(|template| template.steps()) {
            // In the undo of an item, the name of the whole step means this item.
            let is_own = self.id(i).as_str().strip_prefix(id.as_str()).is_some_and(|rest| rest.starts_with('['));
            if let Some(used) = if is_own { Some(i) } else { self.find(id) } {
                let status = self.step(used).status;
                steps.insert(id.to_string(), serde_json::json!({ "outputs": outputs(used), "status": status.word() }));
            }
        }
        let content = self.plan.content();
        let mut run = Object::new();
        run.insert("id".to_owned(), self.run.as_ref().map_or(Value::Null, |id| Value::String(id.to_string())));
        run.insert("started_by".to_owned(), self.starter.as_ref().map_or(Value::Null, |who| Value::from(who.name())));
        run.insert("started".to_owned(), self.started.map_or(Value::Null, |at| Value::String(at.to_string())));
        if let Some(outcome) = self.outcome() {
            run.insert("outcome".to_owned(), Value::String(outcome.to_string()));
        }
        let mut scope = Object::new();
        scope.insert("params".to_owned(), Value::Object(content.params.clone()));
        scope.insert("run".to_owned(), Value::Object(run));
        scope.insert("steps".to_owned(), Value::Object(steps));
        if let Some(window) = &content.window {
            let window = serde_json::json!({ "opens": window.opens, "closes": window.closes, "time_zone": window.time_zone });
            scope.insert("window".to_owned(), window);
        }
        if let Some(item) = self.item(i) {
            scope.insert("item".to_owned(), item.clone());
        }
        Value::Object(scope)
    }

    /// How the run ended or will end, once that is decided.
    pub const fn outcome(&self) -> Option<RunOutcome> {
        match self.phase {
            Phase::Finally(outcome) | Phase::Ended(outcome) => Some(outcome),
            Phase::New | Phase::Forward | Phase::RollingBack | Phase::Aborting => None,
        }
    }
}
