//! What is noted about a run as a whole: that it is a rehearsal, and which rehearsal stands behind a live one.

use super::Event;
use super::state::{Instance, State};
use crate::model::{Rehearsed, Timestamp, Value};
use crate::plan::Wait;

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
}

/// What was noted, folded.
#[derive(Clone, Debug, Default)]
pub(super) struct Noted {
    rehearsed: Option<Rehearsed>,
    reason: String,
}

impl RunNote {
    /// As an event.
    pub const fn event(self) -> Event {
        Event::RunNoted { note: self }
    }
}

impl State {
    pub(super) fn take_note(&mut self, note: &RunNote) -> Result<(), String> {
        match note {
            RunNote::Rehearsal { .. } => {}
            RunNote::RehearsalSought { found, reason } => {
                self.noted.rehearsed = match found {
                    Value::Null => None,
                    found => Some(
                        serde_json::from_value(found.clone()).map_err(|error| format!("the rehearsal of the record: {error}"))?,
                    ),
                };
                self.noted.reason.clone_from(reason);
            }
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

    /// Whether any gate of the plan asks for a rehearsal.
    pub fn seeks_rehearsal(&self) -> bool {
        self.plan.seeks_rehearsal()
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

    /// Whether the rehearsal that is known is enough for every gate that asks for one.
    pub fn is_rehearsed_for_all(&self, now: Timestamp) -> bool {
        self.instances().all(|i| self.is_rehearsed(i, now).is_ok())
    }
}
