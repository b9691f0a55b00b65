//! The parts of a planned step in words.

use crate::model::{Object, Value};
use crate::plan::{
    Approvers, Exclusion, InDoubt, OnDeadline, OnFailure, Plan, PlannedStep, PlannedUndo, StepKind, UndoScope, Wait, chosen,
};

/// What a step does, in a word or two.
pub(in crate::views) fn does(plan: &Plan, step: &PlannedStep) -> String {
    match &step.kind {
        StepKind::Action => on(&step.action, step.target.as_ref().map(|target| target.as_str())),
        StepKind::Group { max_concurrent } => {
            let items: Vec<&PlannedStep> = step
                .needs
                .iter()
                .map(|need| plan.step(*need))
                .filter(|item| item.group.is_some_and(|g| plan.step(g).id == step.id))
                .collect();
            let what = items.first().map_or_else(String::new, |item| on(&item.action, item.target.as_ref().map(|t| t.as_str())));
            let together = u32::try_from(items.len()).map_or(*max_concurrent, |count| count.min(*max_concurrent));
            format!("{what} × {}, {together} at a time", items.len())
        }
        StepKind::Spread { over, max_concurrent } => format!(
            "{} × each of {}, {max_concurrent} at a time",
            on(&step.action, step.target.as_ref().map(|target| target.as_str())),
            over.text()
        ),
        StepKind::Undo(UndoScope::Everything) => "undoes everything that ran, in reverse".to_owned(),
        StepKind::Undo(UndoScope::Steps(steps)) => {
            let ids: Vec<&str> =
                steps.iter().map(|at| plan.step(*at)).filter(|s| s.group.is_none()).map(|s| s.id.as_str()).collect();
            format!("undoes {}", ids.join(", "))
        }
    }
}

fn on(action: &str, target: Option<&str>) -> String {
    target.map_or_else(|| action.to_owned(), |target| format!("{action} on {target}"))
}

/// Who decides at a gate and until when; nothing for steps that act.
pub(super) fn awaits(wait: &Wait) -> Vec<String> {
    match wait {
        Wait::Approval {
            approvers,
            not,
            deadline,
            on_deadline,
            signature,
            evidence_within,
            rehearsed_within,
            escalate_to,
            break_glass,
        } => {
            let signed = if signature.is_accepted() { "" } else { "signed " };
            let mut lines = vec![format!("{signed}approval of {}{}", quorum(approvers), exclusions(not))];
            lines.extend(deadline.map(|deadline| format!("within {deadline}, {}", at_deadline(*on_deadline))));
            lines.extend(evidence_within.map(|span| format!("evidence at most {span} old")));
            lines.extend(rehearsed_within.map(|span| format!("rehearsed under a profile at most {span} ago")));
            lines.extend(escalate_to.iter().map(|role| format!("after the deadline a {role} may fill any place")));
            lines.extend(break_glass.iter().map(|glass| {
                let delay = glass.delay.map_or_else(String::new, |delay| format!(", or one after {delay}"));
                format!("glass: {} of {}{delay}", glass.persons, glass.role)
            }));
            lines
        }
        Wait::Hold { duration } => vec![format!("waits {duration}")],
        Wait::Window => vec!["waits until the window opens".to_owned()],
        Wait::Manual { role, form, deadline, on_deadline } => {
            let who = role.as_ref().map_or_else(|| "anybody of the roster".to_owned(), |role| format!("a {role}"));
            let mut lines = vec![format!("done and reported by {who}")];
            if !form.is_empty() {
                let fields: Vec<String> = form.iter().map(|(name, kind)| format!("{name} ({kind})")).collect();
                lines.push(format!("asks for {}", fields.join(", ")));
            }
            lines.extend(deadline.map(|deadline| format!("within {deadline}, {}", at_deadline(*on_deadline))));
            lines
        }
    }
}

fn quorum(approvers: &[Approvers]) -> String {
    let roles: Vec<String> = approvers.iter().map(|wanted| format!("{} × {}", wanted.count, wanted.role)).collect();
    roles.join(" and ")
}

fn exclusions(not: &[Exclusion]) -> String {
    let words: Vec<&str> = not
        .iter()
        .map(|exclusion| match exclusion {
            Exclusion::Starter => "who started the run",
            Exclusion::Author => "the author",
            Exclusion::Editor => "the last editor",
        })
        .collect();
    if words.is_empty() { String::new() } else { format!(", not {}", words.join(" nor ")) }
}

const fn at_deadline(choice: OnDeadline) -> &'static str {
    match choice {
        OnDeadline::Hold => "then it keeps waiting and says so",
        OnDeadline::Reject => "then it counts as rejected",
        OnDeadline::Rollback => "then the run turns back",
        OnDeadline::Escalate => "then another role decides too",
    }
}

/// The way back of a step.
pub(super) fn way_back(undo: &PlannedUndo) -> String {
    match undo {
        PlannedUndo::NotNeeded => "changes nothing".to_owned(),
        PlannedUndo::Auto => "restores exactly what it found".to_owned(),
        PlannedUndo::Action { action, target, with } => {
            let call = on(action, target.as_ref().map(|target| target.as_str()));
            format!("{call}  {}", in_a_row(&chosen(action, with))).trim_end().to_owned()
        }
        PlannedUndo::Nothing { why } => format!("nothing to undo: {why}"),
        PlannedUndo::Impossible { why } => format!("cannot be undone: {why}"),
    }
}

/// What a crash in the middle means, for a step that can change something.
pub(super) fn doubt(in_doubt: &InDoubt) -> String {
    match in_doubt {
        InDoubt::Probe => "looks whether it was applied, and asks a person when it cannot tell".to_owned(),
        InDoubt::Rerun { why } => format!("runs it again: {why}"),
        InDoubt::Ask => "asks a person".to_owned(),
    }
}

/// What a failure means, where it is not the usual.
pub(super) const fn failure(on_failure: OnFailure) -> Option<&'static str> {
    match on_failure {
        OnFailure::Rollback => None,
        OnFailure::Hold => Some("waits for a person"),
        OnFailure::Continue => Some("the run goes on without it"),
    }
}

/// The parameters that say something, one by one; secrets by their place.
pub(super) fn parameters(chosen: &Object) -> Vec<(String, String)> {
    chosen.iter().filter(|(_, value)| !says_nothing(value)).map(|(key, value)| (key.clone(), short(value))).collect()
}

/// The parameters that say something, in one line.
pub(in crate::views) fn in_a_row(chosen: &Object) -> String {
    let parameters: Vec<String> = parameters(chosen).into_iter().map(|(key, value)| format!("{key}: {value}")).collect();
    parameters.join("  ")
}

fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.values().all(says_nothing),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// A value without the noise of JSON: texts without quotes where nothing is lost.
pub(super) fn short(value: &Value) -> String {
    match value {
        Value::String(text) if is_bare(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(inner).collect::<Vec<_>>().join(", ")),
        Value::Object(entries) => {
            let entries = entries.iter().filter(|(_, value)| !says_nothing(value));
            format!("{{ {} }}", entries.map(|(key, value)| format!("{key}: {}", inner(value))).collect::<Vec<_>>().join(", "))
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// A value inside of another: quotes where a comma, a bracket or a blank would mislead, or where it looks like another type.
fn inner(value: &Value) -> String {
    let misleading = |text: &str| text.is_empty() || text.contains([',', '[', ']', '{', '}', ' ', ':', '"']) || looks_typed(text);
    match value {
        Value::String(text) if misleading(text) && !text.starts_with('(') => value.to_string(),
        _ => short(value),
    }
}

fn is_bare(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(char::is_control) && text.trim() == text && !looks_typed(text)
}

fn looks_typed(text: &str) -> bool {
    matches!(text, "true" | "false" | "null") || text.parse::<f64>().is_ok()
}
