//! How long a step usually takes, where no run and no rehearsal has shown it: declared defaults, by what the step is.
//!
//! They are guesses, and whoever shows a figure made of them says so. `History` knows better as soon as anything ran.

use super::{PlannedStep, StepKind};
use crate::catalog::{self, Nature};
use crate::model::{Span, Value};

/// A look, a change, a notice, a program, and the progress of something that moves by itself, in milliseconds.
const LOOK_MS: u64 = 1_000;
const CHANGE_MS: u64 = 2_000;
const NOTICE_MS: u64 = 500;
const PROGRAM_MS: u64 = 3_000;
const PROGRESS_MS: u64 = 10_000;

impl PlannedStep {
    /// How long one attempt usually takes when all goes well; never more than its timeout.
    pub fn usual(&self) -> Span {
        let Some(spec) = catalog::action(&self.action) else { return Span::default() };
        let base = match spec.nature {
            _ if self.action == "command" || self.action.ends_with(".command") => PROGRAM_MS,
            _ if self.waits_for_progress() => self.span("within").map_or(PROGRESS_MS, |within| (within / 3).min(PROGRESS_MS)),
            Nature::ReadOnly => LOOK_MS,
            Nature::Mutating => CHANGE_MS,
            Nature::Notify => NOTICE_MS,
            Nature::Approval | Nature::Hold | Nature::Window | Nature::Manual => 0,
        };
        let shares = match super::facts::parameter(&self.with, "ramp") {
            Some(Value::Array(shares)) => shares.len() as u64,
            Some(_) | None => 1,
        };
        let dwell = self.span("dwell").unwrap_or(0).saturating_mul(shares.max(1));
        let all = base.saturating_add(self.span("stable_for").unwrap_or(0)).saturating_add(dwell);
        Span::from_millis(all.min(self.timeout.as_millis()))
    }

    /// What it takes in any case when it succeeds: the calm that it waits for.
    pub fn certain(&self) -> Span {
        match self.kind {
            StepKind::Action => Span::from_millis(self.span("stable_for").unwrap_or(0).min(self.timeout.as_millis())),
            StepKind::Group { .. } | StepKind::Spread { .. } | StepKind::Undo(_) => Span::default(),
        }
    }

    /// How long its undo usually takes: as long as one change.
    pub fn usual_undo(&self) -> Span {
        Span::from_millis(CHANGE_MS.min(self.timeout.as_millis()))
    }

    /// Whether it waits for something that moves by itself: a replica, a queue, sessions.
    pub fn waits_for_progress(&self) -> bool {
        let is_action = matches!(self.kind, StepKind::Action | StepKind::Spread { .. });
        let has = |name: &str| catalog::action(&self.action).is_some_and(|spec| spec.params.iter().any(|p| p.name == name));
        is_action && (has("no_progress_for") || has("stable_for"))
    }

    /// A parameter that is a length of time, in milliseconds, where the plan knows it.
    pub fn span(&self, name: &str) -> Option<u64> {
        match super::facts::parameter(&self.with, name)? {
            Value::String(text) => Span::parse(&text).ok().map(Span::as_millis),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }
}
