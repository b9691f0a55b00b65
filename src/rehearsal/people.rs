//! The simulated people: they approve, reject, resolve what they looked at, and sometimes order nonsense.

use super::Chance;
use super::random_plan::PERSONS;
use super::world::World;
use crate::model::{Actor, Finding, Object, PersonId, RoleName, StepId, Value};
use crate::plan::Wait;
use crate::run::{Command, Instance, Phase, State, StepStatus};

/// Somebody does something: most often what is awaited, sometimes anything at all.
pub(super) fn act(state: &State, world: &World, chance: &mut Chance, calm: bool) -> Option<(Command, Actor)> {
    if !calm && chance.in_hundred(15) {
        return Some((nonsense(state, chance), person(state, chance)));
    }
    if state.paused().is_some() {
        return Some((Command::Continue, person(state, chance)));
    }
    let awaited: Vec<Instance> = state.awaited().collect();
    let i = *chance.pick(&awaited)?;
    Some((helpful(state, world, i, chance, calm), person(state, chance)))
}

fn person(state: &State, chance: &mut Chance) -> Actor {
    let (name, roles) = *chance.pick(&PERSONS).unwrap_or(&PERSONS[0]);
    let uid = 1_000 + u32::try_from(PERSONS.iter().position(|(n, _)| *n == name).unwrap_or(0)).unwrap_or(0);
    let local = Actor::local(uid, name);
    if state.plan().content().roster.is_some() {
        Actor { person: Some(PersonId::new(name)), roles: roles.iter().map(RoleName::new).collect(), ..local }
    } else {
        local
    }
}

fn helpful(state: &State, world: &World, i: Instance, chance: &mut Chance, calm: bool) -> Command {
    let step = state.id(i).clone();
    let reason = "simulated".to_owned();
    let truth = if world.applied.contains(&i) { Finding::Applied } else { Finding::NotApplied };
    match state.step(i).status {
        StepStatus::AwaitingPeople if matches!(state.planned(i).wait, Some(Wait::Manual { .. })) => {
            let answers = Object::from_iter([("ok".to_owned(), Value::Bool(true))]);
            Command::Report { step, answers }
        }
        StepStatus::AwaitingPeople | StepStatus::AwaitingConfirm if chance.in_hundred(10) => Command::Reject { step, reason },
        StepStatus::AwaitingPeople | StepStatus::AwaitingConfirm => Command::Approve { step, note: String::new() },
        StepStatus::Held if calm && chance.in_hundred(5) => Command::Abort { reason },
        StepStatus::Held => match chance.below(if calm { 2 } else { 4 }) {
            0 if state.planned(i).point_of_no_return.is_none() => Command::Skip { step, reason },
            2 => Command::Rollback { reason },
            3 if state.step(i).attempt > 0 => Command::Resolve { step, finding: truth, seen: String::new() },
            _ => Command::Retry { step },
        },
        // Whoever looks says what is there. For an undo, `applied` means that nothing is left.
        StepStatus::UndoInDoubt | StepStatus::UndoFailed => {
            let undone = if world.applied.contains(&i) { Finding::NotApplied } else { Finding::Applied };
            Command::Resolve { step, finding: undone, seen: String::new() }
        }
        _ => Command::Resolve { step, finding: truth, seen: String::new() },
    }
}

/// Any order about any step. Lies about what is there are left out: nobody can guard against those.
fn nonsense(state: &State, chance: &mut Chance) -> Command {
    let all: Vec<StepId> = state.instances().map(|i| state.id(i).clone()).collect();
    let step = chance.pick(&all).cloned().unwrap_or_else(|| StepId::new("nothing"));
    let reason = "simulated".to_owned();
    match chance.below(12) {
        0 => Command::Approve { step, note: String::new() },
        1 => Command::Withdraw { step },
        2 => Command::Reject { step, reason },
        3 => Command::Report { step, answers: Object::new() },
        4 => Command::Pause { reason },
        5 => Command::Continue,
        6 => Command::Retry { step },
        7 => Command::Skip { step, reason },
        8 => Command::Skip { step: StepId::new("no-such-step"), reason },
        9 => Command::Rollback { reason },
        10 if matches!(state.phase(), Phase::Forward) && chance.in_hundred(20) => Command::Abort { reason },
        _ => Command::Resolve { step, finding: Finding::Unknown("simulated".to_owned()), seen: String::new() },
    }
}
