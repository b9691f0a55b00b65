//! The last sections of the report: what was sent, where the time went, what the record proves and what the report does not say.

use std::time::Duration;

use super::cell::{Cell, Part, Table};
use super::sections::at;
use super::{Report, Told, sign};
use crate::audit::Finding;
use crate::views::clock::length;
use crate::views::story::System;
use crate::views::verification;

/// The most statements of one system that are shown; the JSON has all of them.
const SHOWN: usize = 400;

pub(super) fn sent(told: &Told) -> Part {
    let part = Part::new("sent", "What was sent, by system");
    if told.story.systems.is_empty() {
        return part.says("Nothing was sent to any system.");
    }
    let rows = told.story.systems.iter().map(|system| {
        let took: u64 = system.statements.iter().map(|sent| sent.took_ms).sum();
        vec![
            Cell::text(&system.name),
            Cell::text(&system.connector),
            Cell::figure(system.statements.len().to_string()),
            Cell::figure(length(Duration::from_millis(took))),
            Cell::figure(system.questions.to_string()),
            Cell::figure(length(Duration::from_millis(system.questions_ms))),
        ]
    });
    let head = ["system", "connector", "statements", "their time", "questions", "their time"];
    let part = part
        .says("A statement changes something; a question only asks. Secrets were withheld before the record was written.")
        .table(Table::of(&head, rows.collect()));
    told.story.systems.iter().fold(part, |part, system| part.table(statements(told, system)))
}

fn statements(told: &Told, system: &System) -> Table {
    let rows = system.statements.iter().take(SHOWN).map(|sent| {
        vec![
            at(told, sent.at, Some(sent.seq)),
            Cell::text(sent.step.as_str()),
            Cell::text(&sent.during),
            Cell::code(&sent.statement),
            Cell::text(&sent.result),
            Cell::figure(length(Duration::from_millis(sent.took_ms))),
        ]
    });
    let more = system.statements.len().saturating_sub(SHOWN);
    let left_out =
        if more > 0 { format!("{more} more are in the JSON form, and in `pointsman audit show`.") } else { String::new() };
    let table = Table::of(&["when (record)", "step", "during", "statement", "result", "took"], rows.collect());
    Table { left_out, ..table.titled(&system.name) }
}

pub(super) fn costs(told: &Told) -> Part {
    let costs = &told.story.costs;
    let whole = told.story.took();
    let share = |took: Duration| {
        let percent = took.as_millis() * 100 / whole.as_millis().max(1);
        format!("{percent} %")
    };
    let rows = costs
        .parts
        .iter()
        .map(|(cost, took)| vec![Cell::text(cost.word()), Cell::figure(length(*took)), Cell::figure(share(*took))]);
    let awaited = costs.awaited.iter().map(|wait| {
        let by = if wait.by.is_empty() { "nobody".to_owned() } else { wait.by.join(", ") };
        vec![
            at(told, wait.from, None),
            Cell::text(wait.step.as_str()),
            Cell::text(wait.why),
            Cell::text(&wait.of),
            Cell::text(by),
            Cell::figure(length(wait.took)),
        ]
    });
    let says = format!(
        "Each moment counts once: work before waiting. The work of all steps added up is {}.",
        length(costs.work_of_steps)
    );
    Part::new("costs", "Where the time went")
        .says(says)
        .table(Table::of(&["what", "time", "share"], rows.collect()))
        .table(Table::of(&["since", "step", "for", "of whom", "ended by", "took"], awaited.collect()).titled("Waits for people"))
}

pub(super) fn proof(report: &Report) -> Part {
    let part = Part::new("proof", "What the record proves");
    let found = match &report.proof {
        Ok(found) => found,
        Err(why) => return part.says(format!("It could not be verified: {why}. Nothing in this report is proven.")),
    };
    let rows = found.claims.iter().map(|claim| {
        let (tone, word) = verification::finding(&claim.finding);
        let text = match &claim.finding {
            Finding::Holds(text) | Finding::Tampered(text) | Finding::Malformed(text) | Finding::Unproven(text) => text.as_str(),
            Finding::NotReached => claim.finding.text(),
        };
        vec![Cell::text(claim.subject.name()), Cell::toned(tone, format!("{} {word}", sign(tone))), Cell::text(text)]
    });
    let (_, verdict) = verification::verdict(found.standing);
    part.says(format!("Verified when this report was made: {verdict}."))
        .says(format!("{} records, last hash {}.", found.records, found.chain))
        .says(format!("Witness level {}: {}.", found.witness, found.witness.bound()))
        .table(Table::of(&["claim", "finding", "what was seen"], rows.collect()))
}

pub(super) fn bounds(report: &Report) -> Part {
    let part = Part::new("bounds", "What this report does not say")
        .says(format!("It was made from the record and the stored plan of the run at {} UTC. It is not signed: whoever wants proof verifies the record itself, or a bundle of it.", report.head.made))
        .says(format!("To verify: `{}`; every record: `{}`.", report.verified_by[0], report.verified_by[1]));
    match &report.told {
        Some(_) => part.says("Times are those of the executor's host. What people did beside Pointsman, and what happened to systems between two looks, is not in it."),
        None => part,
    }
}
