//! Whether a run is a rehearsal, and which rehearsal stands behind a live one: the words that every view shares.

use super::{Clock, Line, Tone, clock};
use crate::model::{Rehearsed, Timestamp};
use crate::plan::Plan;
use crate::run::{Instance, State};

/// What nobody may miss about a run under a profile; none for a live one.
pub fn mark(plan: &Plan) -> Option<String> {
    plan.content().profile.as_ref().map(|profile| format!("REHEARSAL under {}", profile.name))
}

/// What the gate at this step asks of rehearsals, and what there is; none where it asks for none.
pub fn at_gate(state: &State, i: Instance, now: Option<Timestamp>) -> Option<String> {
    if !state.asks_for_rehearsal(i) {
        return None;
    }
    Some(match state.rehearsed() {
        Some(found) => match now.map(|now| state.is_rehearsed(i, now)) {
            Some(Err(why)) => format!("not rehearsed: {why}"),
            Some(Ok(())) | None => format!("rehearsed: {}", told(found, now)),
        },
        None => format!("not rehearsed: {}", state.not_rehearsed()),
    })
}

/// What a plan whose gate asks for a rehearsal says of those that are there.
pub fn of_plan(found: &Result<Rehearsed, String>, now: Timestamp) -> Vec<Line> {
    let row = |tone, text| Line::plain("  ").cell(Tone::Faint, 9, "rehearsed").and(tone, text);
    let said = match found {
        Ok(found) => row(Tone::Plain, told(found, Some(now))),
        Err(why) => row(Tone::Bad, format!("none counts: {why}")),
    };
    vec![Line::new(), said]
}

/// The rehearsal in one line.
pub fn told(found: &Rehearsed, now: Option<Timestamp>) -> String {
    let wall = Clock::utc();
    let age = now.map_or_else(String::new, |now| format!(", {} ago", clock::coarse(now.since(found.ended))));
    let mut text = format!("{} under {}, succeeded {} UTC{age}", found.run, found.profile, wall.moment(found.ended));
    let listed = |names: Vec<&str>| names.join(", ");
    if !found.passed_over.is_empty() {
        text.push_str(&format!("; passed over: {}", listed(found.passed_over.iter().map(|step| step.as_str()).collect())));
    }
    if !found.other_params.is_empty() {
        text.push_str(&format!("; with other values of {}", listed(found.other_params.iter().map(String::as_str).collect())));
    }
    text
}
