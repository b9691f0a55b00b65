//! How long each action took: the attempts that succeeded, over many runs.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::model::{RunId, StepId, Timestamp};
use crate::plan::history::quantile;
use crate::run::{Record, State};
use crate::views::clock::length;
use crate::views::story::Story;
use crate::views::{Line, Tone};

/// The lengths of one action.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ActionLengths {
    /// The action.
    pub action: String,
    /// How many attempts succeeded.
    pub count: usize,
    /// What half of them do not exceed.
    pub p50: Duration,
    /// What nine of ten do not exceed.
    pub p90: Duration,
    /// The longest: how long, in which run, which step.
    pub longest: (Duration, RunId, StepId),
}

/// The lengths over these runs, by the name of the action.
pub fn lengths<'a>(runs: impl Iterator<Item = (&'a State, &'a [Record])>) -> Vec<ActionLengths> {
    let mut samples: BTreeMap<String, Vec<(u64, RunId, StepId)>> = BTreeMap::new();
    for (state, records) in runs {
        let Some(run) = state.run() else { continue };
        let until = records.last().map_or_else(Timestamp::default, |record| record.at);
        let story = Story::of(state.plan(), records, until);
        for piece in story.pieces.iter().filter(|piece| piece.is_success()) {
            let ms = u64::try_from(piece.took.as_millis()).unwrap_or(u64::MAX);
            let action = state.planned(piece.instance).action.clone();
            samples.entry(action).or_default().push((ms, run.clone(), piece.step.clone()));
        }
    }
    let of = |(action, mut samples): (String, Vec<(u64, RunId, StepId)>)| {
        samples.sort_by_key(|(ms, ..)| *ms);
        let sorted: Vec<u64> = samples.iter().map(|(ms, ..)| *ms).collect();
        let at = |percent| Duration::from_millis(quantile(&sorted, percent).unwrap_or_default());
        let (ms, run, step) = samples.pop()?;
        let longest = (Duration::from_millis(ms), run, step);
        Some(ActionLengths { action, count: sorted.len(), p50: at(50), p90: at(90), longest })
    };
    samples.into_iter().filter_map(of).collect()
}

/// The table for a person.
pub fn lengths_text(found: &[ActionLengths]) -> Vec<Line> {
    let width = found.iter().map(|row| row.action.len()).max().unwrap_or(0).max(6);
    let row = |tone, action: &str, count: &str, p50: &str, p90: &str, longest: &str| {
        Line::new()
            .cell(tone, width, action)
            .cell(tone, 8, format!("{count:>8}"))
            .cell(tone, 6, format!("{p50:>6}"))
            .cell(tone, 6, format!("{p90:>6}"))
            .and(tone, longest)
    };
    let mut lines = vec![row(Tone::Faint, "action", "attempts", "P50", "P90", "longest")];
    lines.extend(found.iter().map(|found| {
        let (took, run, step) = &found.longest;
        let longest = format!("{} at {step} in {run}", length(*took));
        row(Tone::Plain, &found.action, &found.count.to_string(), &length(found.p50), &length(found.p90), &longest)
    }));
    lines
}

/// The table for a program.
pub fn lengths_json(found: &[ActionLengths]) -> Value {
    let ms = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let rows = found.iter().map(|found| {
        let (took, run, step) = &found.longest;
        json!({
            "action": found.action,
            "attempts": found.count,
            "p50_ms": ms(found.p50),
            "p90_ms": ms(found.p90),
            "longest": { "ms": ms(*took), "run": run, "step": step },
        })
    });
    Value::Array(rows.collect())
}
