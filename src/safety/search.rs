//! Every state that a run can reach, as far as some variables are concerned, in the order of how soon it is reached.
//!
//! What the state machine of `run` does with attempts, doubts and retries is here what it leaves: a step is untouched, touched
//! or done. An attempt that fails and leaves its target untouched is no state of its own: the run can turn back at any moment
//! before the point of no return, because somebody may order it.

use super::condition::Condition;
use super::moves::Move;
use super::task::Slice;

/// After so many states a search gives up and says so.
pub(super) const MOST_STATES: usize = 1 << 20;

/// Where a task stands. The upper bits of its byte are the values of before.
pub(super) mod status {
    /// Its turn has not come, or nothing was touched.
    pub const PENDING: u8 = 0;
    /// It succeeded.
    pub const DONE: u8 = 1;
    /// It was begun and did not succeed: under way, failed, held, or in doubt.
    pub const TOUCHED: u8 = 2;
    /// It was passed over.
    pub const SKIPPED: u8 = 3;
    /// It is over without success, and the run goes on.
    pub const LOST: u8 = 4;
    /// Its undo failed.
    pub const UNDO_FAILED: u8 = 5;
    /// An undo step at work.
    pub const RUNNING: u8 = 6;
}

/// In which part of its life the run is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    Forward,
    Back,
    Finally,
    Ended,
}

/// How the run ended, or will.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    Succeeded,
    RolledBack,
    NeedsAttention,
    Aborted,
}

/// A state: the world, the stage, and a byte per task.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct State<const W: usize> {
    pub world: u64,
    pub meta: u32,
    pub bytes: [u64; W],
}

const STAGES: [Stage; 4] = [Stage::Forward, Stage::Back, Stage::Finally, Stage::Ended];
const ENDS: [End; 4] = [End::Succeeded, End::RolledBack, End::NeedsAttention, End::Aborted];

impl<const W: usize> State<W> {
    pub fn byte(&self, task: usize) -> u8 {
        self.bytes[task / 8].to_le_bytes()[task % 8]
    }

    pub fn status(&self, task: usize) -> u8 {
        self.byte(task) & 7
    }

    pub fn set_byte(&mut self, task: usize, byte: u8) {
        let mut bytes = self.bytes[task / 8].to_le_bytes();
        bytes[task % 8] = byte;
        self.bytes[task / 8] = u64::from_le_bytes(bytes);
    }

    pub fn set_status(&mut self, task: usize, status: u8) {
        self.set_byte(task, self.byte(task) & !7 | status);
    }

    pub fn stage(&self) -> Stage {
        STAGES[(self.meta & 3) as usize]
    }

    pub fn end(&self) -> End {
        ENDS[(self.meta >> 2 & 3) as usize]
    }

    pub fn set_stage(&mut self, stage: Stage, end: End) {
        self.meta = self.meta & !15 | stage as u32 | (end as u32) << 2;
    }

    /// What is known of the condition with this number: 0 nothing, 1 true, 2 false.
    pub fn text(&self, number: u32) -> u32 {
        self.meta >> (4 + 2 * number) & 3
    }

    pub fn set_text(&mut self, number: u32, known: u32) {
        self.meta |= known << (4 + 2 * number);
    }

    fn hash(&self) -> u64 {
        const K: u64 = 0x517c_c1b7_2722_0a95;
        let mix = |hash: u64, word: u64| (hash.rotate_left(5) ^ word).wrapping_mul(K);
        let hash = self.bytes.iter().fold(mix(mix(0, self.world), u64::from(self.meta)), |hash, word| mix(hash, *word));
        hash ^ hash >> 32
    }
}

/// A rule as one search holds it against every state.
#[derive(Clone, Debug)]
pub(super) enum Rule {
    /// This is true in no state.
    Never(Condition),
    /// This is true whenever one of these tasks starts going forward.
    Before(u64, Condition),
    /// This is true at the moment when the new side begins to take writes.
    AtFirstWrite(Condition),
    /// This is true at the end: of a run that succeeded, and of one that turned back and did not fail to undo.
    AtEnd(Condition, Condition),
}

/// How a state came out of the one before it: the task and what it did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Step {
    pub task: u8,
    pub what: Move,
}

/// The shortest way to a broken rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Trace {
    pub steps: Vec<Step>,
    /// The world after each of the steps.
    pub worlds: Vec<u64>,
    /// Where the last of the steps led.
    pub stage: Stage,
}

/// What a search found.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    /// How many states there are.
    pub states: usize,
    /// Whether these are all.
    pub whole: bool,
    /// Per rule, the shortest way to break it.
    pub broken: Vec<Option<Trace>>,
}

/// Searches every state.
pub(super) fn search(slice: &Slice, rules: &[Rule]) -> Outcome {
    if slice.tasks.len() <= 16 { Search::<2>::run(slice, rules, |_| {}) } else { Search::<8>::run(slice, rules, |_| {}) }
}

/// A search under way.
pub(super) struct Search<'a, const W: usize> {
    pub slice: &'a Slice,
    rules: &'a [Rule],
    states: Vec<State<W>>,
    parents: Vec<(u32, Step)>,
    /// An open table of positions in `states`, plus one; zero is free.
    table: Vec<u32>,
    broken: Vec<Option<Trace>>,
    /// The state whose successors are being made.
    at: u32,
}

impl<'a, const W: usize> Search<'a, W> {
    /// Runs it, and shows every state as it is reached.
    pub fn run(slice: &'a Slice, rules: &'a [Rule], mut show: impl FnMut(&State<W>)) -> Outcome {
        let first = State { world: slice.initial, meta: 0, bytes: [0; W] };
        let none = Step { task: 0, what: Move::Begins };
        let mut search = Self {
            slice,
            rules,
            states: Vec::new(),
            parents: Vec::new(),
            table: vec![0; 1 << 10],
            broken: vec![None; rules.len()],
            at: 0,
        };
        search.reach(first, none);
        while (search.at as usize) < search.states.len() && search.states.len() < MOST_STATES {
            let state = search.states[search.at as usize];
            show(&state);
            search.successors(&state);
            search.at += 1;
            if !rules.is_empty() && search.broken.iter().all(Option::is_some) {
                break;
            }
        }
        let whole = search.at as usize == search.states.len();
        Outcome { states: search.states.len(), whole, broken: search.broken }
    }

    /// Takes a state in, if it is new.
    pub fn reach(&mut self, state: State<W>, step: Step) {
        if (self.states.len() + 1) * 2 > self.table.len() {
            self.grow();
        }
        let mask = self.table.len() - 1;
        let mut slot = usize::try_from(state.hash()).unwrap_or(0) & mask;
        while self.table[slot] != 0 {
            if self.states[self.table[slot] as usize - 1] == state {
                return;
            }
            slot = (slot + 1) & mask;
        }
        self.states.push(state);
        self.parents.push((self.at, step));
        self.table[slot] = u32::try_from(self.states.len()).unwrap_or(u32::MAX);
        self.judge(&state);
    }

    fn grow(&mut self) {
        let size = self.table.len() * 2;
        self.table = vec![0; size];
        for (at, state) in self.states.iter().enumerate() {
            let mut slot = usize::try_from(state.hash()).unwrap_or(0) & (size - 1);
            while self.table[slot] != 0 {
                slot = (slot + 1) & (size - 1);
            }
            self.table[slot] = u32::try_from(at + 1).unwrap_or(u32::MAX);
        }
    }

    /// Holds the rules against a new state.
    fn judge(&mut self, state: &State<W>) {
        let last = self.states.len() - 1;
        let before = self.states[self.at as usize].world;
        let first_write = self.slice.takes.is_some_and(|(_, _, written)| before & written == 0 && state.world & written != 0);
        for number in 0..self.rules.len() {
            let is_broken = match &self.rules[number] {
                _ if self.broken[number].is_some() => false,
                Rule::Before(..) => false,
                Rule::Never(condition) => self.holds(condition, state),
                Rule::AtFirstWrite(condition) => first_write && !self.holds(condition, state),
                Rule::AtEnd(succeeded, back) => {
                    state.stage() == Stage::Ended
                        && match state.end() {
                            End::Succeeded => !self.holds(succeeded, state),
                            End::RolledBack => !self.holds(back, state),
                            End::NeedsAttention => !self.is_excused(state) && !self.holds(back, state),
                            // Whoever aborts wants things to stay as they are.
                            End::Aborted => false,
                        }
                }
            };
            if is_broken {
                self.broken[number] = Some(self.trace(last, None));
            }
        }
    }

    /// Holds the rules against the start of a task going forward.
    pub fn starts(&mut self, state: &State<W>, task: usize) {
        for number in 0..self.rules.len() {
            let Rule::Before(tasks, condition) = &self.rules[number] else { continue };
            if self.broken[number].is_none() && tasks & (1 << task) != 0 && !self.holds(condition, state) {
                let task = u8::try_from(task).unwrap_or(0);
                self.broken[number] = Some(self.trace(self.at as usize, Some(Step { task, what: Move::Starts })));
            }
        }
    }

    /// Whether somebody already has to finish the way back by hand, because something on it failed.
    fn is_excused(&self, state: &State<W>) -> bool {
        (0..self.slice.tasks.len()).any(|task| state.status(task) == status::UNDO_FAILED)
            || (0..self.slice.tasks.len()).any(|at| {
                let task = &self.slice.tasks[at];
                let acts = task.section == crate::plan::Section::Rollback && task.undoes.is_none() && task.sets != (0, 0);
                acts && state.status(at) == status::LOST
            })
    }

    fn holds(&self, condition: &Condition, state: &State<W>) -> bool {
        condition.holds(state.world, self.is_past(state))
    }

    /// Whether a point of no return was touched.
    pub fn is_past(&self, state: &State<W>) -> bool {
        self.slice.tasks.iter().enumerate().any(|(at, task)| {
            task.no_return
                && task.section == crate::plan::Section::Forward
                && matches!(state.status(at), status::DONE | status::TOUCHED)
        })
    }

    fn trace(&self, last: usize, extra: Option<Step>) -> Trace {
        let (mut steps, mut worlds) = (Vec::new(), Vec::new());
        let mut at = last;
        while at != 0 {
            let (parent, step) = self.parents[at];
            steps.push(step);
            worlds.push(self.states[at].world);
            at = parent as usize;
        }
        steps.reverse();
        worlds.reverse();
        if let Some(step) = extra {
            steps.push(step);
            worlds.push(self.states[last].world);
        }
        Trace { steps, worlds, stage: self.states[last].stage() }
    }
}
