//! The parts of a screen: what is asked, what is known, what was proven, the log.

use super::frame::Night;
use super::screen::Role;
use crate::run::Phase;
use crate::views::status::{awaited, next};
use crate::views::{Invocation, Line, Tone, clock};

/// What is asked of whom, with the orders as they are typed here, each line within `columns`.
pub fn asked(night: &Night<'_>, role: Role, columns: usize) -> Vec<Line> {
    let how = match role {
        Role::Driving | Role::Watching => Invocation::in_view(),
        // Nothing can be typed in a replay: the commands stand as they were typed then.
        Role::Replaying => Invocation::default(),
    };
    let mut lines = awaited(night.state, night.now, &how);
    let mut left = next(night.state, night.life, night.how);
    if lines.first().is_some_and(|line| line.text().is_empty()) {
        lines.remove(0);
    }
    if left.first().is_some_and(|line| line.text().is_empty()) {
        left.remove(0);
    }
    lines.extend(left);
    lines.iter().flat_map(|line| line.wrapped(columns)).collect()
}

/// Every fact that the plan has rules about, one a line, with the age of what was proven.
pub fn facts(night: &Night<'_>) -> Vec<Line> {
    let facts = night.state.facts().into_iter().filter(|fact| !fact.text.is_empty());
    let lines = facts.map(|fact| {
        let tone = if fact.value.is_some() { Tone::Plain } else { Tone::Wait };
        let line = Line::plain("  ").and(tone, fact.text);
        match fact.since {
            Some(since) => line.and(Tone::Faint, format!("  proven {} ago", clock::coarse(night.now.since(since)))),
            None => line,
        }
    });
    lines.collect()
}

/// What the journal says of the world, in as few lines as it takes: who takes writes, where users are, and what holds or is not
/// known. What says something only once it is true is left out before.
pub fn known(night: &Night<'_>, columns: usize) -> Vec<Line> {
    let facts = night
        .state
        .facts()
        .into_iter()
        .filter(|fact| fact.value != Some(false) || fact.fact == "route" || fact.fact.starts_with("writes("));
    let facts = facts.map(|fact| (fact.text, fact.value));
    let mut lines = Vec::new();
    let mut line = Line::plain("  ");
    for (text, value) in facts.filter(|(text, _)| !text.is_empty()) {
        let tone = if value.is_some() { Tone::Plain } else { Tone::Wait };
        if line.width() > 2 && line.width() + 3 + crate::views::width::of(&text) > columns {
            lines.push(std::mem::replace(&mut line, Line::plain("  ")));
        }
        let between = if line.width() > 2 { " · " } else { "" };
        line = line.and(Tone::Faint, between).and(tone, text);
    }
    if line.width() > 2 {
        lines.push(line);
    }
    if night.state.is_past_no_return() && !matches!(night.state.phase(), Phase::Ended(_)) {
        lines.push(Line::plain("  ").and(Tone::Wait, "past the point of no return: only forward from here"));
    }
    lines
}

/// The last lines of the log that fit into `room`, `scroll` lines above its end.
pub fn log(night: &Night<'_>, columns: usize, room: usize, scroll: usize) -> Vec<Line> {
    let all = night.chronicle.log();
    let end = all.len().saturating_sub(scroll.min(all.len().saturating_sub(1)));
    let first = end.saturating_sub(room);
    let mut lines: Vec<Line> = all[first..end].iter().flat_map(|line| line.wrapped(columns)).collect();
    let surplus = lines.len().saturating_sub(room);
    lines.drain(..surplus);
    lines
}
