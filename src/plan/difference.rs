//! What one plan does otherwise than another: for people who approved the other one.

use std::collections::BTreeMap;

use super::{PlanContent, PlannedStep};

/// The differences, a line each: what is new, gone or changed. Two plans that do the same have none, whatever their digests.
pub fn difference(before: &PlanContent, after: &PlanContent) -> Vec<String> {
    let mut lines = Vec::new();
    compared("parameter", &before.params.iter().collect(), &after.params.iter().collect(), &mut lines, |value| value.to_string());
    let targets = |content: &PlanContent| -> BTreeMap<String, String> {
        let shown = content
            .targets
            .iter()
            .map(|(name, target)| (name.to_string(), format!("{} {}", target.connector, target.settings.shown())));
        shown.collect()
    };
    let (old, new) = (targets(before), targets(after));
    compared("target", &old.iter().collect(), &new.iter().collect(), &mut lines, |_| "is reached otherwise".to_owned());
    let steps = |content: &PlanContent| -> BTreeMap<String, String> {
        content.steps.iter().map(|step| (step.id.to_string(), written(content, step))).collect()
    };
    let (old, new) = (steps(before), steps(after));
    compared("step", &old.iter().collect(), &new.iter().collect(), &mut lines, |_| "does something else".to_owned());
    if before.window != after.window {
        lines.push("the window is another one".to_owned());
    }
    if before.roster != after.roster {
        lines.push("the roster or its keys are other ones".to_owned());
    }
    if before.witness != after.witness {
        lines.push("what is asked of witnesses is something else".to_owned());
    }
    lines
}

/// A step without its place in the plan: a step that only moved is the same.
fn written(content: &PlanContent, step: &PlannedStep) -> String {
    let needs: Vec<&str> = step.needs.iter().map(|need| content.steps[need.get()].id.as_str()).collect();
    let alone = PlannedStep { needs: Vec::new(), group: None, ..step.clone() };
    format!("{needs:?} {}", serde_json::to_string(&alone).unwrap_or_default())
}

fn compared<K: Ord + std::fmt::Display, V: PartialEq>(
    what: &str,
    before: &BTreeMap<K, V>,
    after: &BTreeMap<K, V>,
    lines: &mut Vec<String>,
    changed: impl Fn(&V) -> String,
) {
    for (name, value) in after {
        match before.get(name) {
            None => lines.push(format!("{what} {name} is new")),
            Some(old) if old != value => lines.push(format!("{what} {name}: {}", changed(value))),
            Some(_) => {}
        }
    }
    lines.extend(before.keys().filter(|name| !after.contains_key(name)).map(|name| format!("{what} {name} is gone")));
}
