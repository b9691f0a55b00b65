//! The readiness report for a person: the verdict first, then what it stands on, then where it lies.

use std::time::Duration;

use crate::model::{RunOutcome, Span};
use crate::plan::{Plan, Window, history::quantile};
use crate::rehearsal::{Crashes, End, Finding, Need, Performed, Point, Readiness, Side, Trouble};
use crate::views::{Line, Tone, clock};

/// How many findings, and how many steps of a list, are written out.
const SHOWN: usize = 12;

/// The report.
pub fn text(plan: &Plan, found: &Readiness) -> Vec<Line> {
    let mut lines = verdict(found);
    lines.extend(quiet(plan, found));
    lines.extend(failure_points("Where it can fail, and where the run ends then", &found.points));
    lines.extend(failure_points("When an undo fails, on a way back from as late as one can turn", &found.undo_points));
    lines.extend(crashes(found));
    lines.extend(ways_back(found));
    lines.extend(people(found));
    lines.extend(time(plan, found));
    lines.extend(lies(found));
    lines
}

fn head(title: &str) -> [Line; 2] {
    [Line::new(), Line::toned(Tone::Strong, title)]
}

fn length(ms: u64) -> String {
    clock::length(Duration::from_millis(ms))
}

fn verdict(found: &Readiness) -> Vec<Line> {
    let findings = found.findings();
    let nights = format!("{} simulated in {}", counted(found.nights, "night"), hours(found.virtual_ms));
    let mut lines = vec![Line::toned(Tone::Strong, &found.runbook).and(Tone::Faint, format!("  plan {}", found.plan.short()))];
    lines.push(match findings.len() {
        0 => Line::toned(Tone::Good, "ready, as far as a rehearsal can say")
            .and(Tone::Plain, format!(": {nights}, and each ended with one side whole")),
        count => Line::toned(Tone::Bad, counted(count as u64, "finding")).and(Tone::Plain, format!(" in {nights}")),
    });
    for finding in findings.iter().take(SHOWN) {
        lines.extend(told(finding));
    }
    if findings.len() > SHOWN {
        lines.push(Line::toned(Tone::Faint, format!("  … and {} more; --json has them all", findings.len() - SHOWN)));
    }
    lines
}

fn told(finding: &Finding<'_>) -> Vec<Line> {
    let troubles: Vec<String> = finding.troubles.iter().map(|trouble| named(trouble)).collect();
    let what = if troubles.is_empty() { "nothing goes wrong".to_owned() } else { troubles.join("; ") };
    let seed = finding.seed.map_or_else(String::new, |seed| format!(" (seed {seed})"));
    let mut lines = vec![Line::plain("  ").and(Tone::Bad, "✗ ").and(Tone::Plain, format!("{what}{seed}"))];
    lines.extend(reasons(finding.end).into_iter().map(|reason| Line::plain(format!("      {reason}"))));
    lines
}

/// Why an end is a finding.
fn reasons(end: &End) -> Vec<String> {
    let mut reasons = Vec::new();
    if end.outcome.is_none() {
        reasons.extend(end.waits_at.iter().map(|(step, why)| format!("waits for ever at {step}: {why}")));
        if end.waits_at.is_empty() {
            reasons.push("the run does not end".to_owned());
        }
    }
    if let Side::Neither(between) = &end.side {
        reasons.push(format!("neither side is whole: {}", between.join("; ")));
    }
    reasons.extend(end.broken.iter().cloned());
    reasons
}

fn quiet(plan: &Plan, found: &Readiness) -> Vec<Line> {
    let night = &found.quiet;
    let title = if found.always.is_empty() {
        "The night when all goes well".to_owned()
    } else {
        format!("The night when {}", found.always.iter().map(named).collect::<Vec<_>>().join(" and "))
    };
    let mut lines: Vec<Line> = head(&title).into();
    let width = night.steps.iter().map(|(step, ..)| crate::views::width::of(step.as_str())).max().unwrap_or(0);
    for (step, from, until) in &night.steps {
        let took = until.map_or_else(|| "not over".to_owned(), |until| length(until.saturating_sub(*from)));
        let mut line = Line::plain("  ").cell(Tone::Faint, 7, format!("+{}", length(*from)));
        line = line.cell(Tone::Plain, width, step.as_str()).and(Tone::Faint, took);
        if plan.find(step).is_some_and(|at| plan.step(at).point_of_no_return.is_some()) {
            line = line.and(Tone::Wait, "  point of no return");
        }
        lines.push(line);
    }
    let (tone, end) = ended(&night.end);
    lines.push(Line::plain("  ").cell(Tone::Faint, 7, format!("+{}", length(night.took_ms))).and(tone, end));
    lines
}

/// How a night ended, in words.
fn ended(end: &End) -> (Tone, String) {
    let outcome = end.outcome.map_or_else(|| "waits for ever".to_owned(), |outcome| outcome.to_string());
    let tone = match (&end.side, end.outcome) {
        (Side::Neither(_), _) | (_, None) => Tone::Bad,
        (_, Some(RunOutcome::Succeeded | RunOutcome::RolledBack)) => Tone::Good,
        (_, Some(RunOutcome::NeedsAttention | RunOutcome::Aborted)) => Tone::Wait,
    };
    let side = match &end.side {
        Side::Old => "old side whole",
        Side::New => "new side whole",
        Side::Neither(_) => "NEITHER SIDE WHOLE",
    };
    (tone, format!("{outcome}, {side}"))
}

fn failure_points(title: &str, points: &[Point]) -> Vec<Line> {
    if points.is_empty() {
        return Vec::new();
    }
    let mut lines: Vec<Line> = head(title).into();
    let width =
        points.iter().filter_map(|point| point.trouble.step()).map(|s| crate::views::width::of(s.as_str())).max().unwrap_or(0);
    let what = points.iter().map(|point| crate::views::width::of(&point.trouble.to_string())).max().unwrap_or(0);
    let mut last = None;
    for point in points {
        let step = point.trouble.step().map(|step| step.as_str());
        let shown = if step == last { "" } else { step.unwrap_or_default() };
        last = step;
        let line = Line::plain("  ").cell(Tone::Plain, width, shown).cell(Tone::Faint, what, point.trouble.to_string());
        lines.push(after(line, point));
    }
    lines
}

fn after(line: Line, point: &Point) -> Line {
    if point.night.struck == 0 {
        return line.and(Tone::Wait, "never reached in this night: nothing was tried");
    }
    let (tone, end) = ended(&point.night.end);
    let line = line.and(tone, end).and(Tone::Faint, format!(" after {}", length(point.night.took_ms)));
    let asked = beyond_gates(&point.night);
    let line = if asked.is_empty() { line } else { line.and(Tone::Wait, format!("; a person has to {}", asked.join(", "))) };
    match &point.night.end.side {
        Side::Neither(between) if point.is_given_up() => line.and(Tone::Bad, format!("; left: {}", between.join("; "))),
        Side::Neither(_) | Side::Old | Side::New => line,
    }
}

/// What people had to do beyond saying yes at gates.
fn beyond_gates(night: &Performed) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for need in night.needs.iter().filter(|need| !matches!(need.what, "approve" | "answer" | "reject")) {
        let text = match need.what {
            "retry" => format!("mend {} and retry it", need.step),
            "resolve" => format!("say what {} left", need.step),
            "rollback" => "turn the run back".to_owned(),
            other => format!("{other} {}", need.step),
        };
        if !words.contains(&text) {
            words.push(text);
        }
    }
    words
}

fn crashes(found: &Readiness) -> Vec<Line> {
    let mut lines = Vec::new();
    if !found.crashes.is_empty() {
        lines.extend(head("The executor dies"));
        let sum = |count: fn(&Crashes) -> u64| found.crashes.iter().map(count).sum::<u64>();
        let bad: u64 = found.crashes.iter().map(|crashes| crashes.findings.len() as u64).sum();
        let (nights, old, new) = (sum(|c| c.nights), sum(|c| c.old), sum(|c| c.new));
        let stories = match found.crashes.len() {
            1 => "of the quiet night".to_owned(),
            count => format!("of the quiet night and of {}", counted(count as u64 - 1, "night with a failure")),
        };
        lines.push(Line::plain(format!("  after every turn {stories}, with the work under way done and not done,")));
        lines.push(Line::plain("  and the power lost at every write of the journal:"));
        let line = Line::plain(format!("  {} ended on the new side, {old} on the old side, ", counted(new, "night")));
        lines.push(match bad {
            0 => line.and(Tone::Good, format!("none of {nights} between")),
            bad => line.and(Tone::Bad, format!("{bad} of {nights} between")),
        });
    }
    if let Some(drawn) = &found.drawn {
        lines.extend(head("Nights drawn from seeds"));
        let line = Line::plain(format!(
            "  {} with up to three troubles and two deaths each: {} ended on the new side, {} on the old side, ",
            counted(drawn.nights, "night"),
            drawn.new,
            drawn.old
        ));
        lines.push(match drawn.findings.len() {
            0 => line.and(Tone::Good, "none between"),
            count => line.and(Tone::Bad, format!("{count} otherwise")),
        });
    }
    lines
}

fn ways_back(found: &Readiness) -> Vec<Line> {
    if found.undos.is_empty() {
        return Vec::new();
    }
    let mut lines: Vec<Line> = head("The way back").into();
    let never: Vec<&str> = found.undos.iter().filter(|(_, count)| **count == 0).map(|(step, _)| step.as_str()).collect();
    lines.push(match found.ways_back {
        0 => Line::plain("  no night turned back: --fail each shows the ways back"),
        count => Line::plain(format!("  {} from {}", counted(count as u64, "different way"), "where the nights turned back")),
    });
    let tried: Vec<String> = found.undos.iter().filter(|(_, n)| **n > 0).map(|(step, n)| format!("{step} {n}×")).collect();
    if !tried.is_empty() {
        lines.push(Line::plain("  undone: ").and(Tone::Plain, tried.join(", ")));
    }
    if !never.is_empty() && found.ways_back > 0 {
        lines.push(Line::plain("  ").and(Tone::Wait, format!("never undone in any night: {}", never.join(", "))));
    }
    lines
}

fn people(found: &Readiness) -> Vec<Line> {
    let mut lines: Vec<Line> = head("Who is needed, and when").into();
    let gates: Vec<&Need> = found.quiet.needs.iter().collect();
    if gates.is_empty() {
        lines.push(Line::plain("  nobody, as long as all goes well"));
    }
    for need in gates {
        let at = format!("+{}", length(need.asked_ms));
        let took = length(need.answered_ms.saturating_sub(need.asked_ms));
        lines.push(
            Line::plain("  ")
                .cell(Tone::Faint, 7, at)
                .cell(Tone::Plain, 12, &need.role)
                .and(Tone::Plain, format!("{} {}", need.what, need.step))
                .and(Tone::Faint, format!(", answered after {took}")),
        );
    }
    let mut in_trouble: Vec<String> = Vec::new();
    for point in found.points.iter().chain(&found.undo_points) {
        for text in beyond_gates(&point.night) {
            let role = point.night.needs.iter().find(|need| !matches!(need.what, "approve" | "answer" | "reject"));
            let who = role.map_or("anybody", |need| need.role.as_str());
            let text = format!("{who}: {text}");
            if !in_trouble.contains(&text) {
                in_trouble.push(text);
            }
        }
    }
    if !in_trouble.is_empty() {
        lines.push(Line::plain("  when something fails:"));
        lines.extend(in_trouble.iter().take(SHOWN).map(|text| Line::plain(format!("    {text}"))));
        if in_trouble.len() > SHOWN {
            lines.push(Line::toned(Tone::Faint, format!("    … and {} more", in_trouble.len() - SHOWN)));
        }
    }
    lines
}

fn time(plan: &Plan, found: &Readiness) -> Vec<Line> {
    let mut lines: Vec<Line> = head("Time").into();
    let (Some(half), Some(most)) = (quantile(&found.finishes, 50), quantile(&found.finishes, 90)) else {
        lines.push(Line::plain("  no drawn night succeeded, so there is no finish to foretell"));
        return lines;
    };
    let source = match (found.measured_runs, found.unmeasured.len()) {
        (0, _) => "from default lengths: nothing was ever measured".to_owned(),
        (runs, 0) => format!("from {}", counted(runs as u64, "real run")),
        (runs, open) => format!("from {}, and defaults for {}", counted(runs as u64, "real run"), counted(open as u64, "step")),
    };
    let row = |name: &str, text: String| Line::plain("  ").cell(Tone::Faint, 9, name).and(Tone::Plain, text);
    lines.push(row("finish", format!("after {} (P50), {} (P90), {source}", length(half), length(most))));
    if let (Some(half), Some(most)) = (quantile(&found.frozen, 50), quantile(&found.frozen, 90)) {
        lines.push(row(
            "frozen",
            format!("nobody writes for {} (P50), {} (P90), the answers of people inside it with it", length(half), length(most)),
        ));
        let bear = plan.content().movement.as_ref().and_then(|movement| movement.clients_bear).map(Span::as_millis);
        lines.extend(bear.map(|bear| {
            let line = Line::plain("  ").cell(Tone::Faint, 9, "clients");
            match bear.checked_sub(most) {
                Some(spare) => line.and(Tone::Good, format!("bear {}: {} to spare at P90", length(bear), length(spare))),
                None => line.and(Tone::Bad, format!("bear {}: too long by {} at P90", length(bear), length(most - bear))),
            }
        }));
    }
    if let Some(Window { opens, closes, .. }) = &plan.content().window {
        let open = u64::try_from(closes.since(*opens).as_millis()).unwrap_or(u64::MAX);
        let line = Line::plain("  ").cell(Tone::Faint, 9, "window");
        lines.push(if most <= open {
            line.and(Tone::Good, format!("{} long: {} to spare at P90", length(open), length(open - most)))
        } else {
            line.and(Tone::Bad, format!("{} long: too short by {} at P90", length(open), length(most - open)))
        });
    }
    lines
}

fn lies(found: &Readiness) -> Vec<Line> {
    let mut lines: Vec<Line> = head("Where this report lies").into();
    let really =
        "  really run: the plan, the engine's decisions, the journal with its recovery, the way back, the people's orders";
    lines.push(Line::plain(really));
    let modelled: Vec<String> = found
        .modelled
        .iter()
        .map(|(action, steps)| if steps.len() > 1 { format!("{action} × {}", steps.len()) } else { action.clone() })
        .collect();
    lines.push(Line::plain(format!("  modelled: {}", modelled.join(", "))));
    lines.extend(found.unproven.iter().map(|text| Line::plain(format!("  {text}"))));
    lines
}

fn named(trouble: &Trouble) -> String {
    trouble.step().map_or_else(|| trouble.to_string(), |step| format!("{step} {trouble}"))
}

fn counted(count: u64, what: &str) -> String {
    let (first, rest) = what.split_once(' ').map_or((what, ""), |(first, rest)| (first, rest));
    match (count, what) {
        (1, _) => format!("1 {what}"),
        (_, "different way" | "real run") => format!("{count} {what}s"),
        (_, _) if rest.is_empty() => format!("{count} {what}s"),
        (_, _) => format!("{count} {first}s {rest}"),
    }
}

fn hours(ms: u64) -> String {
    match ms / 3_600_000 {
        0 => format!("{} of virtual time", length(ms)),
        hours => counted(hours, "hour of virtual time"),
    }
}
