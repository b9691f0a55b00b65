//! The end of a run in words, with why it turned back, who said so and what they said.

use super::{Story, What};
use crate::model::RunOutcome;
use crate::run::{Phase, RollbackCause, State};
use crate::views::event::outcome_tone;
use crate::views::{Tone, clock, rehearsed};

/// The word for how a run ended, or where it is.
pub fn word(state: &State) -> &'static str {
    match state.phase() {
        Phase::Ended(RunOutcome::Succeeded) => "succeeded",
        Phase::Ended(RunOutcome::RolledBack) => "rolled back",
        Phase::Ended(RunOutcome::NeedsAttention) => "needs attention",
        Phase::Ended(RunOutcome::Aborted) => "aborted",
        Phase::New => "not started",
        Phase::Forward => "going forward",
        Phase::RollingBack => "rolling back",
        Phase::Aborting => "aborting",
        Phase::Finally(_) => "in its last steps",
    }
}

/// The tone of it.
pub const fn tone(state: &State) -> Tone {
    match state.phase() {
        Phase::Ended(outcome) => outcome_tone(outcome),
        Phase::New | Phase::Forward | Phase::Finally(_) => Tone::Active,
        Phase::RollingBack | Phase::Aborting => Tone::Wait,
    }
}

/// The one sentence of the report.
pub fn headline(state: &State, story: &Story) -> String {
    let content = state.plan().content();
    let name = if content.title.is_empty() { &content.runbook } else { &content.title };
    let name = rehearsed::mark(state.plan()).map_or_else(|| name.clone(), |mark| format!("{name} ({mark})"));
    let took = clock::length(story.took());
    let why = because(state, story).map_or_else(String::new, |why| format!(" because {why}"));
    match state.phase() {
        Phase::Ended(RunOutcome::Succeeded) => format!("{name}: succeeded after {took}{}.", on_the_way(story)),
        Phase::Ended(RunOutcome::RolledBack) => format!("{name}: rolled back after {took}{why}."),
        Phase::Ended(RunOutcome::NeedsAttention) => {
            format!("{name}: ended after {took} with something left that only a person can finish; it had turned back{why}.")
        }
        Phase::Ended(RunOutcome::Aborted) => format!("{name}: stopped after {took} without rollback{}.", stopped(story)),
        Phase::New | Phase::Forward | Phase::RollingBack | Phase::Aborting | Phase::Finally(_) => {
            format!("{name}: not over after {took}, and {}{why}.", word(state))
        }
    }
}

/// What did not go as usual in a run that succeeded.
fn on_the_way(story: &Story) -> String {
    let retried = story.attempts.iter().filter(|attempt| attempt.again.is_some()).count();
    let skipped = story.skips.iter().filter(|skip| skip.by.is_some()).count();
    let parts = [
        (retried, "attempt that had to be repeated", "attempts that had to be repeated"),
        (skipped, "step passed over", "steps passed over"),
        (story.doubts.len(), "attempt in doubt", "attempts in doubt"),
    ];
    let said: Vec<String> = parts
        .into_iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, one, more)| format!("{count} {}", if count == 1 { one } else { more }))
        .collect();
    if said.is_empty() { String::new() } else { format!(", with {}", said.join(", ")) }
}

fn stopped(story: &Story) -> String {
    let order = story.decisions.iter().rfind(|decision| decision.what == What::Aborted);
    order.map_or_else(String::new, |order| format!(", by order of {}: {}", order.by.name(), order.said))
}

/// Why the run turned back.
pub fn because(state: &State, story: &Story) -> Option<String> {
    Some(match state.cause()? {
        RollbackCause::StepFailed(step) => {
            let error = story.attempts.iter().rev().find(|attempt| attempt.step == *step && attempt.error.is_some());
            let error = error.and_then(|attempt| attempt.error.clone()).map_or_else(String::new, |error| format!(": {error}"));
            format!("step {step} failed{error}")
        }
        RollbackCause::Rejected(step) => {
            let no = story.decisions.iter().rfind(|d| d.what == What::Rejected && d.step.as_ref() == Some(step));
            match no {
                Some(no) => format!("{} rejected at {step}: {}", no.by.name(), no.said),
                None => format!("a person rejected at {step}"),
            }
        }
        RollbackCause::DeadlinePassed(step) => format!("the deadline of {step} passed"),
        RollbackCause::Ordered { by, reason } => format!("{} ordered it: {reason}", by.name()),
    })
}
