//! Random plans: every kind of step, wait, policy, undo and branch, in graphs of random shape.

use std::collections::BTreeMap;

use super::Chance;
use crate::model::{Digest, Object, Person, PersonId, RoleName, Roster, Span, StepId, Value};
use crate::plan::{
    Approvers, Exclusion, InDoubt, OnDeadline, OnFailure, Param, Plan, PlanContent, PlannedStep, PlannedUndo, Retry, Section,
    SignatureRule, StepIndex, StepKind, Template, UndoScope, Wait,
};

/// The persons of every random plan, with their roles.
pub const PERSONS: [(&str, &[&str]); 4] =
    [("ann", &["dba", "commander"]), ("ben", &["dba"]), ("cem", &["commander"]), ("dee", &["watcher"])];

/// A plan that follows from `chance`.
///
/// # Panics
/// When the plan cannot be frozen: that is a bug of this generator.
pub fn random_plan(chance: &mut Chance) -> Plan {
    let mut steps = Vec::new();
    let count = chance.between(1, 9);
    for number in 0..count {
        forward(chance, &mut steps, number);
    }
    if chance.in_hundred(50) {
        steps.push(PlannedStep { kind: StepKind::Undo(UndoScope::Everything), ..step("undo-everything", Section::Rollback) });
    } else {
        branch(chance, &mut steps);
    }
    for number in 0..chance.below(3) {
        let mut last = action(chance, &format!("finally-{number}"), Section::Finally);
        last.on_failure = OnFailure::Continue;
        steps.push(last);
    }
    let items: Value = (0..chance.below(4)).map(|n| Value::from(format!("i{n}"))).collect();
    let content = PlanContent {
        version: 1,
        runbook: "simulated".to_owned(),
        title: String::new(),
        author: Some(PersonId::new("dee")),
        edited_by: Vec::new(),
        environment: None,
        source: Digest::ZERO,
        written: None,
        profile: None,
        base_dir: ".".to_owned(),
        params: Object::from_iter([("items".to_owned(), items)]),
        window: None,
        roster: chance.in_hundred(80).then(roster),
        witness: None,
        targets: BTreeMap::new(),
        movement: None,
        interlocks: Vec::new(),
        rollback_role: None,
        max_concurrent: u32::try_from(chance.between(1, 4)).unwrap_or(1),
        steps,
    };
    Plan::freeze(content).expect("invariant: random plans are plans")
}

fn roster() -> Roster {
    let person = |(id, roles): (&str, &[&str])| {
        let roles = roles.iter().map(RoleName::new).collect();
        (PersonId::new(id), Person { name: id.to_owned(), roles, local_users: vec![id.to_owned()], ..Person::default() })
    };
    Roster { persons: PERSONS.into_iter().map(person).collect(), ..Roster::default() }
}

fn forward(chance: &mut Chance, steps: &mut Vec<PlannedStep>, number: u64) {
    let needs = some_needs(chance, steps, Section::Forward);
    let id = format!("s{number}");
    let made = match chance.below(10) {
        0 | 1 => waiting(chance, &id),
        2 => {
            group(chance, steps, &id, &needs);
            return;
        }
        3 => {
            let mut spread = action(chance, &id, Section::Forward);
            let max_concurrent = u32::try_from(chance.between(1, 3)).unwrap_or(1);
            spread.kind = StepKind::Spread { over: list_template(), max_concurrent };
            spread.confirm = None;
            spread.point_of_no_return = None;
            spread
        }
        _ => action(chance, &id, Section::Forward),
    };
    steps.push(PlannedStep { needs, ..made });
}

/// What every simulated spread spreads over.
fn list_template() -> Template {
    Template::parse("{{ params.items }}").unwrap_or_else(|_| unreachable!("invariant: a template of one name parses"))
}

fn group(chance: &mut Chance, steps: &mut Vec<PlannedStep>, id: &str, needs: &[StepIndex]) {
    let size = chance.between(1, 3);
    let first = steps.len();
    let at = StepIndex::new(first + usize::try_from(size).unwrap_or(0));
    let model = action(chance, id, Section::Forward);
    for number in 0..size {
        steps.push(PlannedStep {
            id: StepId::new(format!("{id}[{number}]")),
            needs: needs.to_vec(),
            group: Some(at),
            item: Some(Value::from(number)),
            confirm: None,
            point_of_no_return: None,
            ..model.clone()
        });
    }
    let kind = StepKind::Group { max_concurrent: u32::try_from(chance.between(1, 2)).unwrap_or(1) };
    let needs = (first..steps.len()).map(StepIndex::new).collect();
    steps.push(PlannedStep { kind, needs, on_failure: model.on_failure, ..step(id, Section::Forward) });
}

fn branch(chance: &mut Chance, steps: &mut Vec<PlannedStep>) {
    let before = steps.len();
    if chance.in_hundred(50) {
        let first = action(chance, "branch-first", Section::Rollback);
        steps.push(first);
    }
    let owed: Vec<StepIndex> = (0..before).map(StepIndex::new).filter(|i| steps[i.get()].section == Section::Forward).collect();
    let scope = if chance.in_hundred(70) { UndoScope::Everything } else { UndoScope::Steps(owed) };
    let needs = (before..steps.len()).map(StepIndex::new).collect();
    steps.push(PlannedStep { kind: StepKind::Undo(scope), needs, ..step("undo-all", Section::Rollback) });
    let undo = StepIndex::new(steps.len() - 1);
    if chance.in_hundred(50) {
        let check = action(chance, "branch-check", Section::Rollback);
        steps.push(PlannedStep { needs: vec![undo], ..check });
    }
}

fn some_needs(chance: &mut Chance, steps: &[PlannedStep], section: Section) -> Vec<StepIndex> {
    let candidates: Vec<StepIndex> = steps
        .iter()
        .enumerate()
        .filter(|(_, step)| step.section == section && step.group.is_none())
        .map(|(at, _)| StepIndex::new(at))
        .collect();
    let mut needs: Vec<StepIndex> = (0..chance.below(3)).filter_map(|_| chance.pick(&candidates).copied()).collect();
    needs.sort_unstable();
    needs.dedup();
    needs
}

fn waiting(chance: &mut Chance, id: &str) -> PlannedStep {
    let on_deadline = *chance.pick(&[OnDeadline::Hold, OnDeadline::Reject, OnDeadline::Rollback]).unwrap_or(&OnDeadline::Hold);
    let deadline = chance.in_hundred(50).then(|| Span::from_secs(chance.between(1, 300)));
    let wait = match chance.below(3) {
        0 => Wait::Hold { duration: Span::from_secs(chance.between(0, 100)) },
        1 => Wait::Manual { role: None, form: vec![("ok".to_owned(), "boolean".to_owned())], deadline, on_deadline },
        _ => {
            let place = |role: &str, count: u32| Approvers { role: RoleName::new(role), count };
            let approvers = match chance.below(3) {
                0 => vec![place("dba", 1)],
                1 => vec![place("dba", 1), place("commander", 1)],
                _ => vec![place("dba", 2)],
            };
            let not = if chance.in_hundred(30) { vec![Exclusion::Starter, Exclusion::Author] } else { Vec::new() };
            Wait::Approval {
                approvers,
                not,
                deadline,
                on_deadline,
                signature: SignatureRule::Accepted,
                evidence_within: None,
                rehearsed_within: None,
                escalate_to: None,
                break_glass: None,
            }
        }
    };
    PlannedStep { wait: Some(wait), on_failure: on_failure(chance), ..step(id, Section::Forward) }
}

fn on_failure(chance: &mut Chance) -> OnFailure {
    *chance
        .pick(&[OnFailure::Rollback, OnFailure::Rollback, OnFailure::Hold, OnFailure::Continue])
        .unwrap_or(&OnFailure::Rollback)
}

fn action(chance: &mut Chance, id: &str, section: Section) -> PlannedStep {
    let mutating = chance.in_hundred(75);
    let ensures = chance.in_hundred(40);
    let has_probe = chance.in_hundred(60);
    let in_doubt = match chance.below(3) {
        0 if ensures => InDoubt::Rerun { why: "simulated".to_owned() },
        1 => InDoubt::Ask,
        _ if has_probe => InDoubt::Probe,
        _ => InDoubt::Ask,
    };
    let undo = if !mutating {
        PlannedUndo::NotNeeded
    } else {
        match chance.below(12) {
            0 => PlannedUndo::Nothing { why: String::new() },
            1 => PlannedUndo::Impossible { why: String::new() },
            2 | 3 => PlannedUndo::Action { action: "simulated.undo".to_owned(), target: None, with: Param::empty() },
            _ => PlannedUndo::Auto,
        }
    };
    let forward = section == Section::Forward;
    PlannedStep {
        action: "simulated.apply".to_owned(),
        retry: Retry {
            max_attempts: u32::try_from(chance.between(1, 3)).unwrap_or(1),
            backoff: Span::from_secs(chance.between(0, 20)),
            max_elapsed: chance.in_hundred(30).then(|| Span::from_secs(60)),
        },
        on_failure: on_failure(chance),
        in_doubt,
        undo,
        point_of_no_return: (forward && mutating && chance.in_hundred(8)).then(|| "simulated".to_owned()),
        confirm: (forward && chance.in_hundred(10)).then(|| RoleName::new("commander")),
        mutating,
        ensures,
        has_probe,
        ..step(id, section)
    }
}

fn step(id: &str, section: Section) -> PlannedStep {
    PlannedStep {
        id: StepId::new(id),
        section,
        kind: StepKind::Action,
        action: String::new(),
        target: None,
        needs: Vec::new(),
        with: Param::empty(),
        when: None,
        group: None,
        item: None,
        timeout: Span::from_secs(60),
        retry: Retry { max_attempts: 1, backoff: Span::from_secs(0), max_elapsed: None },
        on_failure: OnFailure::Rollback,
        in_doubt: InDoubt::Ask,
        undo: PlannedUndo::NotNeeded,
        point_of_no_return: None,
        owner: None,
        confirm: None,
        protected: false,
        expect: Vec::new(),
        mutating: false,
        ensures: true,
        has_probe: false,
        wait: None,
    }
}
