//! The end of a run: how it ended, how long each step took, and what is left to do with the exact commands.

use super::event::{self, outcome_tone};
use super::status::awaited;
use super::steps::{self, Widths};
use super::{Invocation, Line, Tone, clock, rehearsed};
use crate::model::{RunOutcome, Timestamp};
use crate::plan::{PlannedUndo, Section};
use crate::run::{Instance, Phase, State, StepStatus};

/// The summary of a run that has ended.
pub fn text(state: &State, now: Timestamp, how: &Invocation) -> Vec<Line> {
    let Phase::Ended(outcome) = state.phase() else { return Vec::new() };
    let mut lines = vec![Line::new(), verdict(state, outcome)];
    let shown: Vec<Instance> =
        steps::sections(state).iter().flat_map(|(section, _)| steps::of_section(state, *section)).collect();
    let widths = Widths::of(state, &shown);
    lines.extend(shown.into_iter().map(|i| widths.row(state, i, now)));
    lines.extend(awaited(state, now, how));
    lines.extend(glass(state));
    lines.extend(stuck(state, outcome));
    lines.extend(then(state, outcome, how));
    lines
}

fn verdict(state: &State, outcome: RunOutcome) -> Line {
    let took =
        state.started().zip(state.ended()).map_or_else(String::new, |(a, b)| format!(" after {}", clock::length(b.since(a))));
    let run = state.run().map_or("", |run| run.as_str());
    let line = Line::toned(Tone::Strong, run).and(Tone::Plain, "  ").and(outcome_tone(outcome), format!("{outcome}{took}"));
    let line = rehearsed::mark(state.plan()).into_iter().fold(line, |line, mark| line.and(Tone::Wait, format!(" ({mark})")));
    match (outcome, state.cause()) {
        (RunOutcome::Succeeded, _) | (_, None) => line,
        (_, Some(cause)) => line.and(Tone::Plain, format!(": {}", event::cause(cause))),
    }
}

/// Gates that were opened without their quorum.
fn glass(state: &State) -> Vec<Line> {
    let opened = state.instances().filter(|i| state.outputs(*i)["break_glass"] == true);
    let lines = opened.map(|i| {
        let by = state.outputs(i)["approved_by"].as_array().into_iter().flatten().filter_map(|name| name.as_str());
        let by: Vec<&str> = by.collect();
        let text = format!("glass broken at {} by {}: opened without its quorum", state.id(i), by.join(" and "));
        Line::plain("  ").and(Tone::Glass, text)
    });
    let lines: Vec<Line> = lines.collect();
    if lines.is_empty() { lines } else { std::iter::once(Line::new()).chain(lines).collect() }
}

/// The lines of [`still_in_place`].
fn stuck(state: &State, outcome: RunOutcome) -> Vec<Line> {
    let stays = still_in_place(state, outcome);
    let mut lines: Vec<Line> = Vec::new();
    if !stays.is_empty() {
        lines.push(Line::new());
        lines.push(Line::toned(Tone::Strong, "still in place"));
    }
    lines.extend(
        stays
            .into_iter()
            .map(|(i, why)| Line::plain("  ").and(Tone::Bad, state.id(i).as_str()).and(Tone::Plain, format!("  {why}"))),
    );
    lines
}

/// Effects that stay although the run did not succeed, and why.
pub fn still_in_place(state: &State, outcome: RunOutcome) -> Vec<(Instance, String)> {
    if matches!(outcome, RunOutcome::Succeeded) {
        return Vec::new();
    }
    let touched = state.instances().filter(|i| state.planned(*i).section == Section::Forward && state.step(*i).touched);
    let stays = touched.filter_map(|i| match &state.planned(i).undo {
        PlannedUndo::Impossible { why } => Some((i, format!("cannot be undone: {why}"))),
        PlannedUndo::Auto | PlannedUndo::Action { .. } if is_silent(state.step(i).status) => {
            Some((i, "was not undone".to_owned()))
        }
        PlannedUndo::NotNeeded | PlannedUndo::Nothing { .. } | PlannedUndo::Auto | PlannedUndo::Action { .. } => None,
    });
    stays.collect()
}

/// Whether a step with an effect is neither undone nor among the questions already.
const fn is_silent(status: StepStatus) -> bool {
    !matches!(status, StepStatus::Undone | StepStatus::UndoFailed | StepStatus::UndoInDoubt)
}

/// What can be typed next.
fn then(state: &State, outcome: RunOutcome, how: &Invocation) -> Vec<Line> {
    let Some(run) = state.run() else { return Vec::new() };
    let mut shown = Vec::new();
    match outcome {
        RunOutcome::Aborted | RunOutcome::NeedsAttention => {
            let command = format!("{} --reason WHY", how.on_run("rollback", run));
            shown.push((command, "take it up again and undo what is still in place"));
        }
        RunOutcome::Succeeded | RunOutcome::RolledBack => {}
    }
    shown.push((how.on_run("audit verify", run), "prove that the record holds"));
    let width = shown.iter().map(|(command, _)| crate::views::width::of(command)).max().unwrap_or(0);
    let mut lines = vec![Line::new()];
    lines.extend(
        shown.into_iter().map(|(command, what)| Line::plain("  ").cell(Tone::Strong, width, command).and(Tone::Faint, what)),
    );
    lines
}
