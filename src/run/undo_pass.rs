//! One pass of undoing: reverse topological order, only what happened, as parallel as the order allows.
//!
//! A step is *clear* when nothing of it is left at its target and every step that needed it is clear. Clearing walks
//! backwards along the needs; each arrow is walked once, so a pass costs what the graph costs.

use std::collections::{BTreeSet, HashMap};

use super::StepStatus;
use super::state::{Instance, State};
use crate::plan::{PlannedUndo, Section, StepKind, UndoScope};

/// The progress of one undo step of the way back.
#[derive(Clone, Debug, Default)]
pub(super) struct UndoPass {
    /// Per step: how many dependents (and, for a group, items) are not clear.
    waiting: HashMap<Instance, u32>,
    /// What may be undone now.
    pub ready: BTreeSet<Instance>,
    /// What has to be undone and is not yet.
    pub left: BTreeSet<Instance>,
    cleared: BTreeSet<Instance>,
}

impl State {
    /// What a step owes the way back, if anything.
    pub(super) fn owes_undo(&self, instance: Instance) -> bool {
        let step = self.step(instance);
        let owed = match self.planned(instance).undo {
            PlannedUndo::Auto | PlannedUndo::Action { .. } => true,
            PlannedUndo::NotNeeded | PlannedUndo::Nothing { .. } | PlannedUndo::Impossible { .. } => false,
        };
        owed && step.touched && step.status != StepStatus::Undone
    }

    /// Whether an undo step with this scope speaks of a step.
    pub(super) fn is_in(&self, scope: &UndoScope, instance: Instance) -> bool {
        match scope {
            UndoScope::Everything => true,
            UndoScope::Steps(steps) => {
                let named = |i: Instance| steps.iter().any(|s| Instance::of(*s) == i);
                named(instance) || self.group(instance).is_some_and(named)
            }
        }
    }

    /// A pass over `scope`, with everything walked that is clear already.
    pub(super) fn new_pass(&self, scope: &UndoScope) -> UndoPass {
        let mut pass = UndoPass::default();
        let mut free = Vec::new();
        for instance in self.instances().filter(|i| self.planned(*i).section == Section::Forward) {
            let waits = if self.is_spawned(instance) { 1 } else { self.plan.dependents(self.def(instance)).len() };
            if self.is_in(scope, instance) && self.owes_undo(instance) {
                pass.left.insert(instance);
            }
            if waits == 0 {
                free.push(instance);
            } else {
                pass.waiting.insert(instance, u32::try_from(waits).expect("invariant: dependents are fewer than steps"));
            }
        }
        for instance in free {
            self.visit(&mut pass, instance);
        }
        pass
    }

    /// Walks on from a step that is clear now.
    pub(super) fn clear_in(&self, pass: &mut UndoPass, instance: Instance) {
        pass.left.remove(&instance);
        pass.ready.remove(&instance);
        let mut stack = vec![instance];
        while let Some(clear) = stack.pop() {
            if !pass.cleared.insert(clear) {
                continue;
            }
            for before in self.before(clear) {
                let Some(waits) = pass.waiting.get_mut(&before) else { continue };
                *waits -= 1;
                if *waits == 0 {
                    pass.waiting.remove(&before);
                    self.enter(pass, before, &mut stack);
                }
            }
        }
    }

    fn visit(&self, pass: &mut UndoPass, instance: Instance) {
        let mut stack = Vec::new();
        self.enter(pass, instance, &mut stack);
        while let Some(clear) = stack.pop() {
            self.clear_in(pass, clear);
        }
    }

    /// All dependents of `instance` are clear: it may be undone, or it is clear itself.
    fn enter(&self, pass: &mut UndoPass, instance: Instance, clear: &mut Vec<Instance>) {
        let items = self.children(instance);
        if matches!(self.planned(instance).kind, StepKind::Spread { .. }) && !self.is_spawned(instance) && !items.is_empty() {
            if !pass.waiting.contains_key(&items[0]) && items.iter().all(|item| pass.cleared.contains(item)) {
                clear.push(instance);
                return;
            }
            pass.waiting.insert(instance, u32::try_from(items.len()).expect("invariant: items are fewer than steps"));
            for item in items {
                pass.waiting.remove(item);
                if pass.left.contains(item) {
                    pass.ready.insert(*item);
                } else {
                    clear.push(*item);
                }
            }
        } else if pass.left.contains(&instance) {
            pass.ready.insert(instance);
        } else {
            clear.push(instance);
        }
    }

    /// What a clear step makes one step nearer to clear.
    fn before(&self, clear: Instance) -> Vec<Instance> {
        if self.is_spawned(clear) {
            self.group(clear).into_iter().collect()
        } else {
            self.planned(clear).needs.iter().map(|need| Instance::of(*need)).collect()
        }
    }
}
