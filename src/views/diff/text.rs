//! Two runs side by side, for a person: only what differed.

use std::time::Duration;

use super::{Both, Diff, Side, StepDiff};
use crate::views::clock::length;
use crate::views::{Clock, Line, Tone};

/// The comparison.
pub fn text(diff: &Diff) -> Vec<Line> {
    let mut lines = vec![side("a", &diff.a), side("b", &diff.b)];
    lines.extend(part("plan", plan(diff)));
    lines.extend(part("ends", ends(diff)));
    lines.extend(part("lengths", lengths(diff)));
    lines.extend(part("decisions", decisions(diff)));
    lines.extend(part("where the time went", costs(diff)));
    lines
}

fn side(name: &str, side: &Side) -> Line {
    let kind = side.kind.as_ref().map_or_else(String::new, |kind| format!(", {kind}"));
    let because = side.because.as_ref().map_or_else(String::new, |why| format!(", because {why}"));
    Line::toned(Tone::Strong, format!("{name}  {}", side.run)).and(
        Tone::Plain,
        format!("  {} UTC{kind}, {} after {}{because}", Clock::utc().moment(side.started), side.end, length(side.took)),
    )
}

fn part(title: &str, rows: Vec<Line>) -> Vec<Line> {
    let mut lines = vec![Line::new(), Line::toned(Tone::Strong, title)];
    if rows.is_empty() {
        lines.push(Line::plain("  ").and(Tone::Faint, "no difference"));
    }
    lines.extend(rows);
    lines
}

fn plan(diff: &Diff) -> Vec<Line> {
    diff.plan.iter().map(|text| Line::plain(format!("  {text}"))).collect()
}

fn named(diff: &Diff) -> usize {
    diff.steps.iter().map(|step| crate::views::width::of(step.step.as_str())).max().unwrap_or(0).clamp(4, 32)
}

fn ends(diff: &Diff) -> Vec<Line> {
    let shown = |step: &StepDiff| {
        let both = Both {
            a: step.status.a.map_or("not in this run", |status| status.word()),
            b: step.status.b.map_or("not in this run", |status| status.word()),
        };
        let attempts = if step.attempts.a == step.attempts.b {
            String::new()
        } else {
            format!("; attempts {} → {}", step.attempts.a, step.attempts.b)
        };
        Line::plain("  ")
            .cell(Tone::Plain, named(diff), step.step.as_str())
            .and(Tone::Plain, format!("{} → {}{attempts}", both.a, both.b))
    };
    diff.steps.iter().filter(|step| step.ended_otherwise()).map(shown).collect()
}

fn lengths(diff: &Diff) -> Vec<Line> {
    let whole = format!("{} → {}", length(diff.a.took), length(diff.b.took));
    let mut lines = vec![Line::plain("  ").cell(Tone::Faint, named(diff), "the whole run").and(Tone::Plain, whole)];
    let shown = |step: &&StepDiff| {
        let (a, b) = step.took.a.zip(step.took.b)?;
        let tone = if b > a { Tone::Wait } else { Tone::Good };
        let line = Line::plain("  ").cell(Tone::Plain, named(diff), step.step.as_str());
        Some(line.and(tone, format!("{} → {} ({})", length(a), length(b), times(a, b))))
    };
    lines.extend(diff.steps.iter().filter(|step| step.took_otherwise()).filter_map(|step| shown(&step)));
    lines
}

/// `2.5 times as long`.
fn times(a: Duration, b: Duration) -> String {
    format!("{:.1} times as long", b.as_secs_f64() / a.as_secs_f64().max(0.001))
}

fn decisions(diff: &Diff) -> Vec<Line> {
    let mut lines = Vec::new();
    for decision in &diff.decisions {
        let name = decision.step.as_ref().map_or("the run", |step| step.as_str());
        lines.push(Line::plain("  ").and(Tone::Plain, name));
        for (side, said) in [("a", &decision.decided.a), ("b", &decision.decided.b)] {
            let said = if said.is_empty() { "nobody decided anything".to_owned() } else { said.join("; ") };
            lines.push(Line::plain("    ").cell(Tone::Faint, 1, side).and(Tone::Plain, said));
        }
    }
    lines
}

fn costs(diff: &Diff) -> Vec<Line> {
    let shown = diff.costs.iter().map(|(cost, both)| {
        Line::plain("  ").cell(Tone::Plain, 28, cost.word()).and(Tone::Plain, format!("{} → {}", length(both.a), length(both.b)))
    });
    shown.collect()
}
