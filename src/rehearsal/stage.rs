//! The stage of a rehearsed night: which verb takes how long, what goes wrong there, and what it makes true of the world.

use std::collections::BTreeMap;

use super::Chance;
use super::crew::{Crew, Order};
use super::model::Model;
use super::trouble::{Remedy, Rest, Trouble};
use super::world::{Change, Pending, World};
use crate::model::{Finding, StepId, Touch, Value};
use crate::plan::{Fact, PlannedStep};
use crate::run::{CallSpec, Effect, Failure, Input, Instance, Look, Preparation, State, Success};

/// Everything around the engine in one rehearsed night.
#[derive(Clone, Debug)]
pub(super) struct Stage {
    pub model: Model,
    pub crew: Crew,
    pub troubles: Vec<Trouble>,
    pub rest: Rest,
    pub scene: Scene,
    /// How often a trouble really happened.
    pub struck: u64,
}

/// What is true of the world, as far as facts say it.
#[derive(Clone, Debug, Default)]
pub(super) struct Scene {
    /// `writes(old)` → `denied`. What is not in here is as it was before the night.
    pub facts: BTreeMap<String, String>,
    kept: BTreeMap<Instance, Vec<(String, Option<String>)>>,
    /// The steps that were undone, in order.
    pub undone: Vec<StepId>,
}

impl Scene {
    /// A change happened at a target.
    pub fn note(&mut self, state: &State, i: Instance, change: Change) {
        match change {
            Change::Apply => {
                let facts = facts(state.planned(i));
                if !self.kept.contains_key(&i) {
                    let before = facts.iter().map(|(key, _)| (key.clone(), self.facts.get(key).cloned()));
                    self.kept.insert(i, before.collect());
                }
                self.facts.extend(facts);
            }
            Change::Undo => {
                for (key, value) in self.kept.remove(&i).unwrap_or_default() {
                    match value {
                        Some(value) => self.facts.insert(key, value),
                        None => self.facts.remove(&key),
                    };
                }
                self.undone.push(state.id(i).clone());
            }
        }
    }
}

/// The facts of a step that have a value: `writes(old) = denied`.
pub(super) fn facts(planned: &PlannedStep) -> Vec<(String, String)> {
    let split = |fact: Fact| {
        let text = fact.to_string();
        text.split_once(" = ").map(|(key, value)| (key.to_owned(), value.to_owned()))
    };
    planned.facts().into_iter().filter_map(split).collect()
}

/// What people do about the undo of this step, where it fails.
pub(super) fn remedy(troubles: &[Trouble], id: &StepId) -> Option<Remedy> {
    troubles.iter().find_map(|trouble| match trouble {
        Trouble::UndoFails(step, remedy) if step == id => Some(*remedy),
        _ => None,
    })
}

impl Stage {
    /// What a verb does and answers, in the order of time.
    pub fn begin(
        &mut self,
        state: &State,
        effect: &Effect,
        now: i64,
        chance: &mut Chance,
        is_there: impl Fn(Instance) -> bool,
    ) -> Vec<Pending> {
        let after = |ms: u64| now.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX));
        let Some(spec) = effect.spec() else { return Vec::new() };
        let (i, attempt) = (spec.instance, spec.attempt);
        let planned = state.planned(i);
        let (at, change, answer) = match effect {
            Effect::Prepare(_) => (after(self.model.preparation()), None, Input::Prepared(i, attempt, self.prepare(planned))),
            Effect::Apply(spec) => {
                let (ms, change, result) = self.apply(planned, spec, chance);
                (after(ms), change, Input::Applied(i, attempt, result))
            }
            Effect::Probe(_) => {
                let finding = if is_there(i) { Finding::Applied } else { Finding::NotApplied };
                let look = Look { finding, outputs: self.model.outputs(planned), evidence: Value::Null };
                (after(self.model.probe()), None, Input::Probed(i, attempt, Ok(look)))
            }
            Effect::Undo(_) | Effect::UndoByAction(_) => {
                let (change, result) = self.undo(&planned.id);
                (after(self.model.undo(planned, chance)), change, Input::Undone(i, attempt, result))
            }
            Effect::Cancel(_) => return Vec::new(),
        };
        let change = Pending { at, instance: i, change, answer: None };
        vec![change, Pending { at, instance: i, change: None, answer: Some(answer) }]
    }

    /// The next order that somebody gives by themselves.
    pub fn next_order(&mut self, state: &State, world: &World, now: i64, chance: &mut Chance) -> Option<Order> {
        self.crew.next(state, world, &self.model, &self.troubles, now, chance)
    }

    /// A person mended what was wrong with a step.
    pub fn mend(&mut self, step: &StepId) {
        self.troubles.retain(|trouble| !(trouble.step() == Some(step) && trouble.is_mended_by_retry()));
    }

    fn has(&mut self, trouble: &Trouble) -> bool {
        let is = self.troubles.contains(trouble);
        self.struck += u64::from(is);
        is
    }

    fn once(&mut self, trouble: &Trouble) -> bool {
        let is = self.has(trouble);
        self.troubles.retain(|other| other != trouble);
        is
    }

    fn prepare(&mut self, planned: &PlannedStep) -> Result<Preparation, Failure> {
        if self.has(&Trouble::Refused(planned.id.clone())) {
            return Err(Failure::untouched("rehearsed: something stands in the way"));
        }
        Ok(Preparation { identity: Value::Null, snapshot: serde_json::json!({ "rehearsed": planned.id.as_str() }) })
    }

    /// What an undo does, and how it ends.
    fn undo(&mut self, id: &StepId) -> (Option<Change>, Result<Value, Failure>) {
        if self.remedy(id).is_some() {
            self.struck += 1;
            let manual = vec![format!("rehearsed: what undoes {id} by hand")];
            return (None, Err(Failure { touch: Touch::Possible, manual, ..Failure::untouched("rehearsed: the undo fails") }));
        }
        if self.once(&Trouble::UndoAnswerLost(id.clone())) {
            let lost = Failure::untouched("rehearsed: the answer of the undo is lost");
            return (Some(Change::Undo), Err(Failure { touch: Touch::Possible, in_doubt: true, ..lost }));
        }
        (Some(Change::Undo), Ok(Value::Null))
    }

    /// What people do about the undo of this step, where it fails.
    pub fn remedy(&self, id: &StepId) -> Option<Remedy> {
        remedy(&self.troubles, id)
    }

    /// How long an attempt takes, what it does, and how it ends.
    fn apply(
        &mut self,
        planned: &PlannedStep,
        spec: &CallSpec,
        chance: &mut Chance,
    ) -> (u64, Option<Change>, Result<Success, Failure>) {
        let (id, timeout) = (&planned.id, spec.timeout.as_millis());
        let takes = self.model.work(planned, chance);
        let touch = if spec.mutating { Touch::Possible } else { Touch::Untouched };
        let failure = |error: &str, touch, in_doubt| Failure { touch, in_doubt, ..Failure::untouched(error) };
        let change = spec.mutating.then_some(Change::Apply);
        let takes_short = takes.min(timeout);
        if self.has(&Trouble::Fails(id.clone())) {
            return (takes_short, None, Err(failure("rehearsed: it fails", Touch::Untouched, false)));
        }
        if self.has(&Trouble::FailsChanged(id.clone())) {
            return (takes_short, change, Err(failure("rehearsed: it fails behind a change", touch, false)));
        }
        if self.once(&Trouble::AnswerLost(id.clone())) {
            return (takes_short, change, Err(failure("rehearsed: its answer is lost", touch, spec.mutating)));
        }
        if self.once(&Trouble::RequestLost(id.clone())) {
            return (takes_short, None, Err(failure("rehearsed: it is lost on its way", touch, spec.mutating)));
        }
        if planned.waits_for_progress() && self.has(&Trouble::Plateau) {
            let ms = planned.span("within").unwrap_or(timeout).min(timeout);
            return (ms, change, Err(failure("rehearsed: nothing moved until the deadline", touch, false)));
        }
        if takes > timeout {
            self.struck += 1;
            return (timeout, change, Err(failure("rehearsed: no answer within its timeout", touch, spec.mutating)));
        }
        (takes, change, Ok(Success { outputs: self.model.outputs(planned), evidence: Value::Null }))
    }
}
