//! The people of a rehearsed night: they do what they are asked, after a while, unless they are not there.
//!
//! They are cautious and honest: before the point of no return they turn back rather than guess, they mend what failed before
//! they order it again, and whoever is asked what an attempt left says what is there.

use std::collections::{BTreeMap, BTreeSet};

use super::Chance;
use super::model::Model;
use super::night::Night;
use super::stage::remedy;
use super::trouble::{Remedy, Trouble};
use super::world::{Change, World};
use crate::model::{Actor, Finding, Object, PersonId, RoleName, StepId, Value};
use crate::plan::{InDoubt, Plan, PlannedStep, PlannedUndo, Section, StepKind, Wait};
use crate::run::{Answer, Command, Instance, Phase, State, StepStatus};

/// How many people there are where nobody is named.
const STRANGERS: u32 = 9;
/// How often somebody tries the same step again before giving it up.
const PATIENCE: u32 = 3;

/// Somebody was needed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Need {
    /// The step.
    pub step: StepId,
    /// In which role, or as whom; `anybody` where it does not matter.
    pub role: String,
    /// Who came.
    pub person: String,
    /// What for, in a word: `approve`, `report`, `confirm`, `retry`, `resolve`, `rollback`, `reject`, `skip`, `continue`.
    pub what: &'static str,
    /// When they were asked, in milliseconds since the start.
    pub asked_ms: u64,
    /// When they answered.
    pub answered_ms: u64,
}

/// An order that somebody is about to give.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub at: i64,
    pub command: Command,
    pub by: Actor,
    pub step: Option<StepId>,
    pub role: String,
    pub asked: i64,
    key: Option<(Asked, usize)>,
}

type Asked = (Instance, StepStatus, u64);

/// The people.
#[derive(Clone, Debug)]
pub(super) struct Crew {
    people: Vec<Actor>,
    absent: BTreeSet<RoleName>,
    answer_ms: u64,
    seen: BTreeMap<Asked, (i64, i64)>,
    tried: BTreeSet<(Asked, usize)>,
    retries: BTreeMap<Instance, u32>,
    pub needs: Vec<(i64, Order)>,
    giving: Option<Order>,
    /// How often somebody did not come, or said no.
    pub struck: u64,
}

impl Crew {
    pub fn new(plan: &Plan, answer_ms: u64, troubles: &[Trouble]) -> Self {
        let absent = troubles.iter().filter_map(|trouble| match trouble {
            Trouble::Absent(role) => Some(role.clone()),
            _ => None,
        });
        Self {
            people: people(plan),
            absent: absent.collect(),
            answer_ms,
            seen: BTreeMap::new(),
            tried: BTreeSet::new(),
            retries: BTreeMap::new(),
            needs: Vec::new(),
            giving: None,
            struck: 0,
        }
    }

    /// Who starts the run: the author, where the roster has them; else somebody who is in no roster.
    pub fn starter(&self, plan: &Plan) -> Actor {
        let author = plan.content().author.as_ref();
        let found = self.people.iter().find(|person| author.is_some() && person.person.as_ref() == author);
        found.cloned().unwrap_or_else(|| Actor::local(1_000, "starter"))
    }

    /// The next order that somebody gives by themselves, if anybody will.
    pub fn next(
        &mut self,
        state: &State,
        world: &World,
        model: &Model,
        troubles: &[Trouble],
        now: i64,
        chance: &mut Chance,
    ) -> Option<Order> {
        if state.paused().is_some() {
            return self.at_a_pause(state, now);
        }
        let awaited: Vec<Instance> = state.awaited().filter(|i| needs_somebody(state, *i)).collect();
        let mut next: Option<Order> = None;
        for i in awaited {
            let planned = state.planned(i);
            let is_overdue = state.step(i).detail.as_ref().is_some_and(|detail| detail.overdue);
            let is_silent = troubles.contains(&Trouble::NobodyAnswers(planned.id.clone()));
            if state.step(i).status == StepStatus::AwaitingPeople && is_silent && !is_overdue {
                self.struck += 1;
                continue;
            }
            let is_lost =
                state.step(i).status == StepStatus::UndoFailed && remedy(troubles, &planned.id) == Some(Remedy::GivenUp);
            if is_lost {
                continue;
            }
            let asked = (i, state.step(i).status, state.step(i).since);
            let answer_ms = self.answer_ms;
            let (since, due) = *self.seen.entry(asked).or_insert_with(|| {
                let takes = model.answer(planned, answer_ms, chance);
                (now, now.saturating_add(i64::try_from(takes).unwrap_or(i64::MAX)))
            });
            if next.as_ref().is_some_and(|next| next.at <= due) {
                continue;
            }
            let wanted = wanted(state, i);
            self.struck += u64::from(wanted.iter().any(|role| self.absent.contains(role)));
            let who = (0..self.people.len())
                .find(|at| !self.tried.contains(&(asked, *at)) && fits(state, &self.people[*at], &wanted, &self.absent));
            let Some(at) = who else { continue };
            let role = shown_role(&wanted, &self.people[at], planned);
            let command = self.command(state, world, i, troubles);
            let (by, step, key) = (self.people[at].clone(), Some(planned.id.clone()), Some((asked, at)));
            next = Some(Order { at: due, command, by, step, role, asked: since, key });
        }
        next
    }

    /// Notes that an order is given now.
    pub fn give(&mut self, order: &Order) {
        self.tried.extend(order.key);
        if let (Some(((i, ..), _)), Command::Retry { .. }) = (order.key, &order.command) {
            *self.retries.entry(i).or_default() += 1;
        }
        self.giving = Some(order.clone());
    }

    /// The executor died: whoever gave an order and heard nothing gives it again.
    pub fn hear_nothing(&mut self) {
        self.tried.clear();
        self.seen.clear();
        self.giving = None;
    }

    /// The order was taken.
    pub fn taken(&mut self, now: i64) {
        if let Some(order) = self.giving.take() {
            self.struck += u64::from(matches!(order.command, Command::Reject { .. }));
            self.needs.push((now, order));
        }
    }

    fn at_a_pause(&self, state: &State, now: i64) -> Option<Order> {
        let by = self.people.first()?.clone();
        let command = match state.phase() {
            Phase::Forward if !state.is_past_no_return() => Command::Rollback { reason: "rehearsed".to_owned() },
            _ => Command::Continue,
        };
        let at = now.saturating_add(i64::try_from(self.answer_ms).unwrap_or(i64::MAX));
        Some(Order { at, command, by, step: None, role: "anybody".to_owned(), asked: now, key: None })
    }

    /// What a cautious person answers.
    fn command(&self, state: &State, world: &World, i: Instance, troubles: &[Trouble]) -> Command {
        let (step, planned) = (state.id(i).clone(), state.planned(i));
        let reason = "rehearsed".to_owned();
        let says_no = troubles.contains(&Trouble::Rejected(planned.id.clone()));
        let truth = |there: bool| if there { Finding::Applied } else { Finding::NotApplied };
        let there = world.applied.contains(&i);
        match state.step(i).status {
            StepStatus::AwaitingPeople | StepStatus::AwaitingConfirm if says_no => Command::Reject { step, reason },
            StepStatus::AwaitingPeople if matches!(planned.wait, Some(Wait::Manual { .. })) => {
                Command::Report { step, answers: form(planned) }
            }
            StepStatus::AwaitingPeople | StepStatus::AwaitingConfirm => Command::Approve { step, note: String::new() },
            StepStatus::Held => {
                let tried = self.retries.get(&i).copied().unwrap_or(0);
                let can_turn = planned.section == Section::Forward && !state.is_past_no_return();
                match can_turn {
                    true => Command::Rollback { reason },
                    false if gives_up(planned, troubles) => Command::Skip { step, reason },
                    false if tried < PATIENCE => Command::Retry { step },
                    false => Command::Skip { step, reason },
                }
            }
            StepStatus::UndoFailed => match remedy(troubles, &planned.id) {
                Some(Remedy::DoneByHand) => Command::Resolve { step, finding: Finding::Applied, seen: reason },
                Some(Remedy::GivenUp | Remedy::TriedAgain) | None => Command::Retry { step },
            },
            StepStatus::UndoInDoubt => Command::Resolve { step, finding: truth(!there), seen: reason },
            _ => Command::Resolve { step, finding: truth(there), seen: reason },
        }
    }
}

/// Whether the way back ends as it is, because an undo of it cannot be done.
fn gives_up(branch: &PlannedStep, troubles: &[Trouble]) -> bool {
    let is_given_up = |trouble: &Trouble| matches!(trouble, Trouble::UndoFails(_, Remedy::GivenUp));
    matches!(branch.kind, StepKind::Undo(_)) && troubles.iter().any(is_given_up)
}

/// Whether only a person moves this step on, and the run is still at it.
fn needs_somebody(state: &State, i: Instance) -> bool {
    let (planned, step) = (state.planned(i), state.step(i));
    let going = matches!(
        (planned.section, state.phase()),
        (Section::Forward, Phase::Forward) | (Section::Rollback, Phase::RollingBack) | (Section::Finally, Phase::Finally(_))
    );
    let will_look = planned.has_probe && !step.probed;
    match step.status {
        StepStatus::UndoFailed | StepStatus::UndoInDoubt => !matches!(state.phase(), Phase::Ended(_)),
        // On the way back an attempt in doubt is looked at and undone; only the author's own undo waits for a word.
        StepStatus::InDoubt if !going => {
            state.phase() == Phase::RollingBack && !will_look && matches!(planned.undo, PlannedUndo::Action { .. })
        }
        StepStatus::InDoubt => match planned.in_doubt {
            _ if !planned.mutating => false,
            InDoubt::Rerun { .. } => false,
            InDoubt::Probe => !will_look,
            InDoubt::Ask => true,
        },
        _ => going,
    }
}

/// The roles that are wanted; none where anybody's answer counts.
fn wanted(state: &State, i: Instance) -> Vec<RoleName> {
    let turns_back = matches!(state.step(i).status, StepStatus::Held);
    let rollback = state.plan().content().rollback_role.iter().filter(|_| turns_back).cloned();
    state.deciding_roles(i).into_iter().chain(rollback).collect()
}

fn fits(state: &State, person: &Actor, wanted: &[RoleName], absent: &BTreeSet<RoleName>) -> bool {
    let present = |role: &&RoleName| !absent.contains(*role);
    if wanted.is_empty() {
        return person.roles.is_empty() || person.roles.iter().any(|role| !absent.contains(role));
    }
    let has_roster = state.plan().content().roster.is_some();
    wanted.iter().filter(present).any(|role| !has_roster || person.roles.contains(role))
}

fn shown_role(wanted: &[RoleName], person: &Actor, planned: &PlannedStep) -> String {
    let found = wanted.iter().find(|role| person.roles.is_empty() || person.roles.contains(role));
    match (found, &planned.owner) {
        (Some(role), _) => role.to_string(),
        (None, Some(owner)) => owner.to_string(),
        (None, None) => "anybody".to_owned(),
    }
}

/// The persons of the roster, or strangers where there is none.
fn people(plan: &Plan) -> Vec<Actor> {
    let Some(roster) = &plan.content().roster else {
        return (1..=STRANGERS).map(|n| Actor::local(2_000 + n, format!("person-{n}"))).collect();
    };
    let local = |at: usize, id: &PersonId| Actor::local(2_000 + u32::try_from(at).unwrap_or(0), id.as_str());
    let person = |(at, (id, person)): (usize, (&PersonId, &crate::model::Person))| Actor {
        person: Some(id.clone()),
        roles: person.roles.clone(),
        ..local(at, id)
    };
    roster.persons.iter().enumerate().map(person).collect()
}

/// A form filled in with something of the right type.
fn form(planned: &PlannedStep) -> Object {
    let Some(Wait::Manual { form, .. }) = &planned.wait else { return Object::new() };
    let answer = |kind: &str| match kind {
        "integer" => Value::from(1),
        "boolean" => Value::Bool(true),
        _ => Value::from("rehearsed"),
    };
    form.iter().map(|(field, kind)| (field.clone(), answer(kind))).collect()
}

impl Night {
    /// Whoever says that an undo was finished by hand has done it.
    pub fn undone_by_hand(&mut self, state: &State, command: &Command, answer: &Answer) {
        let (Command::Resolve { step, finding: Finding::Applied, .. }, Answer::Accepted) = (command, answer) else { return };
        let Some(i) = state.find(step).filter(|i| self.world.applied.contains(i)) else { return };
        let remedy = self.stage.as_ref().and_then(|stage| stage.remedy(&state.planned(i).id));
        if remedy == Some(Remedy::DoneByHand) {
            self.change(state, i, Change::Undo);
        }
    }
}

impl Order {
    /// The need that this order answered.
    pub fn need(&self, start: i64, now: i64) -> Need {
        let since = |at: i64| u64::try_from(at.saturating_sub(start)).unwrap_or(0);
        Need {
            step: self.step.clone().unwrap_or_else(|| StepId::new("run")),
            role: self.role.clone(),
            person: self.by.name().to_owned(),
            what: self.command.word(),
            asked_ms: since(self.asked),
            answered_ms: since(now),
        }
    }
}
