//! Record → state. The only way in which a state changes, live and in recovery alike.

use super::state::{Instance, Phase, Spawned, State, StepState, slot};
use super::{Event, Record, RollbackCause, SkipReason, StepEvent};
use crate::model::{StepId, Timestamp, Value};
use crate::plan::{Section, StepKind, Wait};

/// A record that cannot follow the ones before it: a damaged journal, or a bug of this program.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("record {seq} cannot follow the records before it: {problem}")]
pub struct FoldError {
    /// The record.
    pub seq: u64,
    /// What does not fit.
    pub problem: String,
}

type Folded = Result<(), String>;

impl State {
    /// Takes one record in.
    ///
    /// # Errors
    /// When the record cannot follow the ones before it; the state is then not to be used any more.
    pub fn apply(&mut self, record: &Record) -> Result<(), FoldError> {
        let wrong = |problem: String| FoldError { seq: record.seq, problem };
        if record.seq != self.last_seq + 1 {
            return Err(wrong(format!("record {} was expected", self.last_seq + 1)));
        }
        if record.epoch < self.epoch {
            return Err(wrong(format!("its epoch {} is older than {}", record.epoch, self.epoch)));
        }
        if (self.phase == Phase::New) != matches!(record.event, Event::RunStarted { .. }) {
            return Err(wrong("a run starts once, with its first record".to_owned()));
        }
        self.last_seq = record.seq;
        self.epoch = record.epoch;
        self.burn_nonce(&record.event);
        self.fold(&record.event, record.at).map_err(wrong)?;
        self.learn(record.at);
        Ok(())
    }

    fn fold(&mut self, event: &Event, at: Timestamp) -> Folded {
        match event {
            Event::RunStarted { run, starter, .. } => {
                self.run = Some(run.clone());
                self.starter = Some(starter.clone());
                self.started = Some(at);
                self.phase = Phase::Forward;
                self.open_section(Section::Forward);
            }
            Event::ExecutorStarted { .. }
            | Event::ExecutorStopped { .. }
            | Event::JournalRepaired { .. }
            | Event::ClockJumped { .. }
            | Event::StatementSent { .. }
            | Event::QuestionAsked { .. }
            | Event::OutputCaptured { .. }
            | Event::LateResultIgnored { .. } => {}
            Event::CommandRefused { command, by, .. } => {
                // Only a refusal that names its step is half of a protected order; any other was for want of authority.
                let step = command.split(' ').nth(1).and_then(|step| self.find(&StepId::new(step)));
                if let Some(i) = step {
                    self.first_orders.entry(i).or_default().push((command.clone(), by.name().to_owned()));
                }
            }
            Event::Paused { by, .. } => {
                self.paused = Some(by.clone());
                self.way_back.asked |= self.is_held_by_the_clock();
            }
            Event::Continued { .. } => self.paused = None,
            Event::RollbackStarted { cause } => self.turn_back(cause, at)?,
            Event::AbortOrdered { .. } => {
                self.turn_wanted = None;
                self.phase = Phase::Aborting;
                self.paused = None;
                self.leave(&[Section::Forward, Section::Rollback], at)?;
            }
            Event::FinallyStarted { outcome } => {
                self.phase = Phase::Finally(*outcome);
                self.leave(&[Section::Forward, Section::Rollback], at)?;
                self.open_section(Section::Finally);
            }
            Event::RunEnded { outcome } => {
                self.phase = Phase::Ended(*outcome);
                self.ended = Some(at);
            }
            Event::RunReopened { .. } => self.reopen(at)?,
            Event::RosterChanged { roster } => self.change_people(roster)?,
            Event::RunNoted { note } => self.take_note(note)?,
            _ => return self.fold_step(event, at),
        }
        Ok(())
    }

    fn fold_step(&mut self, event: &Event, at: Timestamp) -> Folded {
        match event {
            Event::StepSkipped { step, reason } => {
                let i = self.known(step)?;
                if let SkipReason::Ordered { by, reason } = reason {
                    self.steps[i.get()].detail_mut().error = Some(format!("skipped by {by}: {reason}"));
                    self.use_gates_before(i);
                }
                self.advance(i, StepEvent::PassedOver, at)
            }
            Event::StepSpread { step, items } => self.spread(step, items, at),
            Event::GroupEnded { step, failed } => self.end_group(step, failed, at),
            Event::WaitStarted { step, prompt, until, .. } => {
                let i = self.known(step)?;
                let people = matches!(self.planned(i).wait, Some(Wait::Approval { .. } | Wait::Manual { .. }));
                self.advance(i, if people { StepEvent::PeopleAsked } else { StepEvent::TimeSet }, at)?;
                let targets = self.is_gate(i).then(|| self.targets());
                let asked = self.last_seq;
                let state = &mut self.steps[i.get()];
                state.started.get_or_insert(at);
                let detail = state.detail_mut();
                detail.asked = asked;
                detail.targets = targets;
                detail.prompt.clone_from(prompt);
                detail.grants.clear();
                detail.glass = Default::default();
                detail.overdue = false;
                self.set_timer(i, *until);
                Ok(())
            }
            Event::WaitEnded { step } if self.find(step).is_some_and(|i| self.is_gate(i)) => self.open_by_glass(step, at),
            Event::WaitEnded { step } => self.advance_named(step, StepEvent::WaitFulfilled, at),
            Event::WaitExpired { step } => self.expire(step, at),
            Event::ApprovalGranted { step, by, .. } => self.grant(step, by, at),
            Event::ApprovalWithdrawn { step, by } => {
                let i = self.known(step)?;
                self.advance(i, StepEvent::VoteCounted, at)?;
                self.steps[i.get()].detail_mut().grants.retain(|grant| grant.name() != by.name());
                Ok(())
            }
            Event::GlassBroken { step, by, opens, .. } => self.break_glass(step, by, *opens, at),
            Event::ApprovalLapsed { step, by, .. } => self.lapse(step, by, at),
            Event::GateReopened { step, targets, .. } => self.close_again(step, targets),
            Event::WaitRejected { step, by, reason } => {
                let i = self.known(step)?;
                self.steps[i.get()].detail_mut().error = Some(format!("rejected by {by}: {reason}"));
                self.refuse(i, RollbackCause::Rejected(step.clone()), at)
            }
            Event::TaskReported { step, by, answers } => {
                let i = self.known(step)?;
                let outputs = serde_json::json!({ "answers": answers, "reported_by": by.name() });
                self.steps[i.get()].detail_mut().outputs = outputs;
                self.steps[i.get()].touched = true;
                self.use_gates_before(i);
                self.advance(i, StepEvent::WaitFulfilled, at)
            }
            Event::StartRefused { step, reason } => self.refuse_start(step, reason, at),
            Event::StepConfirmed { step, .. } => self.advance_named(step, StepEvent::Confirmed, at),
            Event::RetryOrdered { step, .. } => {
                let i = self.known(step)?;
                self.advance(i, StepEvent::RetryOrdered, at)
            }
            Event::UndoStarted { .. }
            | Event::UndoSucceeded { .. }
            | Event::UndoFailed { .. }
            | Event::UndoInterrupted { .. }
            | Event::UndoResolved { .. } => self.fold_undo(event, at),
            _ => self.fold_attempt(event, at),
        }
    }

    fn spread(&mut self, step: &StepId, items: &[Value], at: Timestamp) -> Folded {
        let group = self.known(step)?;
        self.advance(group, StepEvent::GroupBegan, at)?;
        self.steps[group.get()].started.get_or_insert(at);
        match self.planned(group).kind.clone() {
            StepKind::Spread { .. } => {}
            StepKind::Undo(scope) => {
                let pass = self.new_pass(&scope);
                self.passes.insert(group, pass);
                return Ok(());
            }
            StepKind::Action | StepKind::Group { .. } => return Err(format!("{step} does not spread")),
        }
        let (def, section) = (self.def(group), self.planned(group).section);
        let mut made = Vec::with_capacity(items.len());
        for (number, item) in items.iter().enumerate() {
            let instance = Instance(u32::try_from(self.steps.len()).map_err(|_| "too many steps".to_owned())?);
            let id = item_id(step, item, number);
            if self.find(&id).is_some() {
                return Err(format!("step {id} stands twice"));
            }
            self.spawned_by_id.insert(id.clone(), instance);
            self.spawned.push(Spawned { def, id, item: item.clone(), group });
            self.steps.push(StepState::new(0));
            self.open[slot(section)] += 1;
            made.push(instance);
        }
        self.steps[group.get()].missing = u32::try_from(made.len()).map_err(|_| "too many steps".to_owned())?;
        if made.is_empty() {
            self.enqueue(group);
        }
        made.iter().for_each(|item| self.enqueue(*item));
        self.children.insert(group.0, made);
        Ok(())
    }

    fn end_group(&mut self, step: &StepId, failed: &[StepId], at: Timestamp) -> Folded {
        let group = self.known(step)?;
        self.passes.remove(&group);
        if failed.is_empty() {
            return self.advance(group, StepEvent::GroupSucceeded, at);
        }
        let names: Vec<_> = failed.iter().map(StepId::as_str).collect();
        self.steps[group.get()].detail_mut().error = Some(format!("not all well: {}", names.join(", ")));
        self.settle_failure(
            group,
            StepEvent::GroupFailed,
            StepEvent::GroupFailedToHold,
            RollbackCause::StepFailed(step.clone()),
            at,
        )
    }
}

/// The id of one item of a `foreach`: its text, or its number where it is no plain value.
fn item_id(step: &StepId, item: &Value, number: usize) -> StepId {
    match item {
        Value::String(text) => StepId::new(format!("{step}[{text}]")),
        Value::Number(value) => StepId::new(format!("{step}[{value}]")),
        Value::Bool(value) => StepId::new(format!("{step}[{value}]")),
        Value::Null | Value::Array(_) | Value::Object(_) => StepId::new(format!("{step}[{number}]")),
    }
}
