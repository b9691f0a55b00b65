//! A dry run for a person and for a program: what would be sent, step by step, and how much of it is known.

use serde_json::{Value, json};

use super::{Clock, Line, Tone};
use crate::plan::{Plan, Section};
use crate::rehearsal::{DryRun, DryStep, Fidelity};

/// The most statements of a step that are written out.
const SHOWN: usize = 40;

/// The dry run, and what changed since the last one.
pub fn text(plan: &Plan, found: &DryRun, before: Option<&DryRun>) -> Vec<Line> {
    let mut lines = vec![
        Line::toned(Tone::Strong, &found.runbook)
            .and(Tone::Plain, "  dry run")
            .and(Tone::Faint, format!("  plan {}", found.plan.short())),
        Line::plain("Every target was asked with read-only questions; nothing was changed."),
    ];
    for (section, title) in [(Section::Forward, "steps"), (Section::Rollback, "rollback"), (Section::Finally, "finally")] {
        let of_section: Vec<&DryStep> = found.steps.iter().filter(|step| step.section == section).collect();
        if of_section.is_empty() {
            continue;
        }
        lines.push(Line::new());
        lines.push(Line::toned(Tone::Strong, title));
        let width = of_section.iter().map(|step| crate::views::width::of(step.step.as_str())).max().unwrap_or(0);
        of_section.into_iter().for_each(|step| lines.extend(of_step(step, width)));
    }
    lines.extend(verdict(found));
    lines.extend(compared(plan, found, before));
    lines
}

fn of_step(step: &DryStep, width: usize) -> Vec<Line> {
    let tone = match step.fidelity {
        Fidelity::ProbedLive => Tone::Good,
        Fidelity::Simulated | Fidelity::Opaque => Tone::Wait,
        Fidelity::Static => Tone::Faint,
    };
    let at = step.target.as_ref().map_or_else(String::new, |target| format!(" at {target}"));
    let mut lines = vec![
        Line::plain("  ")
            .cell(Tone::Plain, width, step.step.as_str())
            .cell(tone, 11, step.fidelity.words())
            .and(Tone::Faint, format!("{}{at}", step.action)),
    ];
    let margin = "      ";
    lines.extend(step.note.iter().map(|note| Line::plain(margin).and(Tone::Wait, format!("not looked at: {note}"))));
    for (name, statements) in [("sends", &step.statements), ("undo", &step.undo_statements)] {
        for (number, statement) in statements.iter().take(SHOWN).enumerate() {
            let shown = if number == 0 { name } else { "" };
            for (row, part) in statement.lines().enumerate() {
                lines.push(Line::plain(margin).cell(Tone::Faint, 5, if row == 0 { shown } else { "" }).and(Tone::Plain, part));
            }
        }
        if statements.len() > SHOWN {
            lines.push(Line::plain(margin).and(Tone::Faint, format!("       … and {} more", statements.len() - SHOWN)));
        }
    }
    for blocker in &step.blockers {
        let line = Line::plain(margin);
        lines.push(if step.behind_changes {
            line.and(Tone::Wait, format!("as of now: {blocker} (the steps before it may clear that)"))
        } else {
            line.and(Tone::Bad, format!("in the way: {blocker}"))
        });
    }
    lines
}

fn verdict(found: &DryRun) -> Vec<Line> {
    let count = |fidelity| found.steps.iter().filter(|step| step.fidelity == fidelity).count();
    let all = [Fidelity::ProbedLive, Fidelity::Simulated, Fidelity::Static, Fidelity::Opaque];
    let counts: Vec<String> = all.into_iter().filter(|f| count(*f) > 0).map(|f| format!("{} {}", count(f), f.words())).collect();
    let mut lines = vec![Line::new(), Line::plain(format!("{} steps: {}", found.steps.len(), counts.join(", ")))];
    let blocked: Vec<&str> = found.blocked().map(|step| step.step.as_str()).collect();
    lines.push(if blocked.is_empty() {
        Line::toned(Tone::Good, "nothing stands in the way of the first steps")
    } else {
        Line::toned(Tone::Bad, format!("something stands in the way of {}", blocked.join(", ")))
    });
    lines.push(Line::toned(Tone::Faint, "digest  ").and(Tone::Plain, found.digest.to_string()));
    lines
}

fn compared(plan: &Plan, found: &DryRun, before: Option<&DryRun>) -> Vec<Line> {
    let Some(before) = before else {
        return vec![Line::toned(Tone::Faint, "compared  ").and(Tone::Plain, "there was no dry run of this runbook before")];
    };
    let clock = Clock::of(plan);
    let when = format!("{} {}", clock.moment(before.at), clock.zone());
    let lines = found.difference(before);
    let head = if lines.is_empty() { format!("the same as on {when}") } else { format!("otherwise than on {when}:") };
    let mut shown = vec![Line::toned(Tone::Faint, "compared  ").and(Tone::Plain, head)];
    shown.extend(lines.into_iter().map(|line| Line::plain(format!("  {line}"))));
    shown
}

/// What whoever approves sees of the last dry run.
pub fn at_a_gate(plan: &Plan, last: &DryRun) -> Line {
    let head = Line::toned(Tone::Faint, "dry run  ");
    let clock = Clock::of(plan);
    let when = format!("{} {}", clock.moment(last.at), clock.zone());
    if last.plan == plan.digest() {
        head.and(Tone::Good, format!("of this plan, {when}: {}", last.digest))
    } else {
        head.and(Tone::Wait, format!("of another plan ({}), {when}: {}", last.plan.short(), last.digest))
    }
}

/// The dry run for a program. Keys are stable; new ones may be added.
pub fn json(found: &DryRun, before: Option<&DryRun>) -> Value {
    json!({
        "runbook": found.runbook,
        "plan": found.plan,
        "at": found.at,
        "digest": found.digest,
        "blocked": found.blocked().map(|step| step.step.as_str()).collect::<Vec<_>>(),
        "steps": found.steps.iter().map(|step| json!({
            "step": step.step, "section": step.section, "action": step.action, "target": step.target,
            "fidelity": step.fidelity, "statements": step.statements, "undo_statements": step.undo_statements,
            "blockers": step.blockers, "behind_changes": step.behind_changes, "identity": step.identity,
            "expected_ms": step.expected_ms, "note": step.note,
        })).collect::<Vec<_>>(),
        "before": before.map(|before| json!({ "at": before.at, "digest": before.digest, "difference": found.difference(before) })),
    })
}
