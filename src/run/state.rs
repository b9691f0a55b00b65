//! The state of a run: the fold of its journal, and the queues that are derived from it.
//!
//! Nothing in here is stored. Whatever a new executor needs, it gets by replaying records through `State::apply`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::guard::Guard;
use super::note::Noted;
use super::rollback_clock::WayBack;
use super::undo_pass::UndoPass;
use super::{RollbackCause, StepStatus};
use crate::model::{Actor, Digest, Object, Roster, RunId, RunOutcome, StepId, TargetName, Timestamp, Value};
use crate::plan::{Plan, PlannedStep, Section, StepIndex, StepKind};

/// A step instance of a run: a step of the plan, or an item that a `foreach` made at run time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Instance(pub(crate) u32);

impl Instance {
    /// The instance that is the plan's own step.
    pub fn of(index: StepIndex) -> Self {
        Self(u32::try_from(index.get()).expect("invariant: a plan has fewer than 2^32 steps"))
    }

    /// As an index into the state's steps.
    pub const fn get(self) -> usize {
        self.0 as usize
    }
}

/// In which part of its life a run is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Record 1 is not there yet.
    New,
    /// The forward steps run.
    Forward,
    /// The run turned back: running work finishes, then the way back runs.
    RollingBack,
    /// A person stopped the run: running work finishes.
    Aborting,
    /// `finally` runs; the outcome is decided.
    Finally(RunOutcome),
    /// Over.
    Ended(RunOutcome),
}

/// Where one step stands.
#[derive(Clone, Debug)]
pub struct StepState {
    /// The status.
    pub status: StepStatus,
    /// The number of the last attempt; 0 before the first.
    pub attempt: u32,
    /// The number of the last undo attempt.
    pub undo_attempt: u32,
    /// Whether an effect of it may be at its target, so that the way back has to undo it.
    pub touched: bool,
    /// Whether an attempt of it ended without proof that the target is untouched.
    pub tainted: bool,
    /// Whether the present doubt was looked at already.
    pub probed: bool,
    /// When it first started or asked.
    pub started: Option<Timestamp>,
    /// When it was last over.
    pub ended: Option<Timestamp>,
    /// The moment it waits for: the end of a hold, a deadline, the next attempt.
    pub until: Option<Timestamp>,
    /// The record with which it came into its status.
    pub since: u64,
    /// What only some steps have.
    pub detail: Option<Box<Detail>>,
    /// How many needs are still open.
    pub(super) missing: u32,
}

/// The rarer parts of a step's state.
#[derive(Clone, Debug, Default)]
pub struct Detail {
    /// What later steps can read.
    pub outputs: Value,
    /// What undo and probe need.
    pub snapshot: Value,
    /// The last error or reason.
    pub error: Option<String>,
    /// The approvals that count now.
    pub grants: Vec<Actor>,
    /// The record with which the approvals were asked for.
    pub asked: u64,
    /// Who broke the glass of the gate, and when it opens by that.
    pub glass: (Vec<Actor>, Option<Timestamp>),
    /// The digest of the targets when the approvals were asked for.
    pub targets: Option<Digest>,
    /// What the persons are asked.
    pub prompt: String,
    /// Whether the deadline passed while the plan said to keep waiting.
    pub overdue: bool,
    /// What a person can send by hand, where an undo failed.
    pub manual: Vec<String>,
    /// The last progress note.
    pub progress: Option<String>,
}

/// An item that a `foreach` made at run time.
#[derive(Clone, Debug)]
pub(super) struct Spawned {
    pub def: StepIndex,
    pub id: StepId,
    pub item: Value,
    pub group: Instance,
}

/// The fold of a journal.
#[derive(Clone, Debug)]
pub struct State {
    pub(super) plan: Arc<Plan>,
    pub(super) run: Option<RunId>,
    pub(super) starter: Option<Actor>,
    pub(super) started: Option<Timestamp>,
    pub(super) ended: Option<Timestamp>,
    pub(super) last_seq: u64,
    pub(super) epoch: u64,
    pub(super) phase: Phase,
    pub(super) paused: Option<Actor>,
    pub(super) cause: Option<RollbackCause>,
    pub(super) steps: Vec<StepState>,
    pub(super) spawned: Vec<Spawned>,
    pub(super) spawned_by_id: HashMap<StepId, Instance>,
    pub(super) children: HashMap<u32, Vec<Instance>>,
    /// Steps whose turn has come and that take a place among the attempts.
    pub(super) ready_actions: BTreeSet<Instance>,
    /// Steps whose turn has come and that take none: waits, groups, undo steps.
    pub(super) ready_quick: BTreeSet<Instance>,
    pub(super) timers: BTreeSet<(Timestamp, Instance)>,
    pub(super) in_doubt: BTreeSet<Instance>,
    pub(super) undo_in_doubt: BTreeSet<Instance>,
    /// How many steps of each section are not over.
    pub(super) open: [usize; 3],
    /// How many attempts of forward steps are under way.
    pub(super) forward_running: usize,
    /// How many points of no return have been touched.
    pub(super) no_return: usize,
    /// Why the run has to turn back, until the record says so.
    pub(super) turn_wanted: Option<RollbackCause>,
    pub(super) passes: BTreeMap<Instance, UndoPass>,
    /// Orders against protected steps that wait for a second person: the order and who gave it.
    pub(super) first_orders: HashMap<Instance, Vec<(String, String)>>,
    /// How many steps wait for a person's approval, report or confirmation.
    pub(super) asked: usize,
    /// Gates with approvals that no step has used yet: these have to hold in every turn.
    pub(super) relied: BTreeSet<Instance>,
    /// The nonces of every signed statement that counted.
    pub(super) nonces: BTreeSet<String>,
    /// The roster as it is now, where it was changed since the plan was made.
    pub(super) people: Option<Roster>,
    /// Who the targets said they are, last.
    pub(super) answers: BTreeMap<TargetName, Object>,
    /// The safety rules of the plan, what is known of their facts, and the steps that moved with the present record.
    pub(super) guard: Option<Guard>,
    /// What the way back takes now, where a window closes.
    pub(super) way_back: WayBack,
    /// What was noted about the run as a whole.
    pub(super) noted: Noted,
}

impl State {
    /// The state before record 1.
    pub fn new(plan: Arc<Plan>) -> Self {
        let guard = Guard::new(&plan);
        let (way_back, noted) = (WayBack::of(&plan), Noted::of(&plan));
        let mut open = [0; 3];
        let steps = plan
            .steps()
            .iter()
            .map(|step| {
                open[slot(step.section)] += 1;
                StepState::new(u32::try_from(step.needs.len()).expect("invariant: needs are fewer than steps"))
            })
            .collect();
        Self {
            plan,
            run: None,
            starter: None,
            started: None,
            ended: None,
            last_seq: 0,
            epoch: 0,
            phase: Phase::New,
            paused: None,
            cause: None,
            steps,
            spawned: Vec::new(),
            spawned_by_id: HashMap::new(),
            children: HashMap::new(),
            ready_actions: BTreeSet::new(),
            ready_quick: BTreeSet::new(),
            timers: BTreeSet::new(),
            in_doubt: BTreeSet::new(),
            undo_in_doubt: BTreeSet::new(),
            open,
            forward_running: 0,
            no_return: 0,
            turn_wanted: None,
            passes: BTreeMap::new(),
            first_orders: HashMap::new(),
            asked: 0,
            relied: BTreeSet::new(),
            nonces: BTreeSet::new(),
            people: None,
            answers: BTreeMap::new(),
            guard,
            way_back,
            noted,
        }
    }

    /// The plan.
    pub const fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// The run, once record 1 is there.
    pub const fn run(&self) -> Option<&RunId> {
        self.run.as_ref()
    }

    /// Who started the run.
    pub const fn starter(&self) -> Option<&Actor> {
        self.starter.as_ref()
    }

    /// When the run started.
    pub const fn started(&self) -> Option<Timestamp> {
        self.started
    }

    /// When the run ended.
    pub const fn ended(&self) -> Option<Timestamp> {
        self.ended
    }

    /// In which part of its life the run is.
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// Who paused the run, while it is paused.
    pub const fn paused(&self) -> Option<&Actor> {
        self.paused.as_ref()
    }

    /// Why the run turned back.
    pub const fn cause(&self) -> Option<&RollbackCause> {
        self.cause.as_ref()
    }

    /// The number of the last record.
    pub const fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// The epoch of the last record.
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether a point of no return was touched: nothing before it may be undone.
    pub const fn is_past_no_return(&self) -> bool {
        self.no_return > 0
    }

    /// Every instance: the plan's steps in plan order, then the items made at run time.
    pub fn instances(&self) -> impl Iterator<Item = Instance> + use<> {
        (0..u32::try_from(self.steps.len()).expect("invariant: fewer than 2^32 steps")).map(Instance)
    }

    /// Where a step stands.
    pub fn step(&self, instance: Instance) -> &StepState {
        &self.steps[instance.get()]
    }

    /// The plan's step behind an instance.
    pub fn planned(&self, instance: Instance) -> &PlannedStep {
        self.plan.step(self.def(instance))
    }

    /// The id of an instance.
    pub fn id(&self, instance: Instance) -> &StepId {
        match self.spawned_at(instance) {
            Some(spawned) => &spawned.id,
            None => &self.plan.steps()[instance.get()].id,
        }
    }

    /// The item that an instance is for.
    pub fn item(&self, instance: Instance) -> Option<&Value> {
        match self.spawned_at(instance) {
            Some(spawned) => Some(&spawned.item),
            None => self.plan.steps()[instance.get()].item.as_ref(),
        }
    }

    /// The group that an instance is an item of.
    pub fn group(&self, instance: Instance) -> Option<Instance> {
        match self.spawned_at(instance) {
            Some(spawned) => Some(spawned.group),
            None => self.plan.steps()[instance.get()].group.map(Instance::of),
        }
    }

    /// The instance with this id.
    pub fn find(&self, id: &StepId) -> Option<Instance> {
        self.plan.find(id).map(Instance::of).or_else(|| self.spawned_by_id.get(id).copied())
    }

    /// The items that a group made at run time, in order.
    pub fn children(&self, group: Instance) -> &[Instance] {
        self.children.get(&group.0).map_or(&[], Vec::as_slice)
    }

    /// What later steps can read of this step.
    pub fn outputs(&self, instance: Instance) -> &Value {
        self.step(instance).detail.as_ref().map_or(&Value::Null, |detail| &detail.outputs)
    }

    /// The orders against this protected step that wait for a second person: the order and who gave it.
    pub fn first_orders(&self, instance: Instance) -> &[(String, String)] {
        self.first_orders.get(&instance).map_or(&[], Vec::as_slice)
    }

    pub(super) fn def(&self, instance: Instance) -> StepIndex {
        self.spawned_at(instance).map_or_else(|| StepIndex::new(instance.get()), |spawned| spawned.def)
    }

    /// Whether the instance is an item that was made at run time (its definition is the group's own step).
    pub(super) fn is_spawned(&self, instance: Instance) -> bool {
        instance.get() >= self.plan.steps().len()
    }

    /// What the instance does: an item made at run time is an action even though its definition says `Spread`.
    pub(super) fn is_action(&self, instance: Instance) -> bool {
        self.is_spawned(instance) || matches!(self.planned(instance).kind, StepKind::Action)
    }

    pub(super) const fn section_is_active(&self, section: Section) -> bool {
        match (section, self.phase) {
            (Section::Forward, Phase::Forward)
            | (Section::Rollback, Phase::RollingBack)
            | (Section::Finally, Phase::Finally(_)) => true,
            (
                Section::Forward | Section::Rollback | Section::Finally,
                Phase::New | Phase::Forward | Phase::RollingBack | Phase::Aborting | Phase::Finally(_) | Phase::Ended(_),
            ) => false,
        }
    }

    fn spawned_at(&self, instance: Instance) -> Option<&Spawned> {
        instance.get().checked_sub(self.plan.steps().len()).map(|at| &self.spawned[at])
    }
}

impl StepState {
    pub(super) const fn new(missing: u32) -> Self {
        Self {
            status: StepStatus::Pending,
            attempt: 0,
            undo_attempt: 0,
            touched: false,
            tainted: false,
            probed: false,
            started: None,
            ended: None,
            until: None,
            since: 0,
            detail: None,
            missing,
        }
    }

    pub(super) fn detail_mut(&mut self) -> &mut Detail {
        self.detail.get_or_insert_default()
    }

    /// The last error or reason.
    pub fn error(&self) -> Option<&str> {
        self.detail.as_ref()?.error.as_deref()
    }
}

/// The place of a section in per-section counters.
pub(super) const fn slot(section: Section) -> usize {
    match section {
        Section::Forward => 0,
        Section::Rollback => 1,
        Section::Finally => 2,
    }
}
