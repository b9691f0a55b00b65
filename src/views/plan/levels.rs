//! Which steps stand side by side: a step stands one level behind the last of those it needs. The items of a group stand
//! with their group.

use crate::plan::{Plan, Section, StepIndex};

/// The steps of one section by level; items of groups are left out.
pub(super) fn levels(plan: &Plan, section: Section) -> Vec<Vec<StepIndex>> {
    let mut level_of = vec![0_usize; plan.steps().len()];
    let mut levels: Vec<Vec<StepIndex>> = Vec::new();
    for at in plan.section(section) {
        let step = plan.step(at);
        let level = |need: &StepIndex| {
            // A group starts with its items and not behind them.
            let own_item = plan.step(*need).group == Some(at);
            level_of[need.get()] + usize::from(!own_item)
        };
        let found = step.needs.iter().map(level).max().unwrap_or(0);
        level_of[at.get()] = found;
        if step.group.is_none() {
            if levels.len() <= found {
                levels.resize(found + 1, Vec::new());
            }
            levels[found].push(at);
        }
    }
    levels
}

/// What a step waits for, as a person would say it: the items of a group wait for what the group waits for.
pub(in crate::views) fn waits_for(plan: &Plan, at: StepIndex) -> Vec<StepIndex> {
    let own_item = plan.step(at).needs.iter().find(|need| plan.step(**need).group == Some(at));
    match own_item {
        Some(item) => plan.step(*item).needs.clone(),
        None => plan.step(at).needs.clone(),
    }
}

/// The items of a group, in order.
pub(in crate::views) fn items(plan: &Plan, group: StepIndex) -> Vec<StepIndex> {
    plan.step(group).needs.iter().copied().filter(|need| plan.step(*need).group == Some(group)).collect()
}
