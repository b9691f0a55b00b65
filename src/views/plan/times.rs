//! The times of a plan in words: limits of steps, the critical path, the time inside the freeze.

use crate::plan::{Plan, PlannedStep, StepIndex, Waiting, Window};
use crate::views::{Line, Tone};

/// The most steps of a path that are written out.
const LONGEST_PATH: usize = 12;

/// A window as its author wrote it, and in UTC.
pub(super) fn window(window: &Window) -> String {
    let local = |moment: crate::model::Timestamp| {
        let zone = jiff::tz::TimeZone::get(&window.time_zone).ok()?;
        let moment = jiff::Timestamp::from_millisecond(moment.as_millis()).ok()?;
        Some(moment.to_zoned(zone).strftime("%Y-%m-%d %H:%M").to_string())
    };
    match (local(window.opens), local(window.closes)) {
        (Some(opens), Some(closes)) => {
            format!("{opens} to {closes} {} ({} to {} UTC)", window.time_zone, hour(window.opens), hour(window.closes))
        }
        _ => format!("{} to {}", window.opens, window.closes),
    }
}

fn hour(moment: crate::model::Timestamp) -> String {
    moment.to_string().get(11..16).unwrap_or_default().to_owned()
}

/// How long a step may take.
pub(super) fn limit(step: &PlannedStep) -> String {
    let attempts = step.retry.max_attempts;
    if attempts <= 1 {
        return format!("at most {}", step.timeout);
    }
    format!("at most {}: {attempts} attempts of {}", step.worst_case(), step.timeout)
}

/// The critical path and the time inside each freeze.
pub(super) fn lines(plan: &Plan) -> Vec<Line> {
    let path = plan.critical_path();
    let mut lines = vec![Line::new(), Line::toned(Tone::Strong, "Time, in the worst case")];
    lines.push(Line::new());
    lines.push(row("work", format!("at most {}{}", path.work, by(plan, &path.steps))));
    lines.extend(on_top(plan, &path.waits, &path.open).into_iter().map(|text| row("", text)));
    for freeze in plan.freeze_times() {
        let until = freeze.until.map_or_else(|| "the end".to_owned(), |until| plan.step(until).id.to_string());
        let from = &plan.step(freeze.from).id;
        let text = format!(
            "nobody writes to {} for at most {}, from {from} to {until}{}",
            freeze.frozen,
            freeze.work,
            by(plan, &freeze.path)
        );
        lines.push(Line::plain("  ").cell(Tone::Faint, 9, "frozen").and(Tone::Wait, text));
        lines.extend(on_top(plan, &freeze.waits, &freeze.open).into_iter().map(|text| row("", text)));
    }
    lines
}

fn row(name: &str, text: String) -> Line {
    Line::plain("  ").cell(Tone::Faint, 9, name).and(Tone::Plain, text)
}

fn by(plan: &Plan, path: &[StepIndex]) -> String {
    let ids: Vec<&str> =
        path.iter().map(|at| plan.step(*at)).filter(|s| s.worst_case().as_millis() > 0).map(|s| s.id.as_str()).collect();
    match ids.len() {
        0 => String::new(),
        count if count > LONGEST_PATH => format!(": {} → … {} more … → {}", ids[0], count - 2, ids[count - 1]),
        _ => format!(": {}", ids.join(" → ")),
    }
}

/// What comes on top of the work: waits, and lists whose length only the run knows.
fn on_top(plan: &Plan, waits: &[Waiting], open: &[StepIndex]) -> Vec<String> {
    let mut texts = Vec::new();
    if !waits.is_empty() {
        let shown: Vec<String> = waits
            .iter()
            .map(|wait| {
                let limit = wait.limit.map_or_else(|| "as long as it takes".to_owned(), |limit| format!("up to {limit}"));
                format!("{} ({limit})", plan.step(wait.step).id)
            })
            .collect();
        texts.push(format!("and waits on top: {}", shown.join(", ")));
    }
    if !open.is_empty() {
        let ids: Vec<&str> = open.iter().map(|at| plan.step(*at).id.as_str()).collect();
        texts.push(format!("and more for lists that only the run knows: {}", ids.join(", ")));
    }
    texts
}
