//! The conductor: inputs → records → effects, one turn at a time.
//!
//! A turn records everything that follows from its inputs, then names the effects. The shell makes the records durable in
//! one sync before it performs the effects, answers anybody or shows anything.

use std::collections::HashMap;
use std::sync::Arc;

use super::command::{Answer, Command};
use super::effect::{CallSpec, Effect, Failure, Input, Look, Preparation, Success};
use super::state::{Instance, State};
use super::{Event, FoldError, Record, Resolver, StepStatus};
use crate::model::{Actor, Condition, Finding, Timestamp, Touch, Value};
use crate::plan::{Plan, PlannedStep};

/// Where records go: gives an event its number and keeps it for the next sync.
pub trait Recording {
    /// Appends an event and shows its record; it is not durable yet.
    fn record(&mut self, event: Event) -> &Record;
}

/// What a verb under way is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verb {
    Prepare,
    Apply,
    Probe,
    Undo,
}

/// A verb that the shell performs now. Lost with the process, and then found again by recovery.
#[derive(Clone, Debug)]
pub(super) struct Flight {
    pub verb: Verb,
    pub spec: Arc<CallSpec>,
}

impl Flight {
    /// Whether it changes nothing, so that its end is not worth waiting for.
    pub fn is_look(&self) -> bool {
        match self.verb {
            Verb::Prepare | Verb::Probe => true,
            Verb::Apply => !self.spec.mutating,
            Verb::Undo => false,
        }
    }
}

/// The state of a run and what is under way for it in this process.
#[derive(Debug)]
pub struct Conductor {
    pub(super) state: State,
    pub(super) flights: HashMap<Instance, Flight>,
    pub(super) group_active: HashMap<Instance, u32>,
    pub(super) parked: HashMap<Instance, Vec<Instance>>,
    pub(super) effects: Vec<Effect>,
    pub(super) starts: Starts,
}

/// Whether a conductor may start anything new.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Starts {
    Allowed,
    /// The executor is about to let go of the run, or only records an order.
    Suspended,
}

/// What a turn decided.
#[derive(Debug, Default)]
pub struct Turn {
    /// What to do once the records are durable.
    pub effects: Vec<Effect>,
    /// The answers to the commands among the inputs, in order.
    pub answers: Vec<Answer>,
}

impl Conductor {
    /// A conductor before record 1.
    pub fn new(plan: Arc<Plan>) -> Self {
        Self {
            state: State::new(plan),
            flights: HashMap::new(),
            group_active: HashMap::new(),
            parked: HashMap::new(),
            effects: Vec::new(),
            starts: Starts::Allowed,
        }
    }

    /// From now on nothing new starts in this process; what changes a target finishes, and looks are given up.
    pub fn suspend(&mut self, reason: &str, journal: &mut impl Recording) {
        self.starts = Starts::Suspended;
        let looks: Vec<Instance> = self.flights.iter().filter(|(_, f)| f.is_look()).map(|(i, _)| *i).collect();
        for i in looks {
            let Some(flight) = self.flights.remove(&i) else { continue };
            self.effects.push(Effect::Cancel(i));
            if flight.verb == Verb::Apply {
                let (step, attempt) = (self.state.id(i).clone(), flight.spec.attempt);
                self.note(Event::AttemptInterrupted { step, attempt, reason: reason.to_owned() }, journal);
            }
        }
    }

    /// Whether something that can change a target is under way in this process.
    pub fn has_effects_under_way(&self) -> bool {
        self.flights.values().any(|flight| !flight.is_look())
    }

    /// Takes note that a verb ended, and of nothing else: for an executor whose journal has failed.
    pub fn forget(&mut self, input: &Input) {
        match input {
            Input::Prepared(i, ..) | Input::Applied(i, ..) | Input::Probed(i, ..) | Input::Undone(i, ..) => {
                self.flights.remove(i);
            }
            Input::Noted(_) | Input::Ordered(..) | Input::PeopleChanged(_) => {}
        }
    }

    /// Takes note that these were named and never begun: for the same executor, which has nothing to wait for with them.
    pub fn never_begun(&mut self, effects: &[Effect]) {
        for spec in effects.iter().filter_map(Effect::spec) {
            self.flights.remove(&spec.instance);
        }
    }

    /// Whether nothing is under way in this process.
    pub fn is_idle(&self) -> bool {
        self.flights.is_empty()
    }

    /// The fold so far.
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// Takes in a record that was read back.
    ///
    /// # Errors
    /// When it cannot follow the ones before it.
    pub fn replay(&mut self, record: &Record) -> Result<(), FoldError> {
        self.state.apply(record)
    }

    /// After a replay by a new executor: whatever was under way was interrupted.
    pub fn recover(&mut self, reason: &str, journal: &mut impl Recording) {
        let lost: Vec<Instance> = self.state.instances().collect();
        for i in lost {
            let (step, state) = (self.state.id(i).clone(), self.state.step(i));
            let reason = reason.to_owned();
            let event = match state.status {
                StepStatus::Running if self.state.is_action(i) => {
                    Event::AttemptInterrupted { step, attempt: state.attempt, reason }
                }
                StepStatus::Undoing => Event::UndoInterrupted { step, attempt: state.undo_attempt, reason },
                _ => continue,
            };
            self.note(event, journal);
        }
    }

    /// One turn: takes the inputs in, decides all that follows at `now`, and names the effects.
    pub fn turn(&mut self, inputs: Vec<Input>, now: Timestamp, journal: &mut impl Recording) -> Turn {
        let mut turn = Turn::default();
        self.settle_gates(now, journal);
        for input in inputs {
            self.take(input, now, journal, &mut turn.answers);
        }
        self.decide(now, journal);
        turn.effects = std::mem::take(&mut self.effects);
        turn
    }

    /// Records an event and folds it.
    ///
    /// # Panics
    /// When the event cannot happen now: that is a bug of this room, and going on would be a guess.
    pub fn note(&mut self, event: Event, journal: &mut impl Recording) {
        let record = journal.record(event);
        if let Err(error) = self.state.apply(record) {
            panic!("invariant: every event that is decided can happen: {error}: {:?}", record.event);
        }
    }

    fn take(&mut self, input: Input, now: Timestamp, journal: &mut impl Recording, answers: &mut Vec<Answer>) {
        match input {
            Input::Prepared(i, attempt, result) => self.prepared(i, attempt, result, now, journal),
            Input::Applied(i, attempt, result) => self.applied(i, attempt, result, now, journal),
            Input::Probed(i, attempt, result) => self.probed(i, attempt, result, journal),
            Input::Undone(i, attempt, result) => self.undone(i, attempt, result, journal),
            Input::Noted(event) => self.note(event, journal),
            Input::Ordered(command, by) => answers.push(self.order(&command, &by, now, journal)),
            Input::PeopleChanged(roster) => self.change_people(roster, journal),
        }
    }

    fn order(&mut self, command: &Command, by: &Actor, now: Timestamp, journal: &mut impl Recording) -> Answer {
        let (events, answer) = command.decide(&self.state, by, now);
        for event in events {
            self.note(event, journal);
        }
        answer
    }

    /// Takes a verb off the list of what is under way, if it is the one that ended.
    fn land(&mut self, i: Instance, verb: Verb, attempt: u32) -> Option<Flight> {
        if !self.flights.get(&i).is_some_and(|flight| flight.verb == verb && flight.spec.attempt == attempt) {
            return None;
        }
        let flight = self.flights.remove(&i);
        if verb != Verb::Undo
            && let Some(group) = self.state.group(i)
        {
            if let Some(active) = self.group_active.get_mut(&group) {
                *active = active.saturating_sub(1);
            }
            if let Some(next) = self.parked.get_mut(&group).and_then(Vec::pop) {
                self.state.enqueue_again(next);
            }
        }
        flight
    }

    fn late(&mut self, i: Instance, attempt: u32, result: String, journal: &mut impl Recording) {
        let step = self.state.id(i).clone();
        self.note(Event::LateResultIgnored { step, attempt, result }, journal);
    }

    fn prepared(
        &mut self,
        i: Instance,
        attempt: u32,
        result: Result<Preparation, Failure>,
        now: Timestamp,
        journal: &mut impl Recording,
    ) {
        let Some(flight) = self.land(i, Verb::Prepare, attempt) else { return };
        if !self.may_start(i) {
            self.state.enqueue_again(i);
            return;
        }
        let mut spec = flight.spec;
        match result {
            Ok(preparation) => {
                if let Some((gate, reason, targets)) = self.state.other_server(i, &preparation.identity) {
                    let step = self.state.id(gate).clone();
                    return self.note(Event::GateReopened { step, reason, targets }, journal);
                }
                // What held when it was prepared may not hold any more.
                if self.is_refused(i, now, journal) {
                    return;
                }
                let event = Event::AttemptStarted {
                    step: spec.step.clone(),
                    attempt,
                    params: spec.params.shown(),
                    identity: preparation.identity,
                    snapshot: preparation.snapshot,
                    timeout_ms: spec.timeout.as_millis(),
                };
                self.note(event, journal);
                // A tainted step keeps its first snapshot; the call must carry the one that counts.
                let snapshot = self.state.step(i).detail.as_ref().map_or(Value::Null, |detail| detail.snapshot.clone());
                Arc::make_mut(&mut spec).snapshot = snapshot;
                self.effects.push(Effect::Apply(spec.clone()));
                self.depart(i, Verb::Apply, spec);
            }
            Err(failure) => {
                self.failed(i, attempt, Failure { touch: Touch::Untouched, in_doubt: false, ..failure }, now, journal)
            }
        }
    }

    fn applied(
        &mut self,
        i: Instance,
        attempt: u32,
        result: Result<Success, Failure>,
        now: Timestamp,
        journal: &mut impl Recording,
    ) {
        let current = self.land(i, Verb::Apply, attempt).is_some()
            && self.state.step(i).status == StepStatus::Running
            && self.state.step(i).attempt == attempt;
        if !current {
            let result = match result {
                Ok(_) => "succeeded".to_owned(),
                Err(failure) => failure.error,
            };
            return self.late(i, attempt, result, journal);
        }
        match result.and_then(|success| self.expected(i, success)) {
            Ok(Success { outputs, evidence }) => {
                let step = self.state.id(i).clone();
                self.note(Event::AttemptSucceeded { step, attempt, outputs, evidence }, journal);
            }
            Err(failure) => self.failed(i, attempt, failure, now, journal),
        }
    }

    /// Holds the outputs against the step's `expect`.
    fn expected(&self, i: Instance, success: Success) -> Result<Success, Failure> {
        let planned = self.state.planned(i);
        for (name, condition) in &planned.expect {
            let met = Condition::parse(condition).and_then(|condition| condition.check(success.outputs.get(name)));
            if let Err(problem) = met {
                let touch = if planned.mutating { Touch::Possible } else { Touch::Untouched };
                return Err(Failure { touch, ..Failure::untouched(format!("output {name}: {problem}")) });
            }
        }
        Ok(success)
    }

    fn failed(&mut self, i: Instance, attempt: u32, failure: Failure, now: Timestamp, journal: &mut impl Recording) {
        let step = self.state.id(i).clone();
        let planned = self.state.planned(i);
        let retry_at = self.retry_at(i, attempt, now);
        let harmless = !planned.mutating || planned.ensures || failure.touch == Touch::Untouched;
        let must_look = retry_at.is_some() && !harmless && planned.has_probe;
        if (failure.in_doubt || must_look) && self.state.step(i).status == StepStatus::Running {
            return self.note(Event::AttemptInterrupted { step, attempt, reason: failure.error }, journal);
        }
        let retry_at = retry_at.filter(|_| harmless);
        self.note(Event::AttemptFailed { step, attempt, error: failure.error, touch: failure.touch, retry_at }, journal);
    }

    /// When the next attempt may start, if the plan allows one.
    fn retry_at(&self, i: Instance, attempt: u32, now: Timestamp) -> Option<Timestamp> {
        let PlannedStep { retry, section, .. } = self.state.planned(i);
        if attempt >= retry.max_attempts || !self.state.section_is_active(*section) {
            return None;
        }
        let doublings = (attempt.saturating_sub(1)).min(16);
        let at = now.plus(retry.backoff.as_duration().saturating_mul(1 << doublings));
        let first = self.state.step(i).started.unwrap_or(now);
        retry.max_elapsed.is_none_or(|limit| at <= first.plus(limit.as_duration())).then_some(at)
    }

    fn probed(&mut self, i: Instance, attempt: u32, result: Result<Look, Failure>, journal: &mut impl Recording) {
        if self.land(i, Verb::Probe, attempt).is_none() {
            return;
        }
        if self.state.step(i).status != StepStatus::InDoubt {
            // A person was faster than the look; what they decided may have waited for its end.
            return self.state.enqueue_again(i);
        }
        let step = self.state.id(i).clone();
        let Look { finding, outputs, evidence } = result.unwrap_or_else(|failure| Look {
            finding: Finding::Unknown(failure.error),
            outputs: Value::Null,
            evidence: Value::Null,
        });
        self.note(Event::AttemptProbed { step: step.clone(), attempt, finding: finding.clone(), evidence }, journal);
        if matches!(finding, Finding::Applied | Finding::NotApplied) {
            self.note(Event::AttemptResolved { step, attempt, finding, by: Resolver::Probe, outputs }, journal);
        }
    }

    fn undone(&mut self, i: Instance, attempt: u32, result: Result<Value, Failure>, journal: &mut impl Recording) {
        let step = self.state.id(i).clone();
        let current = self.land(i, Verb::Undo, attempt).is_some()
            && self.state.step(i).status == StepStatus::Undoing
            && self.state.step(i).undo_attempt == attempt;
        match result {
            _ if !current => self.late(i, attempt, "undo ended".to_owned(), journal),
            Ok(evidence) => self.note(Event::UndoSucceeded { step, attempt, evidence }, journal),
            Err(failure) if failure.in_doubt => {
                self.note(Event::UndoInterrupted { step, attempt, reason: failure.error }, journal);
            }
            Err(failure) => {
                self.note(Event::UndoFailed { step, attempt, error: failure.error, manual: failure.manual }, journal);
            }
        }
    }

    pub(super) fn depart(&mut self, i: Instance, verb: Verb, spec: Arc<CallSpec>) {
        if verb != Verb::Undo
            && let Some(group) = self.state.group(i)
        {
            *self.group_active.entry(group).or_default() += 1;
        }
        self.flights.insert(i, Flight { verb, spec });
    }
}
