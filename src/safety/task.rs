//! The part of a plan that matters to some variables: the units that touch them, with the order that the rest of the plan
//! makes between these.
//!
//! A unit that touches none of the variables is left out, and whoever needs it needs what it needs. That is sound because what
//! it can do to the run (fail, be refused, take long) is what the run can do at any moment anyway: turn back, or stop.

use super::facts::{Facts, VarId};
use super::unit::{Skip, WayBack};
use crate::plan::Section;

/// How many units one search can follow: a set of them is one word.
pub(super) const MOST_TASKS: usize = 64;
/// How many values of before one task keeps.
const MOST_SAVED: usize = 5;

/// A unit as one search sees it. Sets of tasks and of variables are words.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub unit: usize,
    pub section: Section,
    /// The tasks that it needs, also by way of units that are left out.
    pub needs: u64,
    /// The forward tasks that come after it in every order.
    pub later: u64,
    /// What its success makes true, and what false.
    pub sets: (u64, u64),
    /// What its written undo makes true and false; otherwise what was before is there again.
    pub undo_sets: Option<(u64, u64)>,
    /// The variables whose value before it its undo needs.
    pub saves: Vec<u32>,
    /// The proofs among what it sets.
    pub proofs: u64,
    /// What must be true for it to succeed, because it looks.
    pub asks: u64,
    pub undo: WayBack,
    pub mutating: bool,
    pub no_return: bool,
    pub skip: Passing,
    pub may_be_empty: bool,
    pub may_be_lost: bool,
    /// For an undo step: the tasks that it undoes.
    pub undoes: Option<u64>,
}

/// When a task is passed over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Passing {
    Never,
    Always,
    /// With all others of this number.
    Together(u32),
    Sometimes,
}

/// The tasks and variables of one search.
#[derive(Clone, Debug)]
pub(super) struct Slice {
    pub tasks: Vec<Task>,
    /// The variables; a variable's bit is its place here.
    pub vars: Vec<VarId>,
    pub initial: u64,
    /// Per proof: its bit, what must stay true, what must stay false.
    pub keeps: Vec<(u64, u64, u64)>,
    /// When the new side takes writes: what must be true, what must be false, and the bit that remembers it.
    pub takes: Option<(u64, u64, u64)>,
    /// The tasks of each part of the runbook.
    sections: [Vec<usize>; 3],
    /// For each unit, the unit that stands for it.
    twin_of: Vec<usize>,
}

/// How many different `when` texts are told apart in one search; more are taken as independent.
const MOST_TEXTS: usize = 12;

impl Slice {
    /// The part of the plan that matters to `vars`, and `named` units. `None` when it has more tasks than one search can follow.
    pub fn new(facts: &Facts, vars: &[VarId], named: &[usize]) -> Option<Self> {
        let vars = vars.to_vec();
        let bit = |var: &VarId| vars.iter().position(|known| known == var).map_or(0, |at| 1_u64 << at);
        let chosen = chosen(facts, &vars, named);
        let near = near(facts, &chosen);
        let mut texts: Vec<&str> = Vec::new();
        let mut tasks: Vec<Task> = Vec::new();
        let units: Vec<usize> = (0..facts.units.len()).filter(|at| chosen[*at]).collect();
        if units.len() > MOST_TASKS * 16 || vars.len() > MOST_TASKS {
            return None;
        }
        for &at in &units {
            let unit = &facts.units[at];
            let words = |changes: &[(VarId, bool)]| {
                let of =
                    |value: bool| changes.iter().filter(|change| change.1 == value).fold(0, |all, change| all | bit(&change.0));
                (of(true), of(false))
            };
            let sets = words(&unit.sets);
            let proofs = facts.keeps.iter().fold(0, |all, keep| all | bit(&keep.proof)) & sets.0;
            let saves: Vec<u32> = (0..64).filter(|at| (sets.0 | sets.1) & !proofs & (1 << at) != 0).collect();
            let skip = passing(&unit.skip, &mut texts);
            tasks.push(Task {
                unit: at,
                section: unit.section,
                needs: 0,
                later: 0,
                sets,
                undo_sets: (!unit.undo_sets.is_empty()).then(|| words(&unit.undo_sets)),
                asks: facts
                    .keeps
                    .iter()
                    .filter(|keep| keep.is_asked && bit(&keep.proof) & sets.0 != 0)
                    .fold(0, |all, keep| all | keep.set.iter().fold(0, |all, var| all | bit(var))),
                saves: saves.into_iter().take(MOST_SAVED).collect(),
                proofs,
                undo: unit.undo,
                mutating: unit.mutating,
                no_return: unit.no_return,
                skip,
                may_be_empty: unit.may_be_empty,
                may_be_lost: unit.may_be_lost,
                undoes: None,
            });
        }
        let (tasks, twin_of) = without_twins(facts, tasks, &near)?;
        let sections = [Section::Forward, Section::Rollback, Section::Finally]
            .map(|section| (0..tasks.len()).filter(|at| tasks[*at].section == section).collect());
        let initial = vars.iter().enumerate().filter(|(_, var)| facts.initial[**var]).fold(0, |all, (at, _)| all | 1 << at);
        let of = |several: &[VarId]| several.iter().fold(0, |all, var| all | bit(var));
        let keeps = facts.keeps.iter().filter(|keep| bit(&keep.proof) != 0);
        let keeps = keeps.map(|keep| (bit(&keep.proof), of(&keep.set), of(&keep.unset))).collect();
        let takes = facts.sides.as_ref().filter(|sides| bit(&sides.written) != 0 && (sides.has_opener || sides.has_switch));
        let takes = takes.map(|sides| {
            let routed = if sides.has_switch { (bit(&sides.routed), bit(&sides.held) | bit(&sides.away)) } else { (0, 0) };
            let open = if sides.has_opener { bit(&sides.new) } else { 0 };
            (routed.0, routed.1 | open, bit(&sides.written))
        });
        Some(Self { tasks, vars, initial, keeps, takes, sections, twin_of })
    }

    /// The tasks of a part of the runbook.
    pub fn of(&self, section: Section) -> &[usize] {
        match section {
            Section::Forward => &self.sections[0],
            Section::Rollback => &self.sections[1],
            Section::Finally => &self.sections[2],
        }
    }

    /// The task that stands for a unit.
    pub fn task_of(&self, unit: usize) -> Option<usize> {
        self.tasks.iter().position(|task| task.unit == self.twin_of[unit])
    }

    /// The units that a task stands for.
    pub fn units_of(&self, task: usize) -> impl Iterator<Item = usize> + '_ {
        let own = self.tasks[task].unit;
        (0..self.twin_of.len()).filter(move |unit| self.twin_of[*unit] == own)
    }

    /// The bit of a variable; none where this search does not follow it.
    pub fn bit(&self, var: VarId) -> u64 {
        self.vars.iter().position(|known| *known == var).map_or(0, |at| 1 << at)
    }
}

/// When a unit is passed over; units with one text have one number.
fn passing<'a>(skip: &'a Skip, texts: &mut Vec<&'a str>) -> Passing {
    match skip {
        Skip::Never => Passing::Never,
        Skip::Always => Passing::Always,
        Skip::Sometimes => Passing::Sometimes,
        Skip::When(text) => {
            let known = texts.iter().position(|other| other == text).unwrap_or_else(|| {
                texts.push(text);
                texts.len() - 1
            });
            if known < MOST_TEXTS { Passing::Together(u32::try_from(known).unwrap_or(0)) } else { Passing::Sometimes }
        }
    }
}

/// The units that matter to the variables: what touches them, what undoes, points of no return, and what can be left behind.
fn chosen(facts: &Facts, vars: &[VarId], named: &[usize]) -> Vec<bool> {
    let units = &facts.units;
    let touches = |at: usize| units[at].sets.iter().chain(&units[at].undo_sets).any(|(var, _)| vars.contains(var));
    let mut chosen: Vec<bool> = (0..units.len())
        .map(|at| {
            named.contains(&at)
                || touches(at)
                || (units[at].section == Section::Forward && units[at].no_return)
                || units[at].undoes.is_some()
        })
        .collect();
    // What may be lost without turning the run back takes with it what comes after it.
    let mut leads_to_chosen = vec![false; units.len()];
    for at in (0..units.len()).rev() {
        let control = leads_to_chosen[at] && units[at].may_be_lost && units[at].section != Section::Finally;
        chosen[at] |= control;
        if chosen[at] || leads_to_chosen[at] {
            units[at].needs.iter().for_each(|need| leads_to_chosen[*need] = true);
        }
    }
    chosen
}

/// For each unit, the nearest chosen units before it.
fn near(facts: &Facts, chosen: &[bool]) -> Vec<Vec<usize>> {
    let mut near: Vec<Vec<usize>> = Vec::with_capacity(chosen.len());
    for unit in &facts.units {
        let mut found: Vec<usize> = Vec::new();
        for need in &unit.needs {
            if chosen[*need] { found.push(*need) } else { found.extend(&near[*need]) }
        }
        found.sort_unstable();
        found.dedup();
        near.push(found);
    }
    near
}

/// Puts the order between tasks in. Of tasks that nothing tells apart one stands for all: what all did is done, and what some
/// did is begun.
fn without_twins(facts: &Facts, tasks: Vec<Task>, near: &[Vec<usize>]) -> Option<(Vec<Task>, Vec<usize>)> {
    let mut behind: Vec<Vec<usize>> = vec![Vec::new(); facts.units.len()];
    for task in &tasks {
        near[task.unit].iter().for_each(|need| behind[*need].push(task.unit));
    }
    let mut seen = std::collections::HashMap::new();
    let mut twin_of: Vec<usize> = (0..facts.units.len()).collect();
    let mut kept: Vec<Task> = Vec::new();
    for task in tasks {
        let unit = &facts.units[task.unit];
        let alone =
            unit.no_return || unit.undoes.is_some() || task.skip != Passing::Never || task.may_be_lost || task.may_be_empty;
        let looks = (
            unit.section as u8,
            near[task.unit].clone(),
            behind[task.unit].clone(),
            task.sets,
            task.undo_sets,
            unit.undo as u8,
            unit.mutating,
            if alone { task.unit } else { usize::MAX },
        );
        let named = facts.units.iter().any(|other| matches!(&other.undoes, Some(Some(scope)) if scope.contains(&task.unit)));
        let first = if named { task.unit } else { *seen.entry(looks).or_insert(task.unit) };
        twin_of[task.unit] = first;
        if first == task.unit {
            kept.push(task);
        }
    }
    if kept.len() > MOST_TASKS {
        return None;
    }
    let place = |unit: usize| kept.iter().position(|task| task.unit == twin_of[unit]);
    let word = |units: &[usize]| units.iter().filter_map(|unit| place(*unit)).fold(0_u64, |all, at| all | 1 << at);
    let needs: Vec<u64> = kept.iter().map(|task| word(&near[task.unit])).collect();
    let undoes: Vec<Option<u64>> = kept
        .iter()
        .map(|task| {
            facts.units[task.unit].undoes.as_ref().map(|scope| match scope {
                None => u64::MAX,
                Some(units) => word(units),
            })
        })
        .collect();
    for (at, task) in kept.iter_mut().enumerate() {
        (task.needs, task.undoes) = (needs[at], undoes[at]);
    }
    for at in (0..kept.len()).rev() {
        let later = kept[at].later | 1 << at;
        let needs = kept[at].needs;
        for (need, task) in kept.iter_mut().enumerate().filter(|(need, _)| needs & (1 << need) != 0) {
            debug_assert!(need < at, "invariant: units stand after what they need");
            task.later |= later;
        }
    }
    Some((kept, twin_of))
}
