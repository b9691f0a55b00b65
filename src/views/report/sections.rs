//! The sections of the report in the order in which they are read. What a section says is said here once, for every form.

use super::cell::{Cell, Part, Picture, Table};
use super::{Report, StepRow, Told, accounts, section_word, sign};
use crate::model::{StepId, Timestamp, Touch};
use crate::views::clock::length;
use crate::views::plan::in_a_row;
use crate::views::story::{Cost, Decision, Evidence, end};
use crate::views::{Tone, steps};

/// Every section.
pub(super) fn sections(report: &Report) -> Vec<Part> {
    let mut parts = Vec::new();
    if let Some(told) = &report.told {
        parts.extend([glance(told), timeline(told), freezes(told), decisions(told), deviations(told)]);
        parts.extend([retries(told), skips(told), doubts(told), way_back(told), accounts::sent(told), accounts::costs(told)]);
    }
    parts.push(accounts::proof(report));
    parts.push(accounts::bounds(report));
    parts
}

fn glance(told: &Told) -> Part {
    let story = &told.story;
    let statements: usize = story.systems.iter().map(|system| system.statements.len()).sum();
    let count = |text: String| Cell::figure(text);
    let mut persons: Vec<&str> = story.decisions.iter().map(|decision| decision.by.name()).collect();
    persons.sort_unstable();
    persons.dedup();
    let work = length(story.costs.part(Cost::Work));
    let rows = [
        ("steps", counts(told)),
        ("attempts", story.attempts.len().to_string()),
        ("attempts that were repeated", story.attempts.iter().filter(|attempt| attempt.again.is_some()).count().to_string()),
        ("steps passed over by order", story.skips.iter().filter(|skip| skip.by.is_some()).count().to_string()),
        ("attempts and undos in doubt", story.doubts.len().to_string()),
        ("undos", story.undos.len().to_string()),
        (
            "statements sent",
            format!("{statements} to {} systems", story.systems.iter().filter(|s| !s.statements.is_empty()).count()),
        ),
        ("decisions and orders", format!("{} by {}", story.decisions.len(), persons.join(", "))),
        ("time of work, and of waiting for people alone", format!("{work}, {}", length(story.costs.part(Cost::People)))),
    ];
    let rows = rows.into_iter().map(|(what, text)| vec![Cell::text(what), count(text)]).collect();
    Part::new("glance", "At a glance").table(Table::of(&["", ""], rows))
}

fn counts(told: &Told) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for row in told.steps.iter().filter(|row| row.stands_for.is_none()) {
        match counts.iter_mut().find(|(word, _)| *word == row.status.word()) {
            Some((_, count)) => *count += 1,
            None => counts.push((row.status.word(), 1)),
        }
    }
    counts.iter().map(|(word, count)| format!("{count} {word}")).collect::<Vec<_>>().join(", ")
}

fn timeline(told: &Told) -> Part {
    let from = match told.history_runs {
        0 => "No other run of this runbook was measured: expected lengths are defaults, by the kind of the action.".to_owned(),
        1 => "Expected lengths are those of 1 other run of this runbook; a default is marked as such.".to_owned(),
        runs => format!(
            "Expected lengths are from {runs} other runs of this runbook (P50, and P90 in brackets); a default is marked as such."
        ),
    };
    let mut part = Part::new("timeline", "Timeline, planned and actual").says(from);
    if let Some(beside) = &told.beside {
        let targets = match (&beside.profile, beside.same_plan) {
            (Some(profile), _) => format!("a rehearsal under the profile {profile}"),
            (None, true) => "with the same plan".to_owned(),
            (None, false) => "with another plan".to_owned(),
        };
        part = part.says(format!(
            "Beside it: run {}, started {} {}, {}: {targets}.",
            beside.run,
            told.clock.moment(beside.started),
            told.clock.zone(),
            beside.end
        ));
    }
    part.picture = Picture::Timeline;
    let mut head = vec!["step", "end", "attempts", "took", "expected"];
    if told.beside.is_some() {
        head.push("beside");
    }
    head.push("last error or reason");
    let rows = told.steps.iter().map(|row| step_row(told, row)).collect();
    part.table(Table::of(&head, rows).titled("Steps"))
}

fn step_row(told: &Told, row: &StepRow) -> Vec<Cell> {
    let tone = steps::tone(row.status);
    let name = match (row.is_item, row.section) {
        (_, section @ (crate::plan::Section::Rollback | crate::plan::Section::Finally)) => {
            format!("{} ({})", row.step, section_word(section))
        }
        (true, _) => format!("· {}", row.step),
        (false, _) => row.step.to_string(),
    };
    let expected = row.expected.map_or_else(String::new, |expected| match expected.samples {
        0 => format!("{} default", length(expected.usual.as_duration())),
        _ => format!("{} ({})", length(expected.usual.as_duration()), length(expected.slow.as_duration())),
    });
    let attempts = if row.attempts > 0 { row.attempts.to_string() } else { String::new() };
    let mut cells = vec![
        Cell::text(name),
        Cell::toned(tone, format!("{} {}", sign(tone), row.status)),
        Cell::figure(attempts),
        Cell::figure(row.took.map_or_else(String::new, length)),
        Cell::figure(expected),
    ];
    if told.beside.is_some() {
        cells.push(Cell::figure(row.beside.map_or_else(String::new, length)));
    }
    cells.push(Cell::text(row.error.clone().unwrap_or_default()));
    cells
}

fn freezes(told: &Told) -> Part {
    let part = Part::new("freeze", "Freeze window");
    if told.story.freezes.is_empty() {
        return part.says("The plan denies writes nowhere that Pointsman knows of.");
    }
    let rows = told.story.freezes.iter().map(|freeze| {
        let (from, until) = (&freeze.planned.0, freeze.planned.1.as_ref());
        let planned = format!(
            "from {from} to {}, at most {} of work",
            until.map_or_else(|| "the end".to_owned(), ToString::to_string),
            length(freeze.worst.as_duration())
        );
        let began = freeze
            .began
            .as_ref()
            .map_or_else(|| "never began".to_owned(), |(at, step)| format!("{} with {step}", told.clock.time(*at)));
        let ended = match (&freeze.began, &freeze.ended) {
            (None, _) => String::new(),
            (Some(_), Some(end)) => format!("{}: {} {}", told.clock.time(end.at), end.step, end.how),
            (Some(_), None) => "not within this record".to_owned(),
        };
        let took = freeze.took.map_or_else(String::new, length);
        vec![Cell::text(&freeze.frozen), Cell::text(planned), Cell::text(began), Cell::text(ended), Cell::figure(took)]
    });
    let says =
        "A freeze counts from the start of the first attempt that denies writes, so that it is never shown shorter than it was.";
    part.says(says).table(Table::of(&["writes to", "planned", "began", "ended", "lasted"], rows.collect()))
}

fn decisions(told: &Told) -> Part {
    let rows = told.story.decisions.iter().map(|decision| {
        let tone = if decision.what.is_grave() { Tone::Bad } else { Tone::Plain };
        let roles: Vec<&str> = decision.by.roles.iter().map(|role| role.as_str()).collect();
        let roles = if roles.is_empty() { String::new() } else { format!("; roles: {}", roles.join(", ")) };
        vec![
            at(told, decision.at, Some(decision.seq)),
            Cell::text(format!("{}{roles}", decision.by)),
            Cell::toned(tone, what(decision)),
            Cell::text(&decision.said),
            Cell::text(seen(decision)),
        ]
    });
    let head = ["when (record)", "who, and how recognised", "what", "their words", "what they could see"];
    Part::new("decisions", "Decisions and orders").table(Table::of(&head, rows.collect()))
}

fn what(decision: &Decision) -> String {
    let at = decision.step.as_ref().map_or_else(String::new, |step| format!(": {step}"));
    let about = if decision.about.is_empty() { String::new() } else { format!(" — {}", decision.about) };
    let after = decision.after.map_or_else(String::new, |after| format!(" ({} after the question)", length(after)));
    format!("{}{at}{about}{after}", decision.what.word())
}

fn seen(decision: &Decision) -> String {
    let one = |evidence: &Evidence| {
        let value = match &evidence.value {
            serde_json::Value::String(text) => text.clone(),
            serde_json::Value::Object(object) => in_a_row(object),
            other => other.to_string(),
        };
        let age = evidence.age.map_or_else(String::new, |age| format!(" ({} old)", length(age)));
        format!("{}: {value}{age}", evidence.of)
    };
    decision.evidence.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn deviations(told: &Told) -> Part {
    let part = Part::new("deviations", "Deviations from the plan");
    if told.deviations.is_empty() {
        return part.says("None.");
    }
    let rows = told.deviations.iter().map(|deviation| {
        vec![
            at(told, deviation.at, deviation.seq),
            Cell::text(deviation.step.as_ref().map_or("the run", StepId::as_str)),
            Cell::text(deviation.kind.word()),
            Cell::text(&deviation.text),
        ]
    });
    part.table(Table::of(&["when (record)", "step", "kind", "what"], rows.collect()))
}

fn retries(told: &Told) -> Part {
    let part = Part::new("retries", "Attempts that failed or were repeated");
    let repeated: Vec<&StepId> =
        told.story.attempts.iter().filter(|a| a.again.is_some() || a.error.is_some()).map(|a| &a.step).collect();
    let rows: Vec<Vec<Cell>> = told
        .story
        .attempts
        .iter()
        .filter(|attempt| repeated.contains(&&attempt.step))
        .map(|attempt| {
            let took = attempt.until.map_or_else(String::new, |until| length(until.since(attempt.from)));
            let tone = if attempt.error.is_some() { Tone::Bad } else { Tone::Plain };
            let touch = match attempt.touch {
                Some(Touch::Untouched) => " (nothing was changed)",
                Some(Touch::Possible) => " (its target may be changed)",
                None => "",
            };
            let error = attempt.error.clone().map_or_else(String::new, |error| format!("{error}{touch}"));
            vec![
                at(told, attempt.from, Some(attempt.seq)),
                Cell::text(attempt.step.as_str()),
                Cell::figure(attempt.number.to_string()),
                Cell::toned(tone, if attempt.end.is_empty() { "under way" } else { &attempt.end }),
                Cell::figure(took),
                Cell::text(error),
                Cell::text(attempt.again.clone().unwrap_or_default()),
            ]
        })
        .collect();
    if rows.is_empty() {
        return part.says("None.");
    }
    part.table(Table::of(&["began (record)", "step", "attempt", "end", "took", "error", "why again"], rows))
}

fn skips(told: &Told) -> Part {
    let part = Part::new("skips", "Steps passed over");
    if told.story.skips.is_empty() {
        return part.says("None.");
    }
    let rows = told.story.skips.iter().map(|skip| {
        vec![
            at(told, skip.at, Some(skip.seq)),
            Cell::text(skip.step.as_str()),
            Cell::text(skip.was.word()),
            Cell::text(skip.by.clone().unwrap_or_else(|| "the plan".to_owned())),
            Cell::text(&skip.why),
        ]
    });
    part.table(Table::of(&["when (record)", "step", "was", "by", "why"], rows.collect()))
}

fn doubts(told: &Told) -> Part {
    let part = Part::new("doubts", "In doubt, and how it was resolved");
    if told.story.doubts.is_empty() {
        return part.says("None: the end of every attempt was seen.");
    }
    let rows = told.story.doubts.iter().map(|doubt| {
        let (tone, resolved, after) = match &doubt.resolved {
            Some((at, by, finding)) => (Tone::Plain, format!("by {by}: {finding}"), length(at.since(doubt.from))),
            None => (Tone::Bad, "nobody has decided it".to_owned(), String::new()),
        };
        vec![
            at(told, doubt.from, Some(doubt.seq)),
            Cell::text(doubt.step.as_str()),
            Cell::text(format!("{} {}", doubt.of, doubt.attempt)),
            Cell::text(&doubt.reason),
            Cell::text(doubt.looks.join("; ")),
            Cell::toned(tone, resolved),
            Cell::figure(after),
        ]
    });
    let head = ["found (record)", "step", "of", "why", "what was seen", "resolved", "after"];
    part.table(Table::of(&head, rows.collect()))
}

fn way_back(told: &Told) -> Part {
    let mut part = Part::new("way-back", "The way back");
    if let Some(why) = end::because(&told.state, &told.story) {
        part = part.says(format!("The run turned back because {why}."));
    }
    if told.story.undos.is_empty() {
        part = part.says("Nothing was undone.");
    }
    let rows = told.story.undos.iter().map(|undo| {
        let took = undo.until.map_or_else(String::new, |until| length(until.since(undo.from)));
        let how = if undo.end.is_empty() { "under way" } else { &undo.end };
        vec![
            at(told, undo.from, Some(undo.seq)),
            Cell::text(undo.step.as_str()),
            Cell::figure(undo.number.to_string()),
            Cell::text(how),
            Cell::figure(took),
            Cell::code(undo.manual.join("; ")),
        ]
    });
    let stays = told.still_in_place.iter().map(|(step, why)| vec![Cell::text(step.as_str()), Cell::toned(Tone::Bad, why)]);
    let head = ["began (record)", "undo of", "attempt", "end", "took", "to be sent by hand"];
    part.table(Table::of(&head, rows.collect())).table(Table::of(&["step", "why"], stays.collect()).titled("Still in place"))
}

/// A moment, and the record that says it.
pub(super) fn at(told: &Told, at: Timestamp, seq: Option<u64>) -> Cell {
    let seq = seq.map_or_else(String::new, |seq| format!(" ({seq})"));
    Cell::text(format!("{}{seq}", told.clock.time(at)))
}
