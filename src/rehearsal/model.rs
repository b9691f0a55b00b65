//! What the simulated targets answer and how long they take: outputs of plausible type, lengths from history or defaults.
//!
//! Nothing here is known of a real system. Whatever is made up, the readiness report names as modelled.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Chance;
use super::trouble::Trouble;
use crate::catalog;
use crate::model::{Condition, Object, StepId, Value};
use crate::plan::{History, Plan, PlannedStep, PlannedUndo, StepKind, Template, Took};

/// A look before a step, and the look after a crash, in milliseconds.
const PREPARE_MS: u64 = 300;
const PROBE_MS: u64 = 500;

/// How the lengths of a night come about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pace {
    /// Everything takes its median.
    Usual,
    /// Everything is drawn: from history, or around its default.
    Drawn,
}

/// What does not change from night to night.
#[derive(Debug)]
pub(super) struct Known {
    history: History,
    outputs: BTreeMap<StepId, Value>,
}

impl Known {
    pub fn of(plan: &Plan, history: &History) -> Self {
        let (mut wanted, mut lists) = (Wanted::new(), Vec::new());
        for step in plan.steps() {
            for (id, path) in templates(step).into_iter().flat_map(reads) {
                wanted.entry(id).or_default().push(path);
            }
            if let StepKind::Spread { over, .. } = &step.kind {
                lists.extend(reads(over));
            }
        }
        let outputs = plan.steps().iter().map(|step| (step.id.clone(), outputs(step, &wanted, &lists)));
        Self { history: history.clone(), outputs: outputs.collect() }
    }

    /// What a step that succeeds hands to later ones.
    pub fn outputs(&self, step: &StepId) -> Value {
        self.outputs.get(step).cloned().unwrap_or(Value::Null)
    }
}

/// The simulated targets of one night.
#[derive(Clone, Debug)]
pub(super) struct Model {
    known: Arc<Known>,
    pace: Pace,
    slow: BTreeMap<StepId, u64>,
}

impl Model {
    pub fn new(known: &Arc<Known>, pace: Pace, troubles: &[Trouble]) -> Self {
        let slow = troubles.iter().filter_map(|trouble| match trouble {
            Trouble::Slow(step, hundredths) => Some((step.clone(), *hundredths)),
            _ => None,
        });
        Self { known: known.clone(), pace, slow: slow.collect() }
    }

    pub const fn preparation(&self) -> u64 {
        PREPARE_MS
    }

    pub const fn probe(&self) -> u64 {
        PROBE_MS
    }

    /// How long one attempt of a step takes, before any deadline.
    pub fn work(&self, step: &PlannedStep, chance: &mut Chance) -> u64 {
        let usual = self.drawn(Took::Work, step, step.usual().as_millis(), chance);
        usual.saturating_mul(self.slow.get(&step.id).copied().unwrap_or(100)) / 100
    }

    /// How long an undo takes.
    pub fn undo(&self, step: &PlannedStep, chance: &mut Chance) -> u64 {
        self.drawn(Took::Undo, step, step.usual_undo().as_millis(), chance)
    }

    /// How long a person takes to answer at a step.
    pub fn answer(&self, step: &PlannedStep, usual: u64, chance: &mut Chance) -> u64 {
        self.drawn(Took::People, step, usual, chance)
    }

    fn drawn(&self, took: Took, step: &PlannedStep, default: u64, chance: &mut Chance) -> u64 {
        let samples = self.known.history.samples(took, &step.id);
        match self.pace {
            Pace::Usual => self.known.history.quantile(took, &step.id, 50).map_or(default, |span| span.as_millis()),
            Pace::Drawn if samples.is_empty() => {
                // From half of the default to three times it, and more often near the lower end.
                let (a, b) = (chance.below(1_000), chance.below(1_000));
                default.saturating_mul(500 + 2_500 * a * b / 1_000_000) / 1_000
            }
            Pace::Drawn => chance.pick(samples).copied().unwrap_or(default),
        }
    }

    /// What a step that succeeds hands to later ones.
    pub fn outputs(&self, step: &PlannedStep) -> Value {
        self.known.outputs(&step.id)
    }
}

/// What the outputs of each step are read for: the paths, by step.
type Wanted = BTreeMap<StepId, Vec<Vec<String>>>;

/// Outputs of the types that the catalog speaks of, with whatever the plan reads of them, and as the step expects them.
fn outputs(step: &PlannedStep, wanted: &Wanted, lists: &[(StepId, Vec<String>)]) -> Value {
    let mut outputs = Object::new();
    for output in catalog::action(&step.action).map_or(&[][..], |spec| spec.outputs) {
        outputs.insert(output.name.to_owned(), plausible(output.name, output.doc));
    }
    for path in wanted.get(&step.id).into_iter().flatten() {
        let is_list = lists.iter().any(|(id, list)| id == &step.id && list == path);
        reach(&mut outputs, path, is_list);
    }
    for (name, condition) in &step.expect {
        if let Some(value) = meeting(condition) {
            outputs.insert(name.clone(), value);
        }
    }
    Value::Object(outputs)
}

/// Every template of a step.
fn templates(step: &PlannedStep) -> Vec<&Template> {
    let mut found: Vec<&Template> = step.when.iter().collect();
    step.with.each_template(&mut |template| found.push(template));
    if let PlannedUndo::Action { with, .. } = &step.undo {
        with.each_template(&mut |template| found.push(template));
    }
    if let StepKind::Spread { over, .. } = &step.kind {
        found.push(over);
    }
    found
}

/// The outputs that a template reads: `steps.freeze.outputs.fence` → (`freeze`, [`fence`]).
pub(super) fn reads(template: &Template) -> Vec<(StepId, Vec<String>)> {
    let names = template.names();
    let read = names.into_iter().filter_map(|name| match name.parts.as_slice() {
        [root, step, outputs, path @ ..] if root == "steps" && outputs == "outputs" && !path.is_empty() => {
            Some((StepId::new(step), path.to_vec()))
        }
        _ => None,
    });
    read.collect()
}

/// A value of the type that the documentation of an output speaks of.
fn plausible(name: &str, doc: &str) -> Value {
    let says = |words: &[&str]| words.iter().any(|word| doc.starts_with(word) || doc.contains(&format!(" {word}")));
    if says(&["one entry per", "the persons", "whose they were", "the first 100 rows", "the jobs"]) {
        Value::Array(Vec::new())
    } else if says(&["whether"]) {
        Value::Bool(true)
    } else if says(&["how many", "how long", "milliseconds", "exit code", "the status", "the greatest value", "at how many"]) {
        Value::from(if doc.contains("exit code") { 0 } else { 1 })
    } else {
        Value::from(format!("simulated {name}"))
    }
}

/// Puts something where a path leads, unless something is there.
fn reach(outputs: &mut Object, path: &[String], is_list: bool) {
    let Some((first, rest)) = path.split_first() else { return };
    let leaf = || if is_list { serde_json::json!(["one", "two"]) } else { Value::from(format!("simulated {first}")) };
    match rest.is_empty() {
        true if is_list => {
            outputs.insert(first.clone(), leaf());
        }
        true => {
            outputs.entry(first.clone()).or_insert_with(leaf);
        }
        false => {
            let inner = outputs.entry(first.clone()).or_insert_with(|| Value::Object(Object::new()));
            if !inner.is_object() {
                *inner = Value::Object(Object::new());
            }
            if let Value::Object(inner) = inner {
                reach(inner, rest, is_list);
            }
        }
    }
}

/// A value that meets a condition, where one can be made.
fn meeting(condition: &Value) -> Option<Value> {
    Some(match Condition::parse(condition).ok()? {
        Condition::Equals(value) | Condition::Contains(value @ Value::String(_)) => value,
        Condition::Not(value) => Value::from(format!("not {value}")),
        Condition::Below(bound) => Value::from(bound - 1.0),
        Condition::AtMost(bound) | Condition::AtLeast(bound) => Value::from(bound),
        Condition::Above(bound) => Value::from(bound + 1.0),
        Condition::Contains(item) => Value::Array(vec![item]),
        Condition::AnyOf(values) => values.first()?.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_expected_is_met() {
        for condition in [
            serde_json::json!(200),
            serde_json::json!({ "below": 0.01 }),
            serde_json::json!({ "at_least": 3 }),
            serde_json::json!({ "contains": "ok" }),
            serde_json::json!({ "any_of": [1, 2] }),
            serde_json::json!({ "not": "old" }),
        ] {
            let value = meeting(&condition).expect("a value");
            Condition::parse(&condition).expect("a condition").check(Some(&value)).expect("it meets the condition");
        }
    }

    #[test]
    fn the_type_of_an_output_follows_its_words() {
        assert_eq!(plausible("rows", "how many rows the source holds"), Value::from(1));
        assert_eq!(plausible("exit_code", "the exit code"), Value::from(0));
        assert_eq!(plausible("survives_restart", "whether every node wrote its ACL file"), Value::Bool(true));
        assert_eq!(plausible("stages", "one entry per share"), Value::Array(Vec::new()));
        assert_eq!(plausible("fence", "the position in the log"), Value::from("simulated fence"));
    }
}
