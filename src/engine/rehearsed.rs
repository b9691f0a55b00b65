//! Whether the steps of a plan were rehearsed for real: the runs of this installation are looked through.

use std::fs;
use std::time::{Duration, Instant, SystemTime};

use super::{EngineError, Home, load};
use crate::journal::Reader;
use crate::model::{Rehearsed, RunId, RunOutcome, Timestamp};
use crate::plan::{Plan, Section};
use crate::run::{Event, Input, Phase, RunNote, SkipReason, State, StepStatus};

/// How soon the runs are looked through again where none counted and nobody gave an order.
const AGAIN: Duration = Duration::from_secs(10);

/// The youngest rehearsal of the same steps that counts, or why none does.
///
/// A run counts when its targets are those of a profile, its plan has the same shape, it succeeded, and nobody passed a step
/// over by hand.
///
/// # Errors
/// When the folder of runs cannot be read.
pub fn rehearsal_of(home: &Home, plan: &Plan) -> Result<Result<Rehearsed, String>, EngineError> {
    let mut why = None;
    for run in home.runs()?.into_iter().rev().filter(|run| is_rehearsal_of(home, run, &plan.content().runbook)) {
        match examined(home, &run, plan) {
            Ok(found) => return Ok(Ok(found)),
            // The youngest is what people remember, so that is the one to speak about.
            Err(reason) => why = why.or(Some(format!("{run} {reason}"))),
        }
    }
    let none = || "no run of this runbook under a profile is here: `pointsman run FILE --targets PROFILE`".to_owned();
    Ok(Err(why.unwrap_or_else(none)))
}

fn is_rehearsal_of(home: &Home, run: &RunId, runbook: &str) -> bool {
    let Ok(mut reader) = Reader::open(&home.folder(run).journal()) else { return false };
    let mut next = || reader.next()?.ok().map(|entry| entry.record.event);
    let is_of = matches!(next(), Some(Event::RunStarted { runbook: of, .. }) if of == runbook);
    is_of && matches!(next(), Some(Event::RunNoted { note: RunNote::Rehearsal { .. } }))
}

fn examined(home: &Home, run: &RunId, plan: &Plan) -> Result<Rehearsed, String> {
    let (state, records) = load(home, run, None).map_err(|error| format!("cannot be read: {error}"))?;
    let content = state.plan().content();
    let Some(profile) = &content.profile else { return Err("ran against the live targets".to_owned()) };
    if state.plan().shape() != plan.shape() {
        return Err("is of other steps: the runbook was changed since".to_owned());
    }
    let ended = match (state.phase(), state.ended()) {
        (Phase::Ended(RunOutcome::Succeeded), Some(ended)) => ended,
        (Phase::Ended(outcome), _) => return Err(format!("ended as {outcome}, and only one that succeeded counts")),
        _ => return Err("is not over".to_owned()),
    };
    let ordered = records.iter().find_map(|record| match &record.event {
        Event::StepSkipped { step, reason: SkipReason::Ordered { by, .. } } => {
            Some(format!("{step} was passed over by {}", by.name()))
        }
        _ => None,
    });
    if let Some(ordered) = ordered {
        return Err(format!("does not count: {ordered}"));
    }
    let theirs = &content.params;
    let other = plan.content().params.iter().filter(|(name, value)| theirs.get(*name) != Some(*value));
    Ok(Rehearsed {
        run: run.clone(),
        profile: profile.name.clone(),
        ended,
        shape: plan.shape(),
        chain: last_chain(home, run)?,
        passed_over: passed_over(&state),
        other_params: other.map(|(name, _)| name.clone()).collect(),
    })
}

fn passed_over(state: &State) -> Vec<crate::model::StepId> {
    let skipped = state
        .instances()
        .filter(|i| state.planned(*i).section == Section::Forward && state.step(*i).status == StepStatus::Skipped);
    skipped.map(|i| state.id(i).clone()).collect()
}

fn last_chain(home: &Home, run: &RunId) -> Result<crate::model::Digest, String> {
    let reader = Reader::open(&home.folder(run).journal()).map_err(|error| error.to_string())?;
    let mut last = crate::model::Digest::ZERO;
    for entry in reader {
        last = entry.map_err(|error| error.to_string())?.chain;
    }
    Ok(last)
}

/// Watches over the rehearsal that stands behind a run, as long as a gate may ask for it.
#[derive(Debug)]
pub(super) struct RehearsalWatch {
    home: Home,
    seen: Option<(RunId, u64, SystemTime)>,
    looked: Option<Instant>,
}

impl RehearsalWatch {
    /// The watch over a run whose plan asks for a rehearsal.
    pub fn of(home: &Home, state: &State) -> Option<Self> {
        state.seeks_rehearsal().then(|| Self { home: home.clone(), seen: None, looked: None })
    }

    /// What became of it, where that is not what the record says. A rehearsal that is on record stays the one that counts as
    /// long as it is there, is the same and is young enough: what was signed about it still holds then.
    pub fn look(&mut self, state: &State, is_asked: bool, now: Timestamp) -> Option<Input> {
        if !state.seeks_rehearsal() {
            return None;
        }
        let known = state.rehearsed();
        if let Some(known) = known.filter(|_| state.is_rehearsed_for_all(now)) {
            if self.seen.is_some() && self.seen == stamp(&self.home, &known.run) {
                return None;
            }
            if examined(&self.home, &known.run, state.plan()).as_ref() == Ok(known) {
                self.seen = stamp(&self.home, &known.run);
                return None;
            }
        } else if !is_asked && self.looked.is_some_and(|at| at.elapsed() < AGAIN) {
            return None;
        }
        self.looked = Some(Instant::now());
        let found = rehearsal_of(&self.home, state.plan()).unwrap_or_else(|error| Err(error.to_string()));
        let (found, reason) = match found {
            Ok(found) if Some(&found) == known => return None,
            Ok(found) => {
                self.seen = stamp(&self.home, &found.run);
                (serde_json::to_value(found).ok()?, String::new())
            }
            Err(reason) if known.is_none() && reason == state.not_rehearsed() => return None,
            Err(reason) => (crate::model::Value::Null, reason),
        };
        Some(Input::Noted(RunNote::RehearsalSought { found, reason }.event()))
    }
}

fn stamp(home: &Home, run: &RunId) -> Option<(RunId, u64, SystemTime)> {
    let meta = fs::metadata(home.folder(run).journal()).ok()?;
    Some((run.clone(), meta.len(), meta.modified().ok()?))
}
