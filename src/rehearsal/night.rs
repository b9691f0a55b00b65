//! One simulated night: executors follow each other on one run until it has ended.

use std::sync::Arc;

use super::Chance;
use super::pen::Pen;
use super::people;
use super::simulation::{Faults, Script};
use super::stage::Stage;
use super::trouble::Rest;
use super::verdict::judge;
use super::world::{Change, Pending, World};
use crate::journal::head::Clocks;
use crate::journal::memory::{Fault, Loss, Memory};
use crate::journal::{Nonce, OpenError, Reader, Writer, open};
use crate::model::{Actor, PersonId, RunId, RunOutcome, Timestamp};
use crate::plan::{Plan, Section};
use crate::run::{Answer, Command, Conductor, Effect, Event, Input, Instance, Phase, State};

/// How many turns a run may take before it counts as stuck.
const LONGEST: u32 = 4_000;
/// After this many turns no more faults happen and people are helpful: whatever is left has to end.
const CALM_AFTER: u32 = 400;

/// One run, its world, and the executors that follow each other on it.
pub(super) struct Night {
    pub plan: Arc<Plan>,
    pub disk: Memory,
    pub chance: Chance,
    pub world: World,
    pub faults: Faults,
    pub now: i64,
    pub turns: u32,
    pub pending: Vec<Pending>,
    pub script: Option<Script>,
    pub fired: u64,
    /// The stage of a rehearsal; without one the world follows from chance alone.
    pub stage: Option<Stage>,
}

impl Night {
    pub fn new(plan: Arc<Plan>, disk: Memory, chance: Chance) -> Self {
        let (world, faults) = (World::default(), Faults::default());
        Self { plan, disk, chance, world, faults, now: 0, turns: 0, pending: Vec::new(), script: None, fired: 0, stage: None }
    }

    fn calm(&self) -> bool {
        self.turns > CALM_AFTER || self.script.is_some()
    }

    /// A plan of a user may be longer than a random one.
    fn longest(&self) -> u32 {
        LONGEST.saturating_add(u32::try_from(self.plan.steps().len()).unwrap_or(u32::MAX).saturating_mul(100))
    }

    /// Whether the script asks for something in this turn.
    fn scripted(&mut self, turns: impl Fn(&Script) -> &[u32]) -> bool {
        let hit = self.script.as_ref().is_some_and(|script| turns(script).contains(&self.turns));
        self.fired += u64::from(hit);
        hit
    }

    /// Another executor opens the run and dies at once: whoever held it before must notice.
    fn overtake(&mut self) {
        if self.scripted(|script| &script.overtake_in) {
            let _ = open(self.disk.clone(), self.clocks());
        }
    }

    fn clocks(&self) -> Clocks {
        Clocks { at: Timestamp::from_millis(self.now), uptime_ms: 0, boot: "simulated".to_owned() }
    }

    /// Executors follow each other until the run has ended for good.
    pub fn live(&mut self) -> Result<State, String> {
        loop {
            let Some((conductor, pen)) = self.start()? else { continue };
            if let Some(state) = self.drive(conductor, pen)? {
                return Ok(state);
            }
        }
    }

    /// A new executor: makes the run, or takes it up.
    fn start(&mut self) -> Result<Option<(Conductor, Pen)>, String> {
        self.turns += 1;
        if self.turns > self.longest() {
            return Err("no executor could take the run up".to_owned());
        }
        self.plan_disk_fault();
        let now = Timestamp::from_millis(self.now);
        let mut conductor = Conductor::new(self.plan.clone());
        let opened = match open(self.disk.clone(), self.clocks()) {
            Ok(opened) => opened,
            Err(OpenError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                let Ok(writer) = Writer::create(self.disk.clone(), Nonce::random().map_err(|e| e.to_string())?, self.clocks())
                else {
                    self.crash_in_recovery();
                    return Ok(None);
                };
                let mut pen = Pen { writer, now, seq: 0, failed: None, last: None };
                self.begin_run(&mut conductor, &mut pen);
                return Ok(Some((conductor, pen)));
            }
            Err(OpenError::Io { .. }) => {
                self.crash_in_recovery();
                return Ok(None);
            }
            Err(error) => return Err(format!("the journal does not open: {error}")),
        };
        let mut seq = 0;
        for record in opened.writer.records() {
            let record = record.map_err(|error| format!("a record does not read: {error}"))?;
            conductor.replay(&record).map_err(|error| format!("replay: {error}"))?;
            seq = record.seq;
        }
        let mut pen = Pen { writer: opened.writer, now, seq, failed: None, last: None };
        if seq == 0 {
            self.begin_run(&mut conductor, &mut pen);
        } else {
            conductor.recover("the simulated executor ended", &mut pen);
        }
        Ok(Some((conductor, pen)))
    }

    fn begin_run(&mut self, conductor: &mut Conductor, pen: &mut Pen) {
        let (run, plan) = (RunId::new("simulated"), self.plan.digest());
        let (runbook, starter) = match &self.stage {
            Some(stage) => (self.plan.content().runbook.clone(), stage.crew.starter(&self.plan)),
            None => ("simulated".to_owned(), Actor { person: Some(PersonId::new("ben")), ..Actor::local(1_001, "ben") }),
        };
        conductor.note(Event::RunStarted { run, runbook, plan, starter }, pen);
    }

    /// One executor's life. `None` when it ended before the run did.
    fn drive(&mut self, mut conductor: Conductor, mut pen: Pen) -> Result<Option<State>, String> {
        let mut inputs = Vec::new();
        loop {
            self.turns += 1;
            if self.turns > self.longest() {
                return Err(format!("the run is stuck in {:?}: {}", conductor.state().phase(), statuses(conductor.state())));
            }
            pen.now = Timestamp::from_millis(self.now);
            let before: Vec<Command> = orders_of(&inputs);
            let turn = conductor.turn(std::mem::take(&mut inputs), pen.now, &mut pen);
            self.overtake();
            if pen.commit().is_err() {
                self.crash(&conductor);
                return Ok(None);
            }
            for (command, answer) in before.iter().zip(&turn.answers) {
                self.answered(conductor.state(), command, answer);
            }
            for effect in &turn.effects {
                self.watch(conductor.state(), effect);
                let calm = self.calm();
                let begun = match &mut self.stage {
                    Some(stage) => {
                        let is_there = |i| self.world.applied.contains(&i);
                        stage.begin(conductor.state(), effect, self.now, &mut self.chance, is_there)
                    }
                    None => self.world.begin(effect, self.now, &mut self.chance, &mut self.faults, calm),
                };
                self.pending.extend(begun);
            }
            if let Phase::Ended(outcome) = conductor.state().phase() {
                if self.reopens(outcome) {
                    self.faults.reopened += 1;
                    inputs.push(Input::Ordered(Command::Rollback { reason: "simulated".to_owned() }, ann()));
                    if conductor.state().is_past_no_return() {
                        return Ok(Some(conductor.state().clone()));
                    }
                    continue;
                }
                let _ = pen.writer.settle();
                return Ok(Some(conductor.state().clone()));
            }
            let killed = self.scripted(|script| &script.kill_after);
            if killed || (!self.calm() && self.chance.in_hundred(2)) {
                self.disk.stop(if self.chance.in_hundred(50) { Loss::Power } else { Loss::Nothing });
                self.crash(&conductor);
                return Ok(None);
            }
            if self.stage.is_none() {
                self.next_inputs(&conductor, &mut inputs);
            } else if !self.next_on_stage(&conductor, &mut inputs) {
                return Ok(Some(conductor.state().clone()));
            }
        }
    }

    /// The way back begins only when the work that was under way has finished.
    fn watch(&mut self, state: &State, effect: &Effect) {
        let back = match effect {
            Effect::Undo(_) | Effect::UndoByAction(_) => true,
            Effect::Apply(spec) => state.planned(spec.instance).section == Section::Rollback,
            Effect::Prepare(_) | Effect::Probe(_) | Effect::Cancel(_) => false,
        };
        let forward = |pending: &&Pending| {
            state.planned(pending.instance).section == Section::Forward && matches!(pending.answer, Some(Input::Applied(..)))
        };
        if let Some(busy) = self.pending.iter().find(forward).filter(|_| back) {
            let problem = format!("the way back began while {} was still running", state.id(busy.instance));
            self.world.violations.push(problem);
        }
    }

    fn reopens(&mut self, outcome: RunOutcome) -> bool {
        matches!(outcome, RunOutcome::NeedsAttention) && !self.calm() && self.chance.in_hundred(50)
    }

    /// Lets time pass until something comes in.
    fn next_inputs(&mut self, conductor: &Conductor, inputs: &mut Vec<Input>) {
        let calm = self.calm();
        if self.chance.in_hundred(25)
            && let Some((command, by)) = people::act(conductor.state(), &self.world, &mut self.chance, calm)
        {
            self.faults.orders += 1;
            inputs.push(Input::Ordered(command, by));
            return;
        }
        self.pending.sort_by_key(|pending| pending.at);
        let timer = conductor.state().next_timer().map(Timestamp::as_millis);
        let due = self.pending.first().map(|pending| pending.at);
        match (due, timer) {
            (Some(due), timer) if timer.is_none_or(|timer| due <= timer) => {
                self.now = self.now.max(due);
                let Pending { instance, change, answer, .. } = self.pending.remove(0);
                if let Some(change) = change {
                    self.change(conductor.state(), instance, change);
                }
                if let Some(answer) = answer {
                    if !calm && self.chance.in_hundred(2) {
                        self.faults.late_results += 1;
                        inputs.push(answer.clone());
                    }
                    inputs.push(answer);
                }
            }
            (_, Some(timer)) => self.now = self.now.max(timer),
            (_, None) => self.now += 1_000,
        }
    }

    /// Something changes at a target.
    pub fn change(&mut self, state: &State, i: Instance, change: Change) {
        self.world.change(state, i, change);
        if let Some(stage) = self.stage.as_mut().filter(|_| state.planned(i).mutating) {
            stage.scene.note(state, i, change);
        }
    }

    /// Lets time pass until something comes in; false when nothing ever will.
    fn next_on_stage(&mut self, conductor: &Conductor, inputs: &mut Vec<Input>) -> bool {
        let Some(stage) = &mut self.stage else { return false };
        self.pending.sort_by_key(|pending| pending.at);
        let state = conductor.state();
        let order = stage.next_order(state, &self.world, self.now, &mut self.chance);
        let timer = state.next_timer().map(Timestamp::as_millis);
        let due = self.pending.first().map(|pending| pending.at);
        let Some(next) = [due, order.as_ref().map(|order| order.at), timer].into_iter().flatten().min() else { return false };
        self.now = self.now.max(next);
        if due == Some(next) {
            let Pending { instance, change, answer, .. } = self.pending.remove(0);
            if let Some(change) = change {
                self.change(state, instance, change);
            }
            inputs.extend(answer);
        } else if let Some(order) = order.filter(|order| order.at == next) {
            stage.crew.give(&order);
            inputs.push(Input::Ordered(order.command, order.by));
        }
        true
    }

    fn answered(&mut self, state: &State, command: &Command, answer: &Answer) {
        self.undone_by_hand(state, command, answer);
        if let (Some(stage), Answer::Accepted) = (&mut self.stage, answer) {
            stage.crew.taken(self.now);
            if let Command::Retry { step } = command
                && let Some(i) = state.find(step)
            {
                stage.mend(&state.planned(i).id.clone());
            }
        }
        match (command, answer) {
            (Command::Retry { step }, Answer::Accepted) => {
                if let Some(i) = state.find(step) {
                    self.world.excused.insert(i);
                }
            }
            (_, Answer::Accepted | Answer::AlreadyDone) => {}
            (_, Answer::NotApplicable(_) | Answer::Forbidden(_)) => self.faults.refusals += 1,
        }
    }

    /// The executor is gone. What it had begun at the targets happens now or never; its answers are lost.
    fn crash(&mut self, conductor: &Conductor) {
        match self.disk.is_down() {
            true => self.faults.kills += 1,
            false => self.faults.disk_errors += 1,
        }
        for pending in std::mem::take(&mut self.pending) {
            let happens = match &self.stage {
                Some(stage) => stage.rest == Rest::Happens,
                None => pending.change.is_some() && self.chance.in_hundred(50),
            };
            if let Some(change) = pending.change.filter(|_| happens) {
                self.change(conductor.state(), pending.instance, change);
            }
        }
        if let Some(stage) = &mut self.stage {
            stage.crew.hear_nothing();
        }
        self.disk.restart();
    }

    fn crash_in_recovery(&mut self) {
        self.faults.crashes_in_recovery += 1;
        self.disk.restart();
    }

    fn plan_disk_fault(&mut self) {
        if self.calm() || self.chance.in_hundred(40) {
            return;
        }
        let at = self.disk.operations() + self.chance.below(120);
        let fault = match self.chance.below(4) {
            0 => {
                self.faults.power_cuts += 1;
                Fault::Crash
            }
            1 => Fault::Kill,
            2 => Fault::Error,
            _ => Fault::NoSpace(usize::try_from(self.chance.below(200)).unwrap_or(0)),
        };
        self.disk.fail_at(at, fault);
    }

    /// Judges the end, and holds the live state against a replay of the journal.
    pub fn close(&mut self, state: &State) -> Vec<String> {
        let mut wrong = judge(state, &self.world);
        if let Phase::Ended(outcome) = state.phase() {
            match outcome {
                RunOutcome::Succeeded => self.faults.succeeded += 1,
                RunOutcome::RolledBack => self.faults.rolled_back += 1,
                RunOutcome::NeedsAttention => self.faults.needs_attention += 1,
                RunOutcome::Aborted => self.faults.aborted += 1,
            }
        }
        self.disk.restart();
        let mut replayed = State::new(self.plan.clone());
        match Reader::over(self.disk.clone()) {
            Ok(reader) => {
                for entry in reader {
                    match entry.map_err(|e| e.to_string()).and_then(|e| replayed.apply(&e.record).map_err(|e| e.to_string())) {
                        Ok(()) => {}
                        Err(error) => wrong.push(format!("the journal does not replay: {error}")),
                    }
                }
            }
            Err(error) => wrong.push(format!("the journal does not read: {error}")),
        }
        if statuses(&replayed) != statuses(state) {
            wrong.push(format!("replay gives another state:\n{}\n{}", statuses(&replayed), statuses(state)));
        }
        wrong
    }
}

fn ann() -> Actor {
    Actor { person: Some(PersonId::new("ann")), ..Actor::local(1_000, "ann") }
}

fn orders_of(inputs: &[Input]) -> Vec<Command> {
    inputs
        .iter()
        .filter_map(|input| match input {
            Input::Ordered(command, _) => Some(command.clone()),
            Input::Prepared(..)
            | Input::Applied(..)
            | Input::Probed(..)
            | Input::Undone(..)
            | Input::Noted(_)
            | Input::PeopleChanged(_) => None,
        })
        .collect()
}

/// Everything of a state that the journal decides.
pub(super) fn statuses(state: &State) -> String {
    let steps: Vec<String> = state
        .instances()
        .map(|i| {
            let step = state.step(i);
            format!("{}={}/{}/{}/{}", state.id(i), step.status, step.attempt, step.undo_attempt, step.touched)
        })
        .collect();
    format!("{:?} {} {}", state.phase(), state.is_past_no_return(), steps.join(" "))
}
