//! A plan as lines for a person: what it is, the way forward by levels, the way back, the end, and the time it takes.

use super::levels::{items, levels, waits_for};
use super::{times, wording};
use crate::plan::{Plan, PlannedStep, PlannedUndo, Section, StepIndex, StepKind};
use crate::views::{Line, Tone, rehearsed};

/// How many items of a group are listed one by one.
const LISTED_ITEMS: usize = 12;
/// Where the lines of the way back begin.
const INDENT: &str = "         ";
/// The least width of the names of details.
const NAMES: usize = 9;

/// The whole plan, as lines with tones.
pub fn lines(plan: &Plan) -> Vec<Line> {
    let late = plan.from_return_on();
    let mut lines = heading(plan);
    let parts = [
        (Section::Forward, "The way forward"),
        (Section::Rollback, "The way back, if it turns back before the point of no return"),
        (Section::Finally, "At the end, always"),
    ];
    for (section, title) in parts {
        let levels = levels(plan, section);
        if levels.is_empty() {
            continue;
        }
        lines.push(Line::new());
        lines.push(Line::toned(Tone::Strong, title));
        for (number, level) in levels.iter().enumerate() {
            lines.push(Line::new());
            for (place, at) in level.iter().enumerate() {
                lines.extend(one(plan, *at, &lead(number + 1, place, level.len()), late[at.get()]));
            }
        }
        if section == Section::Rollback {
            lines.extend(undone(plan, &late));
        }
    }
    lines.extend(times::lines(plan));
    lines.push(Line::new());
    lines.push(Line::toned(Tone::Faint, "Parameters that are not shown have the defaults of the catalog; --json shows all."));
    lines
}

fn heading(plan: &Plan) -> Vec<Line> {
    let content = plan.content();
    let mut lines = vec![Line::toned(Tone::Strong, &content.title)];
    let author = content.author.as_ref().map_or_else(String::new, |author| format!(", written by {author}"));
    lines.push(Line::toned(Tone::Faint, format!("runbook {}{author}, plan {}", content.runbook, plan.digest().short())));
    let mut facts: Vec<(&str, String)> = Vec::new();
    if let Some(mark) = rehearsed::mark(plan) {
        facts.push(("profile", format!("{mark}: not the live targets")));
    }
    if let Some(window) = &content.window {
        facts.push(("window", times::window(window)));
    }
    if let Some(policy) = &content.witness {
        let heartbeat = policy.heartbeat.map_or_else(String::new, |span| format!(", a checkpoint at least every {span}"));
        facts.push((
            "witness",
            format!("a gate waits for {}, or more where the installation asks for it{heartbeat}", policy.level),
        ));
    }
    if let Some(movement) = &content.movement {
        let entry = movement.entry.as_ref().map_or_else(String::new, |entry| format!(", users enter through {entry}"));
        let bear = movement.clients_bear.map_or_else(String::new, |bear| format!(", clients bear {bear}"));
        facts.push(("moves", format!("{} → {}{entry}{bear}", movement.from, movement.to)));
    }
    for (name, target) in &content.targets {
        let shown = target.settings.shown();
        let settings = shown.as_object().map(wording::in_a_row).unwrap_or_default();
        facts.push(("target", format!("{name}: {}  {settings}", target.connector)));
    }
    for (name, value) in &content.params {
        facts.push(("param", format!("{name} = {}", wording::short(value))));
    }
    if let Some(role) = &content.rollback_role {
        facts.push(("rollback", format!("a {role} may order it by hand")));
    }
    if !facts.is_empty() {
        lines.push(Line::new());
    }
    let mut last = "";
    for (name, fact) in facts {
        let shown = if name == last { "" } else { name };
        lines.push(Line::plain("  ").cell(Tone::Faint, NAMES, shown).and(Tone::Plain, fact));
        last = name;
    }
    lines
}

/// The level's number at its first step, and a bracket along steps that run side by side: before the step, and before its
/// details.
fn lead(number: usize, place: usize, count: usize) -> (String, &'static str) {
    let (bracket, rest) = match (count, place) {
        (1, _) => ("──", "         "),
        (_, 0) => ("┬─", "     │   "),
        (_, place) if place + 1 == count => ("└─", "         "),
        _ => ("├─", "     │   "),
    };
    (if place == 0 { format!("  {number:>2} {bracket} ") } else { format!("     {bracket} ") }, rest)
}

/// One step with its details; `is_late` when nothing takes it back.
fn one(plan: &Plan, at: StepIndex, (lead, indent): &(String, &str), is_late: bool) -> Vec<Line> {
    let step = plan.step(at);
    let mut lines = Vec::new();
    if let Some(reason) = no_return(plan, at) {
        lines.push(Line::plain("  ").and(Tone::Bad, format!("━━━━━━━━ point of no return: {reason} ━━━━━━━━")));
    }
    let tone = if step.wait.is_some() { Tone::Wait } else { Tone::Strong };
    lines.push(
        Line::toned(Tone::Faint, lead).and(tone, step.id.as_str()).and(Tone::Plain, format!("  {}", wording::does(plan, step))),
    );
    let members = items(plan, at);
    let sample = members.first().map_or(step, |item| plan.step(*item));
    let mut details = details(plan, at, sample, is_late);
    if members.is_empty() {
        let mut parameters = wording::parameters(&step.chosen());
        // Who decides, and until when, stands below in words.
        parameters.retain(|(name, _)| step.wait.is_none() || name == "prompt");
        details.splice(0..0, parameters);
    }
    let width = details.iter().map(|(name, _)| crate::views::width::of(name)).max().unwrap_or(0).max(NAMES);
    let faint = |text: &str| Line::toned(Tone::Faint, text);
    lines.extend(details.iter().map(|(name, text)| faint(indent).cell(Tone::Faint, width, name).and(Tone::Plain, text)));
    for item in members.iter().take(LISTED_ITEMS).map(|item| plan.step(*item)) {
        lines.push(
            faint(indent).and(Tone::Plain, item.id.as_str()).and(Tone::Faint, format!("  {}", wording::in_a_row(&item.chosen()))),
        );
    }
    if members.len() > LISTED_ITEMS {
        lines.push(faint(indent).and(Tone::Faint, format!("… and {} more", members.len() - LISTED_ITEMS)));
    }
    lines
}

/// Everything about a step but its parameters.
fn details(plan: &Plan, at: StepIndex, step: &PlannedStep, is_late: bool) -> Vec<(String, String)> {
    let mut details: Vec<(&str, String)> = Vec::new();
    let after = waits_for(plan, at);
    if !after.is_empty() {
        details.push(("after", after.iter().map(|need| plan.step(*need).id.as_str()).collect::<Vec<_>>().join(", ")));
    }
    details.extend(step.when.iter().map(|when| ("only if", when.text().to_owned())));
    details.extend(step.wait.iter().flat_map(wording::awaits).map(|line| ("awaits", line)));
    details.extend(step.expect.iter().map(|(output, condition)| ("expects", format!("{output}: {}", wording::short(condition)))));
    if step.wait.is_none() && !matches!(step.kind, StepKind::Undo(_)) {
        details.push(("takes", times::limit(step)));
    }
    details.extend(
        wording::failure(step.on_failure).filter(|_| step.section == Section::Forward).map(|text| ("failure", text.to_owned())),
    );
    if step.mutating {
        details.push(("crash", wording::doubt(&step.in_doubt)));
    }
    if step.section == Section::Forward && !matches!(step.undo, PlannedUndo::NotNeeded) {
        details.push((
            "undo",
            match (&step.point_of_no_return, is_late) {
                (Some(_), _) => "none: once it may have begun, the run goes forward only".to_owned(),
                (None, true) => "none: it stands behind the point of no return".to_owned(),
                (None, false) => wording::way_back(&step.undo),
            },
        ));
    }
    details.extend(step.owner.iter().map(|owner| ("executor", owner.to_string())));
    details
        .extend(plan.step(at).confirm.iter().map(|role| ("confirm", format!("a {role}, before anything that needs it starts"))));
    if step.protected {
        details.push(("protected", "retry, skip and resolve need two persons".to_owned()));
    }
    details.into_iter().map(|(name, text)| (name.to_owned(), text)).collect()
}

/// The reason, where a step or an item of it is a point of no return.
pub(super) fn no_return(plan: &Plan, at: StepIndex) -> Option<&str> {
    let own = plan.step(at).point_of_no_return.as_deref();
    own.or_else(|| items(plan, at).first().and_then(|item| plan.step(*item).point_of_no_return.as_deref()))
}

/// What a rollback would undo, in the order in which it would do so if everything before the point of no return had run.
fn undone(plan: &Plan, late: &[bool]) -> Vec<Line> {
    let mut owed: Vec<&PlannedStep> = Vec::new();
    for at in plan.section(Section::Forward) {
        let step = plan.step(at);
        let has_undo = match &step.undo {
            PlannedUndo::Auto | PlannedUndo::Action { .. } | PlannedUndo::Impossible { .. } => true,
            PlannedUndo::NotNeeded | PlannedUndo::Nothing { .. } => false,
        };
        if has_undo && !late[at.get()] {
            owed.push(step);
        }
    }
    if owed.is_empty() {
        return Vec::new();
    }
    let width = owed.iter().rev().take(LISTED_ITEMS).map(|step| crate::views::width::of(step.id.as_str())).max().unwrap_or(0);
    let mut lines = vec![Line::new(), Line::plain("     ").and(Tone::Faint, "undone in this order, as far as it ran:")];
    for step in owed.iter().rev().take(LISTED_ITEMS) {
        let tone = if matches!(step.undo, PlannedUndo::Impossible { .. }) { Tone::Bad } else { Tone::Plain };
        lines.push(Line::plain(INDENT).cell(Tone::Plain, width, step.id.as_str()).and(tone, wording::way_back(&step.undo)));
    }
    if owed.len() > LISTED_ITEMS {
        lines.push(Line::plain(INDENT).and(Tone::Faint, format!("… and {} more", owed.len() - LISTED_ITEMS)));
    }
    lines
}
