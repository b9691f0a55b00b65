//! The rollback card: what would have to be undone by hand at this moment, last first. Printable at any time.

use serde_json::{Value, json};

use super::clock::coarse;
use super::{Clock, Line, Tone, rehearsed};
use crate::run::{CardLine, State};

/// The card of a run.
pub fn text(state: &State) -> Vec<Line> {
    if state.is_past_no_return() {
        return vec![Line::toned(Tone::Wait, "The run is past its point of no return: there is no way back.")];
    }
    let card = state.rollback_card();
    if card.is_empty() {
        return vec![Line::plain("Nothing would have to be undone.")];
    }
    let clock = state.rollback_clock().map(|clock| {
        let (path, wall) = (coarse(clock.path_back.as_duration()), Clock::of(state.plan()));
        let text = format!("the way back takes up to {path}: turn back by {} {}", wall.moment(clock.last_moment()), wall.zone());
        Line::toned(Tone::Wait, text)
    });
    let mark = rehearsed::mark(state.plan()).map(|mark| Line::toned(Tone::Wait, format!("{mark}: not the live targets")));
    mark.into_iter().chain(clock).chain(lines(&card)).collect()
}

/// The lines of a card.
pub fn lines(card: &[CardLine]) -> Vec<Line> {
    let mut lines = Vec::new();
    if !card.is_empty() {
        lines.push(Line::toned(Tone::Strong, "rollback card: to be undone by hand, in this order"));
    }
    for (number, entry) in card.iter().enumerate() {
        let at = entry.target.as_ref().map_or_else(String::new, |target| format!(" at {target}"));
        let line = Line::plain(format!("{:>3}. ", number + 1)).and(Tone::Strong, entry.step.as_str());
        lines.push(line.and(Tone::Plain, format!("  {}{at} ({})", entry.action, entry.status)));
        if !entry.snapshot.is_null() {
            lines.push(Line::plain("       ").and(Tone::Faint, format!("as it was: {}", entry.snapshot)));
        }
        lines.extend(entry.manual.iter().map(|statement| Line::plain(format!("       {statement}"))));
    }
    lines
}

/// The card for a program.
pub fn json(state: &State) -> Value {
    let card: Vec<Value> = state
        .rollback_card()
        .into_iter()
        .map(|entry| {
            json!({
                "step": entry.step.as_str(),
                "status": super::status::status_word(entry.status),
                "action": entry.action,
                "target": entry.target,
                "snapshot": entry.snapshot,
                "manual": entry.manual,
            })
        })
        .collect();
    json!({ "run": state.run().map(|run| run.as_str()), "past_point_of_no_return": state.is_past_no_return(), "card": card })
}
