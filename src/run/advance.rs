//! One step moves to its next status, and the derived queues follow.

use super::state::{Instance, Phase, State, slot};
use super::{StepEvent, StepStatus, next_status};
use crate::model::{StepId, Timestamp, Value};
use crate::plan::{Section, StepIndex, StepKind};

type Folded = Result<(), String>;

impl State {
    pub(super) fn known(&self, step: &StepId) -> Result<Instance, String> {
        self.find(step).ok_or_else(|| format!("the plan has no step {step}"))
    }

    /// The step, if `attempt` is its current attempt.
    pub(super) fn current(&self, step: &StepId, attempt: u32) -> Result<Instance, String> {
        let i = self.known(step)?;
        if self.step(i).attempt == attempt { Ok(i) } else { Err(format!("attempt {attempt} of {step} is not its current one")) }
    }

    pub(super) fn current_undo(&self, step: &StepId, attempt: u32) -> Result<Instance, String> {
        let i = self.known(step)?;
        if self.step(i).undo_attempt == attempt { Ok(i) } else { Err(format!("undo {attempt} of {step} is not its current one")) }
    }

    pub(super) fn advance_named(&mut self, step: &StepId, event: StepEvent, at: Timestamp) -> Folded {
        let i = self.known(step)?;
        self.advance(i, event, at)
    }

    /// Moves a step by the table; what the table does not have is an error.
    pub(super) fn advance(&mut self, i: Instance, event: StepEvent, at: Timestamp) -> Folded {
        let status = self.step(i).status;
        let next =
            next_status(status, event).ok_or_else(|| format!("{event:?} cannot happen to {}, which is {status}", self.id(i)))?;
        self.set_status(i, next, at);
        Ok(())
    }

    /// How a success counts: at once, or when its confirmer has confirmed.
    pub(super) fn success(&self, i: Instance) -> StepEvent {
        let planned = self.planned(i);
        if planned.confirm.is_some() && self.section_is_active(planned.section) {
            StepEvent::AttemptSucceededToConfirm
        } else {
            StepEvent::AttemptSucceeded
        }
    }

    pub(super) fn set_outputs(&mut self, i: Instance, outputs: &Value) {
        if !outputs.is_null() {
            self.steps[i.get()].detail_mut().outputs = outputs.clone();
        }
    }

    pub(super) fn set_timer(&mut self, i: Instance, until: Option<Timestamp>) {
        if let Some(old) = self.steps[i.get()].until {
            self.timers.remove(&(old, i));
        }
        self.steps[i.get()].until = until;
        if let Some(moment) = until {
            self.timers.insert((moment, i));
        }
    }

    pub(super) fn touch(&mut self, i: Instance) {
        self.moved_now(i);
        if !self.step(i).touched {
            self.steps[i.get()].touched = true;
            self.no_return += usize::from(self.planned(i).point_of_no_return.is_some());
            self.lengthen_way_back(i);
        }
    }

    pub(super) fn untouch(&mut self, i: Instance) {
        self.moved_now(i);
        if self.step(i).touched {
            self.steps[i.get()].touched = false;
            self.no_return -= usize::from(self.planned(i).point_of_no_return.is_some());
            self.lengthen_way_back(i);
        }
        let mut passes = std::mem::take(&mut self.passes);
        for pass in passes.values_mut() {
            if pass.left.contains(&i) {
                self.clear_in(pass, i);
            }
        }
        self.passes = passes;
    }

    /// Puts a step back to its beginning, with `missing` needs open.
    pub(super) fn start_over(&mut self, i: Instance, missing: u32) {
        let (section, status) = (self.planned(i).section, self.step(i).status);
        self.dequeue(i, status);
        self.open[slot(section)] += usize::from(status.is_over());
        self.asked -= usize::from(is_asked(status));
        let state = &mut self.steps[i.get()];
        state.missing = missing;
        state.status = StepStatus::Pending;
        state.ended = None;
    }

    /// Starts a section: its roots become ready.
    pub(super) fn open_section(&mut self, section: Section) {
        let roots: Vec<_> = self
            .plan
            .section(section)
            .map(Instance::of)
            .filter(|i| self.step(*i).missing == 0 && self.step(*i).status == StepStatus::Pending)
            .collect();
        for root in roots {
            self.enqueue(root);
        }
    }

    /// The one place where a status changes; everything derived follows here.
    pub(super) fn set_status(&mut self, i: Instance, next: StepStatus, at: Timestamp) {
        let before = self.step(i).status;
        if before == next {
            return;
        }
        self.moved_now(i);
        let section = self.planned(i).section;
        self.dequeue(i, before);
        self.first_orders.remove(&i);
        if before == StepStatus::Running && self.is_action(i) && section == Section::Forward {
            self.forward_running -= 1;
        }
        self.steps[i.get()].status = next;
        self.steps[i.get()].since = self.last_seq;
        self.asked += usize::from(is_asked(next));
        self.asked -= usize::from(is_asked(before));
        match next {
            StepStatus::Running if self.is_action(i) && section == Section::Forward => self.forward_running += 1,
            StepStatus::Ready => self.enqueue(i),
            StepStatus::InDoubt => {
                self.in_doubt.insert(i);
            }
            StepStatus::UndoInDoubt => {
                self.undo_in_doubt.insert(i);
            }
            StepStatus::AwaitingUndo => {
                self.passes.values_mut().filter(|pass| pass.left.contains(&i)).for_each(|pass| {
                    pass.ready.insert(i);
                });
            }
            _ => {}
        }
        if next.is_over() && !before.is_over() {
            self.open[slot(section)] -= 1;
            self.steps[i.get()].ended = Some(at);
            self.close(i, at);
        } else if next.is_over() && before.is_over() {
            self.steps[i.get()].ended = Some(at);
        }
    }

    fn dequeue(&mut self, i: Instance, before: StepStatus) {
        self.ready_actions.remove(&i);
        self.ready_quick.remove(&i);
        match before {
            StepStatus::InDoubt => {
                self.in_doubt.remove(&i);
            }
            StepStatus::UndoInDoubt => {
                self.undo_in_doubt.remove(&i);
            }
            StepStatus::AwaitingPeople | StepStatus::AwaitingTime | StepStatus::BackingOff => self.set_timer(i, None),
            _ => {}
        }
    }

    /// A step is over: tell its group and its dependents.
    fn close(&mut self, i: Instance, at: Timestamp) {
        self.lengthen_way_back(i);
        let satisfied = self.step(i).status.satisfies();
        let group = self.group(i);
        if let Some(group) = group {
            self.count_down(group, at);
        }
        if self.is_spawned(i) {
            return;
        }
        let dependents: Vec<StepIndex> = self.plan.dependents(StepIndex::new(i.get())).to_vec();
        for dependent in dependents.into_iter().map(Instance::of).filter(|d| Some(*d) != group) {
            if satisfied {
                self.count_down(dependent, at);
            } else {
                self.lose(dependent, at);
            }
        }
    }

    fn count_down(&mut self, i: Instance, at: Timestamp) {
        let state = &mut self.steps[i.get()];
        if state.missing == 0 {
            return;
        }
        state.missing -= 1;
        let waits = state.status == StepStatus::Pending || (state.status == StepStatus::Running && !self.is_action(i));
        if self.step(i).missing > 0 || !waits {
            return;
        }
        let needs = &self.planned(i).needs;
        let is_group = matches!(self.planned(i).kind, StepKind::Group { .. });
        if is_group && !needs.is_empty() && needs.iter().all(|n| self.step(Instance::of(*n)).status == StepStatus::NotReached) {
            self.lose(i, at);
        } else if self.section_is_active(self.planned(i).section) {
            self.enqueue(i);
        }
    }

    /// Marks everything behind a step that did not succeed as not reached, without recursion.
    fn lose(&mut self, first: Instance, at: Timestamp) {
        let mut stack = vec![first];
        while let Some(i) = stack.pop() {
            if next_status(self.step(i).status, StepEvent::ParentLost).is_none() {
                continue;
            }
            let section = self.planned(i).section;
            self.dequeue(i, StepStatus::Pending);
            self.steps[i.get()].status = StepStatus::NotReached;
            self.steps[i.get()].ended = Some(at);
            self.open[slot(section)] -= 1;
            let group = self.group(i);
            if let Some(group) = group {
                self.count_down(group, at);
            }
            let dependents = self.plan.dependents(StepIndex::new(i.get()));
            stack.extend(dependents.iter().map(|d| Instance::of(*d)).filter(|d| Some(*d) != group));
        }
    }

    /// Puts a step whose turn had come back among the ready ones, if its turn is still there.
    pub(super) fn enqueue_again(&mut self, i: Instance) {
        if matches!(self.step(i).status, StepStatus::Pending | StepStatus::Ready | StepStatus::BackingOff)
            && self.step(i).missing == 0
            && self.section_is_active(self.planned(i).section)
        {
            self.enqueue(i);
        }
    }

    pub(super) fn enqueue(&mut self, i: Instance) {
        if matches!(self.phase, Phase::New | Phase::Ended(_)) {
            return;
        }
        if self.is_action(i) && self.planned(i).wait.is_none() {
            self.ready_actions.insert(i);
        } else {
            self.ready_quick.insert(i);
        }
    }
}

const fn is_asked(status: StepStatus) -> bool {
    matches!(status, StepStatus::AwaitingPeople | StepStatus::AwaitingConfirm)
}
