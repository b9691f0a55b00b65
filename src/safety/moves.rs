//! What can happen next in a state: the rules by which steps start, end, are lost and undone, and the run turns.

use super::search::{End, Search, Stage, State, Step, status};
use super::task::{Passing, Task};
use super::unit::WayBack;
use crate::plan::Section;

/// What a task did, or the run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Move {
    /// Nothing yet.
    Begins,
    /// The task starts; told where that alone breaks a rule.
    Starts,
    Succeeds,
    SucceedsEmpty,
    /// It is begun and does not succeed, and its effect is there.
    FailsAfter,
    /// It is begun and does not succeed, and its effect is not there.
    FailsBefore,
    PassedOver,
    /// It fails, and the run goes on without what comes after it.
    Lost,
    LostAfter,
    TurnsBack,
    Aborted,
    Finishes,
    UndoBegins,
    Undone,
    UndoFailsAfter,
    UndoFailsBefore,
    UndoTriedAgain,
    BranchDone,
    BranchLost,
    BackEnds,
    Ends,
    TakenUp,
}

/// Sets of tasks by where they stand.
struct Standing {
    satisfied: u64,
    lost: u64,
}

impl<const W: usize> Search<'_, W> {
    pub fn successors(&mut self, state: &State<W>) {
        let slice = self.slice;
        let standing = self.standing(state);
        match state.stage() {
            Stage::Forward => {
                for &task in slice.of(Section::Forward) {
                    self.attempt(state, task, &standing);
                }
                self.leave_forward(state);
            }
            Stage::Back => {
                for &task in slice.of(Section::Rollback) {
                    if slice.tasks[task].undoes.is_some() {
                        self.undo_step(state, task, &standing);
                    } else {
                        self.attempt(state, task, &standing);
                    }
                }
                self.retry_undos(state);
                self.leave_back(state, &standing);
                self.end_with(*state, End::Aborted, Move::Aborted);
            }
            Stage::Finally => {
                for &task in slice.of(Section::Finally) {
                    self.attempt(state, task, &standing);
                }
                let over = slice.of(Section::Finally).iter().all(|task| is_over(state.status(*task)));
                if over {
                    let mut next = *state;
                    next.set_stage(Stage::Ended, state.end());
                    self.reach(next, plain(Move::Ends));
                }
            }
            Stage::Ended => self.take_up(state),
        }
    }

    fn standing(&self, state: &State<W>) -> Standing {
        let mut standing = Standing { satisfied: 0, lost: 0 };
        for task in 0..self.slice.tasks.len() {
            match state.status(task) {
                status::DONE | status::SKIPPED => standing.satisfied |= 1 << task,
                status::LOST => standing.lost |= 1 << task,
                _ => {}
            }
        }
        standing
    }

    /// Everything that the next attempt of a task can come to.
    fn attempt(&mut self, state: &State<W>, at: usize, standing: &Standing) {
        let slice = self.slice;
        let task = &slice.tasks[at];
        let before = state.status(at);
        if !matches!(before, status::PENDING | status::TOUCHED) || task.needs & !standing.satisfied != 0 {
            return;
        }
        let mut state = *state;
        if before == status::PENDING {
            for (wanted, next) in passing(task.skip, &state) {
                match wanted {
                    true => state = next,
                    false => self.becomes(next, at, status::SKIPPED, Move::PassedOver),
                }
            }
            if task.skip == Passing::Always || known_false(task.skip, &state) {
                return;
            }
            if task.may_be_empty {
                self.becomes(state, at, status::DONE, Move::SucceedsEmpty);
            }
            if task.section == Section::Forward {
                self.starts(&state, at);
            }
            self.save(&mut state, at);
        }
        let mut changed = state;
        changed.world = self.applied(state.world, task.sets);
        if state.world & task.asks == task.asks {
            self.becomes(changed, at, status::DONE, Move::Succeeds);
        }
        let goes_on = task.may_be_lost || task.section == Section::Finally;
        if goes_on {
            self.lose(state, at, Move::Lost);
        }
        if !task.mutating {
            return;
        }
        if goes_on && task.section != Section::Forward {
            self.lose(changed, at, Move::LostAfter);
        }
        if task.section != Section::Finally {
            self.becomes(changed, at, status::TOUCHED, Move::FailsAfter);
            self.becomes(state, at, status::TOUCHED, Move::FailsBefore);
        }
    }

    fn becomes(&mut self, mut state: State<W>, at: usize, status: u8, what: Move) {
        state.set_status(at, status);
        self.reach(state, step(at, what));
    }

    /// A task is over without success, and so is what needs it.
    fn lose(&mut self, mut state: State<W>, at: usize, what: Move) {
        state.set_status(at, status::LOST);
        let mut lost = self.standing(&state).lost;
        for other in at + 1..self.slice.tasks.len() {
            if self.slice.tasks[other].needs & lost != 0 && state.status(other) == status::PENDING {
                state.set_status(other, status::LOST);
                lost |= 1 << other;
            }
        }
        self.reach(state, step(at, what));
    }

    /// Keeps the values of before for the undo.
    fn save(&self, state: &mut State<W>, at: usize) {
        let mut byte = state.byte(at) & 7;
        for (place, var) in self.slice.tasks[at].saves.iter().enumerate() {
            byte |= u8::from(state.world & (1 << var) != 0) << (3 + place);
        }
        state.set_byte(at, byte);
    }

    /// The world after these variables became true and those false, with all that follows.
    fn applied(&self, world: u64, (set, clear): (u64, u64)) -> u64 {
        let mut world = (world | set) & !clear;
        if let Some((set, unset, written)) = self.slice.takes
            && world & set == set
            && world & unset == 0
        {
            world |= written;
        }
        for (proof, set, unset) in &self.slice.keeps {
            if world & set != *set || world & unset != 0 {
                world &= !proof;
            }
        }
        world
    }

    fn leave_forward(&mut self, state: &State<W>) {
        let over = self.slice.of(Section::Forward).iter().all(|task| is_over(state.status(*task)));
        if over {
            let mut next = self.turned(state);
            for &task in self.slice.of(Section::Forward) {
                if !self.slice.tasks[task].no_return {
                    next.set_byte(task, status::PENDING);
                }
            }
            self.end_with(next, End::Succeeded, Move::Finishes);
        }
        if !self.is_past(state) {
            let mut next = self.turned(state);
            next.set_stage(Stage::Back, End::Succeeded);
            self.reach(next, plain(Move::TurnsBack));
        }
        self.end_with(self.turned(state), End::Aborted, Move::Aborted);
    }

    /// The state as far as it matters once the run goes forward no more: what is owed to the way back, and whether a point of no
    /// return was touched.
    fn turned(&self, state: &State<W>) -> State<W> {
        let mut turned = *state;
        for &at in self.slice.of(Section::Forward) {
            let task = &self.slice.tasks[at];
            let was_touched = matches!(state.status(at), status::DONE | status::TOUCHED);
            if was_touched && (task.undo != WayBack::None || task.no_return) {
                turned.set_status(at, status::DONE);
            } else {
                turned.set_byte(at, status::PENDING);
            }
        }
        turned
    }

    /// `finally` begins; without any, the run is over.
    fn end_with(&mut self, mut state: State<W>, end: End, what: Move) {
        let has_last = self.slice.tasks.iter().any(|task| task.section == Section::Finally);
        state.set_stage(if has_last { Stage::Finally } else { Stage::Ended }, end);
        self.reach(state, plain(what));
    }

    /// What is still to be undone in the scope of an undo step.
    fn left(&self, state: &State<W>, at: usize) -> u64 {
        let scope = self.slice.tasks[at].undoes.unwrap_or(0);
        let forward = self.slice.of(Section::Forward).iter();
        forward.filter(|task| scope & (1 << **task) != 0 && self.owes(state, **task)).fold(0, |all, at| all | 1 << at)
    }

    fn owes(&self, state: &State<W>, at: usize) -> bool {
        self.slice.tasks[at].undo == WayBack::Undone
            && matches!(state.status(at), status::DONE | status::TOUCHED | status::UNDO_FAILED)
    }

    fn undo_step(&mut self, state: &State<W>, at: usize, standing: &Standing) {
        match state.status(at) {
            status::PENDING if self.slice.tasks[at].needs & !standing.satisfied == 0 => {
                for (wanted, next) in passing(self.slice.tasks[at].skip, state) {
                    match wanted {
                        true => self.becomes(next, at, status::RUNNING, Move::UndoBegins),
                        false => self.becomes(next, at, status::SKIPPED, Move::PassedOver),
                    }
                }
            }
            status::RUNNING => {
                let left = self.left(state, at);
                if left == 0 {
                    return self.becomes(*state, at, status::DONE, Move::BranchDone);
                }
                let mut is_stuck = true;
                for task in (0..self.slice.tasks.len()).filter(|task| left & (1 << task) != 0) {
                    if self.slice.tasks[task].later & left == 0 && state.status(task) != status::UNDO_FAILED {
                        is_stuck = false;
                        self.undo(state, task);
                    }
                }
                if is_stuck && self.slice.tasks[at].may_be_lost {
                    self.lose(*state, at, Move::BranchLost);
                }
            }
            _ => {}
        }
    }

    fn undo(&mut self, state: &State<W>, at: usize) {
        let slice = self.slice;
        let task: &Task = &slice.tasks[at];
        let mut undone = *state;
        let (set, clear) = task.undo_sets.unwrap_or_else(|| {
            let saved = task.saves.iter().enumerate().fold((0, task.proofs), |(set, clear), (place, var)| {
                if state.byte(at) & (1 << (3 + place)) != 0 { (set | 1 << var, clear) } else { (set, clear | 1 << var) }
            });
            let kept = (task.sets.0 | task.sets.1) & !task.proofs & !task.saves.iter().fold(0, |all, var| all | 1 << var);
            (saved.0 | slice.initial & kept, saved.1 | !slice.initial & kept)
        });
        undone.world = self.applied(state.world, (set, clear));
        let failed = undone;
        // Nothing of it is left, and nobody needs the values of before any more.
        undone.set_byte(at, status::PENDING);
        self.reach(undone, step(at, Move::Undone));
        self.becomes(failed, at, status::UNDO_FAILED, Move::UndoFailsAfter);
        self.becomes(*state, at, status::UNDO_FAILED, Move::UndoFailsBefore);
    }

    /// A person has an undo that failed tried again.
    fn retry_undos(&mut self, state: &State<W>) {
        let slice = self.slice;
        for &task in slice.of(Section::Forward) {
            if state.status(task) == status::UNDO_FAILED {
                self.becomes(*state, task, status::DONE, Move::UndoTriedAgain);
            }
        }
    }

    fn leave_back(&mut self, state: &State<W>, standing: &Standing) {
        let slice = self.slice;
        if !slice.of(Section::Rollback).iter().all(|task| is_over(state.status(*task))) {
            return;
        }
        let stuck = |task: usize| {
            slice.tasks[task].undo == WayBack::Impossible && matches!(state.status(task), status::DONE | status::TOUCHED)
        };
        let whole = slice.of(Section::Forward).iter().all(|task| !self.owes(state, *task) && !stuck(*task))
            && slice.of(Section::Rollback).iter().all(|task| standing.satisfied & (1 << task) != 0);
        self.end_with(*state, if whole { End::RolledBack } else { End::NeedsAttention }, Move::BackEnds);
    }

    /// A person takes up a run that ended with something left to do.
    fn take_up(&mut self, state: &State<W>) {
        if !matches!(state.end(), End::NeedsAttention | End::Aborted) || self.is_past(state) {
            return;
        }
        let mut next = *state;
        for (at, task) in self.slice.tasks.iter().enumerate() {
            let again = match task.section {
                Section::Forward => {
                    if state.status(at) == status::UNDO_FAILED {
                        next.set_status(at, status::DONE);
                    }
                    false
                }
                Section::Rollback => task.undoes.is_some() || !matches!(state.status(at), status::DONE | status::SKIPPED),
                Section::Finally => true,
            };
            if again {
                next.set_byte(at, status::PENDING);
            }
        }
        next.set_stage(Stage::Back, End::Succeeded);
        self.reach(next, plain(Move::TakenUp));
    }
}

fn step(at: usize, what: Move) -> Step {
    Step { task: u8::try_from(at).unwrap_or(u8::MAX), what }
}

fn plain(what: Move) -> Step {
    Step { task: u8::MAX, what }
}

fn is_over(status: u8) -> bool {
    matches!(status, status::DONE | status::SKIPPED | status::LOST)
}

/// Whether the task is wanted: the states in which that is known, with what is known then.
fn passing<const W: usize>(skip: Passing, state: &State<W>) -> Vec<(bool, State<W>)> {
    match skip {
        Passing::Never => vec![(true, *state)],
        Passing::Always => vec![(false, *state)],
        Passing::Sometimes => vec![(false, *state), (true, *state)],
        Passing::Together(number) => {
            let known = |value: u32| {
                let mut next = *state;
                next.set_text(number, value);
                next
            };
            match state.text(number) {
                0 => vec![(false, known(2)), (true, known(1))],
                1 => vec![(true, *state)],
                _ => vec![(false, *state)],
            }
        }
    }
}

fn known_false<const W: usize>(skip: Passing, state: &State<W>) -> bool {
    matches!(skip, Passing::Together(number) if state.text(number) == 2)
}
