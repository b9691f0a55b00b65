//! The simulated targets: what is applied there, what was undone, and which verb breaks how.

use std::collections::{BTreeMap, BTreeSet};

use super::Chance;
use super::simulation::Faults;
use crate::model::{Finding, StepId, Touch, Value};
use crate::plan::{PlannedUndo, Section};
use crate::run::{CallSpec, Effect, Failure, Input, Instance, Look, Preparation, State, Success};

/// The truth at the targets.
#[derive(Debug, Default)]
pub(super) struct World {
    /// Effects that are there.
    pub applied: BTreeSet<Instance>,
    /// Steps that a named person ordered to run again, whatever is there.
    pub excused: BTreeSet<Instance>,
    /// What was seen to go wrong.
    pub violations: Vec<String>,
    /// How often each step's effect happened.
    pub happened: BTreeMap<Instance, u32>,
    /// A step whose every attempt fails.
    pub fail: Option<StepId>,
    /// A step whose first attempt happens and whose answer is lost.
    pub lose: Option<StepId>,
    /// How often these two fired.
    pub broken: u64,
}

/// A verb that is under way in the world.
#[derive(Debug)]
pub(super) struct Pending {
    pub at: i64,
    pub instance: Instance,
    /// Whether the effect at the target is still to come.
    pub change: Option<Change>,
    pub answer: Option<Input>,
}

/// An effect at a target.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Change {
    Apply,
    Undo,
}

impl World {
    /// Makes a change, and holds it against the promises.
    pub fn change(&mut self, state: &State, instance: Instance, change: Change) {
        let planned = state.planned(instance);
        let id = state.id(instance);
        match change {
            Change::Apply => {
                if !planned.mutating {
                    return;
                }
                *self.happened.entry(instance).or_default() += 1;
                let again = !self.applied.insert(instance);
                let excused = planned.ensures || self.excused.remove(&instance) || planned.section != Section::Forward;
                if again && !excused {
                    self.violations.push(format!("{id} is not idempotent and was applied twice"));
                }
            }
            Change::Undo => {
                if state.is_past_no_return() {
                    self.violations.push(format!("{id} was undone past the point of no return"));
                }
                let later =
                    state.instances().find(|i| self.applied.contains(i) && self.follows(state, *i, instance) && owes(state, *i));
                if let Some(later) = later {
                    self.violations.push(format!("{id} was undone before {}, which came after it", state.id(later)));
                }
                self.applied.remove(&instance);
            }
        }
    }

    fn follows(&self, state: &State, later: Instance, earlier: Instance) -> bool {
        let mut stack = vec![later];
        let mut seen = BTreeSet::new();
        while let Some(i) = stack.pop() {
            // The items of a group at run time stand for the group's own needs.
            for need in &state.planned(i).needs {
                let need = Instance::of(*need);
                let reached = need == earlier || state.children(need).contains(&earlier);
                if reached {
                    return true;
                }
                if seen.insert(need) {
                    stack.push(need);
                }
            }
        }
        false
    }

    /// What a verb does and answers, in the order of time.
    pub fn begin(&mut self, effect: &Effect, now: i64, chance: &mut Chance, faults: &mut Faults, calm: bool) -> Vec<Pending> {
        let Some(spec) = effect.spec() else { return Vec::new() };
        let first = now + i64::try_from(chance.below(3_000)).unwrap_or(0);
        let second = first + i64::try_from(chance.below(3_000)).unwrap_or(0);
        let (i, attempt) = (spec.instance, spec.attempt);
        let (change, answer) = match effect {
            Effect::Prepare(_) => (None, Some(Input::Prepared(i, attempt, prepare(chance, faults, calm)))),
            Effect::Apply(spec) => self.apply(spec, chance, faults, calm),
            Effect::Probe(_) => (None, Some(Input::Probed(i, attempt, self.probe(i, chance, faults, calm)))),
            Effect::Undo(_) | Effect::UndoByAction(_) => undo(spec, chance, faults, calm),
            Effect::Cancel(_) => (None, None),
        };
        vec![Pending { at: first, instance: i, change, answer: None }, Pending { at: second, instance: i, change: None, answer }]
    }

    fn apply(
        &mut self,
        spec: &CallSpec,
        chance: &mut Chance,
        faults: &mut Faults,
        calm: bool,
    ) -> (Option<Change>, Option<Input>) {
        let answer = |result| Some(Input::Applied(spec.instance, spec.attempt, result));
        let broken = |touch, in_doubt| Failure { touch, in_doubt, ..Failure::untouched("simulated failure") };
        let fails = self.fail.as_ref() == Some(&spec.step);
        let loses = self.lose.take_if(|step| *step == spec.step).is_some();
        self.broken += u64::from(fails) + u64::from(loses);
        let draw = match (fails, loses) {
            (true, _) => 8,
            (_, true) => 19,
            _ if calm => 99,
            _ => chance.below(100),
        };
        let touch = if spec.mutating { Touch::Possible } else { Touch::Untouched };
        match draw {
            0..8 => {
                faults.failed_untouched += 1;
                (None, answer(Err(broken(Touch::Untouched, false))))
            }
            8..15 => {
                faults.failed_touched += 1;
                (Some(Change::Apply), answer(Err(broken(touch, false))))
            }
            15..19 => {
                faults.failed_touched += 1;
                (None, answer(Err(broken(touch, false))))
            }
            19..24 if spec.mutating => {
                faults.lost_answers += 1;
                (Some(Change::Apply), answer(Err(broken(touch, true))))
            }
            24..29 if spec.mutating => {
                faults.lost_answers += 1;
                (None, answer(Err(broken(touch, true))))
            }
            _ => {
                let outputs = serde_json::json!({ "number": spec.attempt });
                (Some(Change::Apply), answer(Ok(Success { outputs, evidence: Value::Null })))
            }
        }
    }

    fn probe(&self, i: Instance, chance: &mut Chance, faults: &mut Faults, calm: bool) -> Result<Look, Failure> {
        faults.probes += 1;
        if !calm && chance.in_hundred(10) {
            return Err(Failure::untouched("simulated probe failure"));
        }
        let finding = if self.applied.contains(&i) { Finding::Applied } else { Finding::NotApplied };
        Ok(Look { finding, outputs: serde_json::json!({ "number": 0 }), evidence: Value::Null })
    }
}

/// Whether the plan wants this step's effect undone on the way back.
pub(super) fn owes(state: &State, i: Instance) -> bool {
    matches!(state.planned(i).undo, PlannedUndo::Auto | PlannedUndo::Action { .. })
}

fn prepare(chance: &mut Chance, faults: &mut Faults, calm: bool) -> Result<Preparation, Failure> {
    if !calm && chance.in_hundred(4) {
        faults.failed_preparations += 1;
        return Err(Failure::untouched("simulated preparation failure"));
    }
    Ok(Preparation { identity: Value::Null, snapshot: serde_json::json!({ "before": true }) })
}

fn undo(spec: &CallSpec, chance: &mut Chance, faults: &mut Faults, calm: bool) -> (Option<Change>, Option<Input>) {
    let answer = |result| Some(Input::Undone(spec.instance, spec.attempt, result));
    let broken = |in_doubt| Failure { touch: Touch::Possible, in_doubt, ..Failure::untouched("simulated undo failure") };
    match if calm { 99 } else { chance.below(100) } {
        0..6 => {
            faults.failed_undos += 1;
            (None, answer(Err(broken(false))))
        }
        6..10 => {
            faults.failed_undos += 1;
            (Some(Change::Undo), answer(Err(broken(false))))
        }
        10..14 => {
            faults.lost_answers += 1;
            (chance.in_hundred(50).then_some(Change::Undo), answer(Err(broken(true))))
        }
        _ => (Some(Change::Undo), answer(Ok(Value::Null))),
    }
}
