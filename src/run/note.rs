//! What is noted about a run as a whole: that it is a rehearsal, which rehearsal stands behind a live one, and a freeze that lasts
//! longer than clients bear.

use std::collections::BTreeSet;

use super::conductor::{Conductor, Recording};
use super::state::{Instance, Phase, State};
use super::{Event, StepStatus};
use crate::model::{Rehearsed, Span, Timestamp, Value};
use crate::plan::{Plan, StepIndex, Wait};

/// Under which key the evidence of a gate holds the rehearsal: no step has this name.
pub const REHEARSAL: &str = "(rehearsal)";

/// What is noted.
#[derive(Clone, PartialEq, Debug)]
pub enum RunNote {
    /// The run is a rehearsal for real: its targets are those of a profile.
    Rehearsal {
        /// The profile.
        profile: String,
    },
    /// The rehearsals of the same steps were looked through, because a gate asks for one.
    RehearsalSought {
        /// The youngest that counts; null where none does.
        found: Value,
        /// Why none counts; empty where one does.
        reason: String,
    },
    /// The run was started by something that has a trace of its own.
    CalledFrom {
        /// Which span of it, as W3C Trace Context writes it.
        traceparent: String,
    },
    /// Nobody could write for longer than clients bear.
    FreezeOutlasted {
        /// What is frozen.
        frozen: String,
        /// What clients bear, in milliseconds.
        bear_ms: u64,
    },
}

/// What was noted, folded.
#[derive(Clone, Debug, Default)]
pub(super) struct Noted {
    rehearsed: Option<Rehearsed>,
    reason: String,
    /// Where the runbook says what clients bear: what is frozen, the step that denies writes, and the one that ends that.
    freezes: Vec<(String, StepIndex, Option<StepIndex>)>,
    outlasted: BTreeSet<String>,
}

impl Noted {
    pub fn of(plan: &Plan) -> Self {
        let bears = plan.content().movement.as_ref().is_some_and(|movement| movement.clients_bear.is_some());
        let times = if bears { plan.freeze_times() } else { Vec::new() };
        let freezes = times.into_iter().map(|freeze| (freeze.frozen, freeze.from, freeze.until)).collect();
        Self { freezes, ..Self::default() }
    }
}

impl RunNote {
    /// As an event.
    pub const fn event(self) -> Event {
        Event::RunNoted { note: self }
    }
}

impl Conductor {
    /// A freeze that lasts longer than clients bear is on record, once.
    pub(super) fn note_freezes(&mut self, now: Timestamp, journal: &mut impl Recording) {
        let bear_ms = self.state.clients_bear().unwrap_or_default().as_millis();
        let late: Vec<String> =
            self.state.freezes_outlast().filter(|(at, _)| *at <= now).map(|(_, frozen)| frozen.to_owned()).collect();
        for frozen in late {
            self.note(RunNote::FreezeOutlasted { frozen, bear_ms }.event(), journal);
        }
    }
}

impl State {
    pub(super) fn take_note(&mut self, note: &RunNote) -> Result<(), String> {
        match note {
            RunNote::Rehearsal { .. } | RunNote::CalledFrom { .. } => {}
            RunNote::RehearsalSought { found, reason } => {
                self.noted.rehearsed = match found {
                    Value::Null => None,
                    found => Some(
                        serde_json::from_value(found.clone()).map_err(|error| format!("the rehearsal of the record: {error}"))?,
                    ),
                };
                self.noted.reason.clone_from(reason);
            }
            RunNote::FreezeOutlasted { frozen, .. } => drop(self.noted.outlasted.insert(frozen.clone())),
        }
        Ok(())
    }

    /// The rehearsal that stands behind this run, where a gate asks for one.
    pub const fn rehearsed(&self) -> Option<&Rehearsed> {
        self.noted.rehearsed.as_ref()
    }

    /// Why no rehearsal counts, where one was looked for.
    pub fn not_rehearsed(&self) -> &str {
        &self.noted.reason
    }

    /// Whether this gate asks for a rehearsal: a rehearsal itself does not.
    pub fn asks_for_rehearsal(&self, i: Instance) -> bool {
        let asks = matches!(self.planned(i).wait, Some(Wait::Approval { rehearsed_within: Some(_), .. }));
        asks && self.plan.content().profile.is_none()
    }

    /// The gates that ask for a rehearsal and may still use one: what was used stands, and nobody looks for it any more.
    fn awaits_rehearsal(&self) -> impl Iterator<Item = Instance> {
        let open = |i: &Instance| !self.step(*i).status.is_over() || self.relied.contains(i);
        self.instances().filter(move |i| self.asks_for_rehearsal(*i) && open(i))
    }

    /// Whether a rehearsal matters to any gate from now on.
    pub fn seeks_rehearsal(&self) -> bool {
        self.plan.seeks_rehearsal() && self.awaits_rehearsal().next().is_some()
    }

    /// Whether the rehearsal that is known is enough for this gate now.
    ///
    /// # Errors
    /// Why it is not, and what to do.
    pub fn is_rehearsed(&self, i: Instance, now: Timestamp) -> Result<(), String> {
        let Some(Wait::Approval { rehearsed_within: Some(limit), .. }) = &self.planned(i).wait else { return Ok(()) };
        if !self.asks_for_rehearsal(i) {
            return Ok(());
        }
        let asked = format!("the gate asks for a rehearsal of these steps within {limit}");
        match &self.noted.rehearsed {
            None if self.noted.reason.is_empty() => Err(format!("{asked}, and nobody has looked for one yet")),
            None => Err(format!("{asked}, and none counts: {}", self.noted.reason)),
            Some(found) if now.since(found.ended) > limit.as_duration() => {
                Err(format!("{asked}, and the last one, {}, ended at {}", found.run, found.ended))
            }
            Some(_) => Ok(()),
        }
    }

    /// Since when nobody can write, of each freeze that is in place; none where the runbook does not say what clients bear.
    pub fn frozen_now(&self) -> impl Iterator<Item = (&str, Timestamp)> {
        let is_over = matches!(self.phase, Phase::New | Phase::Ended(_));
        self.noted.freezes.iter().filter(move |_| !is_over).filter_map(|(frozen, from, until)| {
            let step = self.step(Instance::of(*from));
            let is_denied = step.touched && step.status != StepStatus::Undone;
            let is_open = until.is_some_and(|until| self.step(Instance::of(until)).status == StepStatus::Succeeded);
            step.started.filter(|_| is_denied && !is_open).map(|since| (frozen.as_str(), since))
        })
    }

    /// How long clients bear that nobody writes.
    pub fn clients_bear(&self) -> Option<Span> {
        self.plan.content().movement.as_ref().and_then(|movement| movement.clients_bear)
    }

    /// The freezes that clients bear no longer from a moment on, where nobody was told so.
    pub(super) fn freezes_outlast(&self) -> impl Iterator<Item = (Timestamp, &str)> {
        let bear = self.clients_bear();
        let open = self.frozen_now().filter(|(frozen, _)| !self.noted.outlasted.contains(*frozen));
        open.filter_map(move |(frozen, since)| bear.map(|bear| (since.plus(bear.as_duration()), frozen)))
    }

    /// Whether the rehearsal that is known is enough for every gate that asks for one and may still use it.
    pub fn is_rehearsed_for_all(&self, now: Timestamp) -> bool {
        self.awaits_rehearsal().all(|i| self.is_rehearsed(i, now).is_ok())
    }
}
