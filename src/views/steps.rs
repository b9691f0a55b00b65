//! One step → one row: id, status, how long, and what is worth a word. Status, live view and summary share it.

use super::{Line, Tone, clock};
use crate::model::Timestamp;
use crate::plan::{Section, StepKind};
use crate::run::{Instance, Phase, State, StepStatus};

/// The widths of the columns of one table of steps.
#[derive(Clone, Copy, Debug)]
pub struct Widths {
    id: usize,
    status: usize,
}

/// The widest id that gets a column of its own.
const WIDEST_ID: usize = 32;

impl Widths {
    /// Columns for these instances.
    pub fn of(state: &State, instances: &[Instance]) -> Self {
        let id = |i: &Instance| crate::views::width::of(state.id(*i).as_str()) + indent(state, *i).len();
        Self {
            id: instances.iter().map(id).max().unwrap_or(0).clamp(4, WIDEST_ID),
            status: instances.iter().map(|i| word(state, *i).len()).max().unwrap_or(0).max(9),
        }
    }

    /// Columns that stay where they are while statuses change.
    #[must_use]
    pub fn steady(self) -> Self {
        Self { status: self.status.max(StepStatus::AwaitingPeople.word().len()), ..self }
    }

    /// Columns for a view of this many characters: ids give way before notes do.
    #[must_use]
    pub fn within(self, columns: usize) -> Self {
        Self { id: self.id.min((columns / 3).max(8)), ..self }
    }

    /// The row of one step.
    pub fn row(&self, state: &State, i: Instance, now: Timestamp) -> Line {
        self.marked(state, i, now, Line::plain("  "))
    }

    /// The row of one step behind a mark of two characters.
    pub fn marked(&self, state: &State, i: Instance, now: Timestamp, mark: Line) -> Line {
        let status = state.step(i).status;
        let name = format!("{}{}", indent(state, i), state.id(i));
        let name_tone = if is_past(status) { Tone::Faint } else { Tone::Plain };
        mark.cell(name_tone, self.id, name)
            .cell(tone(status), self.status, word(state, i))
            .cell(Tone::Faint, 6, format!("{:>6}", took(state, i, now)))
            .and(note_tone(status), note(state, i, now))
    }
}

/// The tone of a status. What never came is grey, not red.
pub const fn tone(status: StepStatus) -> Tone {
    match status {
        StepStatus::Pending | StepStatus::NotReached | StepStatus::Skipped => Tone::Faint,
        StepStatus::Ready | StepStatus::Running | StepStatus::Undoing | StepStatus::AwaitingUndo => Tone::Active,
        StepStatus::AwaitingPeople | StepStatus::AwaitingTime | StepStatus::BackingOff | StepStatus::AwaitingConfirm => {
            Tone::Wait
        }
        StepStatus::InDoubt | StepStatus::Held | StepStatus::UndoInDoubt | StepStatus::UndoFailed => Tone::Bad,
        StepStatus::Failed | StepStatus::Rejected => Tone::Bad,
        StepStatus::Succeeded | StepStatus::Undone => Tone::Good,
    }
}

/// The instances of one section, items after the group that made them.
pub fn of_section(state: &State, section: Section) -> Vec<Instance> {
    let mut found = Vec::new();
    for index in state.plan().section(section) {
        let i = Instance::of(index);
        found.push(i);
        found.extend_from_slice(state.children(i));
    }
    found
}

/// The sections that are worth showing: the way back only once the run is on it.
pub fn sections(state: &State) -> Vec<(Section, &'static str)> {
    let turned = state.cause().is_some();
    let mut shown = vec![(Section::Forward, "steps")];
    if turned {
        shown.push((Section::Rollback, "rollback"));
    }
    shown.push((Section::Finally, "finally"));
    shown.retain(|(section, _)| state.plan().section(*section).next().is_some());
    shown
}

/// Whether a step is a row that only stands for others.
pub fn is_group(state: &State, i: Instance) -> bool {
    i.get() < state.plan().steps().len() && !matches!(state.planned(i).kind, StepKind::Action)
}

const fn is_past(status: StepStatus) -> bool {
    matches!(status, StepStatus::Pending | StepStatus::NotReached | StepStatus::Skipped)
}

const fn note_tone(status: StepStatus) -> Tone {
    match tone(status) {
        Tone::Bad => Tone::Bad,
        Tone::Glass => Tone::Glass,
        Tone::Wait => Tone::Wait,
        Tone::Plain | Tone::Strong | Tone::Faint | Tone::Good | Tone::Active => Tone::Faint,
    }
}

fn indent(state: &State, i: Instance) -> &'static str {
    if state.group(i).is_some() { "  " } else { "" }
}

/// The word for the status of one step.
pub(super) fn word(state: &State, i: Instance) -> &'static str {
    match state.step(i).status {
        StepStatus::InDoubt if !state.step(i).probed && state.planned(i).has_probe => "in doubt, looking",
        status => status.word(),
    }
}

/// How long it took, or has been going on.
fn took(state: &State, i: Instance, now: Timestamp) -> String {
    let step = state.step(i);
    match (step.started, step.ended) {
        (Some(started), Some(ended)) => clock::length(ended.since(started)),
        (Some(started), None) if !matches!(state.phase(), Phase::Ended(_)) => clock::length(now.since(started)),
        (Some(_) | None, _) => String::new(),
    }
}

/// What is worth a word about this step now.
fn note(state: &State, i: Instance, now: Timestamp) -> String {
    let step = state.step(i);
    let mut parts = said(state, i);
    if let (Some(until), false) = (awaited_moment(state, i), step.detail.as_deref().is_some_and(|d| d.overdue)) {
        parts.push(clock::until(until, now));
    }
    parts.join(", ")
}

/// The moment that a step waits for; what is under way waits for none.
pub(super) fn awaited_moment(state: &State, i: Instance) -> Option<Timestamp> {
    let step = state.step(i);
    let waits = matches!(step.status, StepStatus::AwaitingPeople | StepStatus::AwaitingTime | StepStatus::BackingOff);
    step.until.filter(|_| waits)
}

/// What is worth a word about this step, apart from times.
pub(super) fn said(state: &State, i: Instance) -> Vec<String> {
    let step = state.step(i);
    let detail = step.detail.as_deref();
    let mut parts = Vec::new();
    if step.attempt > 1 {
        let most = state.planned(i).retry.max_attempts;
        let of = if step.attempt <= most { format!(" of {most}") } else { String::new() };
        parts.push(format!("attempt {}{of}", step.attempt));
    }
    match step.status {
        StepStatus::AwaitingPeople if detail.is_some_and(|d| d.overdue) => parts.push("the deadline passed".to_owned()),
        StepStatus::Running => parts.extend(detail.and_then(|d| d.progress.clone())),
        StepStatus::Failed
        | StepStatus::Rejected
        | StepStatus::InDoubt
        | StepStatus::Held
        | StepStatus::Skipped
        | StepStatus::UndoInDoubt
        | StepStatus::UndoFailed => parts.extend(step.error().map(str::to_owned)),
        StepStatus::Pending
        | StepStatus::AwaitingPeople
        | StepStatus::AwaitingTime
        | StepStatus::BackingOff
        | StepStatus::Ready
        | StepStatus::AwaitingConfirm
        | StepStatus::Succeeded
        | StepStatus::NotReached
        | StepStatus::AwaitingUndo
        | StepStatus::Undoing
        | StepStatus::Undone => {}
    }
    if state.planned(i).point_of_no_return.is_some() && step.status == StepStatus::Pending {
        parts.push("point of no return".to_owned());
    }
    parts
}
