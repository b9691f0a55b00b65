//! Units of work: a step, or all items of a `foreach` together, with what the proof needs to know of it.
//!
//! The items of one `foreach` have the same needs and the same dependents, so that they differ in nothing that a safety rule
//! can see: what all have done is done, and what some have done is begun.

use super::facts::Change;
use crate::model::Value;
use crate::plan::{OnFailure, Plan, PlannedStep, PlannedUndo, Section, StepIndex, StepKind, UndoScope};

/// A unit of work.
#[derive(Clone, Debug)]
pub struct Unit {
    /// The step that gives it its name.
    pub lead: StepIndex,
    /// The steps that act: the step itself, or the items.
    pub steps: Vec<StepIndex>,
    /// The part of the runbook.
    pub section: Section,
    /// The units that it needs directly; all earlier.
    pub needs: Vec<usize>,
    /// What its success makes true or false.
    pub sets: Vec<Change>,
    /// What its written undo makes true or false, where that says so.
    pub undo_sets: Vec<Change>,
    /// Its way back.
    pub undo: WayBack,
    /// Whether it can change a target: its failure can leave something behind.
    pub mutating: bool,
    /// Whether it is a point of no return.
    pub no_return: bool,
    /// When it is passed over.
    pub skip: Skip,
    /// Whether it can succeed without doing anything: a list that only the run knows may be empty.
    pub may_be_empty: bool,
    /// Whether the run goes on without it and its dependents when it fails.
    pub may_be_lost: bool,
    /// For an undo step: the units that it undoes; `None` stands for everything.
    pub undoes: Option<Option<Vec<usize>>>,
}

/// The way back from a unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WayBack {
    /// It owes nothing.
    None,
    /// Undone: what was before is there again, or what the written undo says.
    Undone,
    /// It cannot be undone; a run that turns back needs a person.
    Impossible,
}

/// When a unit is passed over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Skip {
    /// Never.
    Never,
    /// In every run with these parameters.
    Always,
    /// When this template says so; units with one text are passed over together.
    When(String),
    /// In some runs.
    Sometimes,
}

/// The units of a plan, and for each step its unit.
pub(super) fn units(plan: &Plan) -> (Vec<Unit>, Vec<usize>) {
    let mut units: Vec<Unit> = Vec::new();
    let mut unit_of = vec![usize::MAX; plan.steps().len()];
    for (at, step) in plan.steps().iter().enumerate() {
        let index = StepIndex::new(at);
        match step.group {
            // Items stand before their group; they are taken in with it.
            Some(_) => continue,
            None => {
                let items: Vec<StepIndex> =
                    step.needs.iter().copied().filter(|need| plan.step(*need).group == Some(index)).collect();
                let is_group = matches!(step.kind, StepKind::Group { .. });
                let steps = if is_group { items } else { vec![index] };
                unit_of[at] = units.len();
                steps.iter().for_each(|step| unit_of[step.get()] = units.len());
                units.push(unit(plan, index, steps, &unit_of));
            }
        }
    }
    resolve_scopes(plan, &mut units, &unit_of);
    (units, unit_of)
}

fn unit(plan: &Plan, lead: StepIndex, steps: Vec<StepIndex>, unit_of: &[usize]) -> Unit {
    let step = plan.step(lead);
    let members: Vec<&PlannedStep> = steps.iter().map(|at| plan.step(*at)).collect();
    let own = unit_of[lead.get()];
    let all_needs = steps.iter().chain([&lead]).flat_map(|at| plan.step(*at).needs.iter());
    let mut needs: Vec<usize> = all_needs.map(|need| unit_of[need.get()]).filter(|need| *need < own).collect();
    needs.sort_unstable();
    needs.dedup();
    Unit {
        lead,
        section: step.section,
        needs,
        sets: Vec::new(),
        undo_sets: Vec::new(),
        undo: way_back(&members),
        mutating: members.iter().any(|member| member.mutating),
        no_return: members.iter().any(|member| member.point_of_no_return.is_some()),
        skip: skip(plan, &members),
        may_be_empty: matches!(step.kind, StepKind::Spread { .. }),
        may_be_lost: members.iter().chain([&step]).any(|member| member.on_failure == OnFailure::Continue),
        undoes: None,
        steps,
    }
}

fn way_back(members: &[&PlannedStep]) -> WayBack {
    let mut found = WayBack::None;
    for member in members {
        match &member.undo {
            PlannedUndo::Auto | PlannedUndo::Action { .. } => found = WayBack::Undone,
            PlannedUndo::Impossible { .. } if found == WayBack::None => found = WayBack::Impossible,
            PlannedUndo::Impossible { .. } | PlannedUndo::NotNeeded | PlannedUndo::Nothing { .. } => {}
        }
    }
    found
}

/// When the members are passed over. What the parameters of the plan decide is decided.
fn skip(plan: &Plan, members: &[&PlannedStep]) -> Skip {
    let one = |member: &PlannedStep| match &member.when {
        None => Skip::Never,
        Some(when) => match when.render(&serde_json::json!({ "params": plan.content().params, "item": member.item })) {
            Ok(Value::Bool(true)) => Skip::Never,
            Ok(Value::Bool(false)) => Skip::Always,
            Ok(_) | Err(_) => Skip::When(when.text().to_owned()),
        },
    };
    let mut all = members.iter().map(|member| one(member));
    let Some(first) = all.next() else { return Skip::Never };
    if all.all(|other| other == first) { first } else { Skip::Sometimes }
}

fn resolve_scopes(plan: &Plan, units: &mut [Unit], unit_of: &[usize]) {
    for unit in units {
        if let StepKind::Undo(scope) = &plan.step(unit.lead).kind {
            unit.undoes = Some(match scope {
                UndoScope::Everything => None,
                UndoScope::Steps(steps) => Some(steps.iter().map(|step| unit_of[step.get()]).collect()),
            });
        }
    }
}
