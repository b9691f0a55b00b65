//! The steps of a night as rows: the items of a `foreach` folded into their group, the critical path marked, the front line kept
//! in sight.

use std::collections::{BTreeSet, HashMap};

use crate::model::Timestamp;
use crate::plan::{Plan, StepIndex};
use crate::run::{Instance, State, StepStatus};
use crate::views::live::{counted, fit, folded};
use crate::views::steps::{self, Widths};
use crate::views::{Line, Tone};

/// How many items of one group stand in rows of their own while they are worth it.
const LOUD_ITEMS: usize = 4;

/// The steps that decide how long the night takes.
pub fn critical(plan: &Plan) -> BTreeSet<StepIndex> {
    plan.critical_path().steps.into_iter().collect()
}

/// At most `room` rows around what is going on.
pub fn front(state: &State, path: &BTreeSet<StepIndex>, now: Timestamp, columns: usize, room: usize) -> Vec<Line> {
    let all = shown(state);
    let (first, count) = fit(state, &all, room);
    let widths = Widths::of(state, &all).steady().within(columns);
    let mut lines: Vec<Line> = folded(state, &all[..first]).into_iter().collect();
    lines.extend(all[first..first + count].iter().map(|i| row(state, path, *i, now, widths)));
    lines.extend(folded(state, &all[first + count..]));
    lines.truncate(room);
    lines
}

/// Every row, with the titles of the sections, and the place of the row that the eye wants first.
pub fn all(state: &State, path: &BTreeSet<StepIndex>, now: Timestamp, columns: usize) -> (Vec<Line>, usize) {
    let all = shown(state);
    let widths = Widths::of(state, &all).steady().within(columns);
    let (front, _) = fit(state, &all, 3);
    let front = all.get(front).copied();
    let mut lines = Vec::new();
    let mut place = 0;
    let shown: BTreeSet<Instance> = all.into_iter().collect();
    for (section, title) in steps::sections(state) {
        lines.push(Line::toned(Tone::Strong, title));
        for i in steps::of_section(state, section).into_iter().filter(|i| shown.contains(i)) {
            if front == Some(i) {
                place = lines.len();
            }
            lines.push(row(state, path, i, now, widths));
        }
    }
    (lines, place)
}

/// The instances that get a row: all but the quiet items of groups.
fn shown(state: &State) -> Vec<Instance> {
    let mut loud: HashMap<Instance, usize> = HashMap::new();
    let mut all: Vec<Instance> =
        steps::sections(state).iter().flat_map(|(section, _)| steps::of_section(state, *section)).collect();
    all.retain(|i| match state.group(*i) {
        None => true,
        Some(group) if is_loud(state.step(*i).status) => {
            let count = loud.entry(group).or_default();
            *count += 1;
            *count <= LOUD_ITEMS
        }
        Some(_) => false,
    });
    all
}

/// Whether an item of a group is worth a row of its own.
const fn is_loud(status: StepStatus) -> bool {
    match status {
        StepStatus::Running
        | StepStatus::BackingOff
        | StepStatus::AwaitingPeople
        | StepStatus::AwaitingConfirm
        | StepStatus::Held
        | StepStatus::InDoubt
        | StepStatus::Failed
        | StepStatus::Rejected
        | StepStatus::Undoing
        | StepStatus::UndoFailed
        | StepStatus::UndoInDoubt => true,
        StepStatus::Pending
        | StepStatus::AwaitingTime
        | StepStatus::Ready
        | StepStatus::Succeeded
        | StepStatus::Skipped
        | StepStatus::NotReached
        | StepStatus::AwaitingUndo
        | StepStatus::Undone => false,
    }
}

fn row(state: &State, path: &BTreeSet<StepIndex>, i: Instance, now: Timestamp, widths: Widths) -> Line {
    let mark = if path.contains(&StepIndex::new(i.get())) { Line::toned(Tone::Faint, "* ") } else { Line::plain("  ") };
    let line = widths.marked(state, i, now, mark);
    let items = items(state, i);
    if items.is_empty() {
        return line;
    }
    let counts = counted(state, &items);
    let of = if counts.contains(", ") { format!(" of {}", items.len()) } else { String::new() };
    line.and(Tone::Faint, format!("{counts}{of}"))
}

/// The items of a group: made at run time, or written into the plan.
fn items(state: &State, i: Instance) -> Vec<Instance> {
    let spawned = state.children(i);
    if !spawned.is_empty() || !steps::is_group(state, i) {
        return spawned.to_vec();
    }
    state.planned(i).needs.iter().map(|need| Instance::of(*need)).filter(|item| state.group(*item) == Some(i)).collect()
}
