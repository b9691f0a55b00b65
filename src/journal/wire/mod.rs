//! The names on disk: the JSON inside a frame, and the only place that knows it.
//!
//! `run::Event` is free to be renamed; what is written here stays readable for ever (`tests/compat/`). Names on disk are
//! literals, never derived from a Rust name.

mod event;
mod note;
mod part;

use serde::{Deserialize, Serialize};

use crate::model::Timestamp;
use crate::run::Event;
use event::EventForm;
pub use event::{TAGS, tag};
use part::{Moment, OnDisk};

/// The payload of a frame: `{"at":"2026-11-21T00:00:00.000Z","uptime_ms":1,"event":{"type":"run_started",…}}`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload<'a> {
    #[serde(rename = "at")]
    at: Moment,
    #[serde(rename = "uptime_ms")]
    uptime_ms: u64,
    #[serde(rename = "event")]
    event: EventForm<'a>,
}

/// What a payload says: the two clocks and the event.
#[derive(Clone, PartialEq, Debug)]
pub struct Content {
    /// The wall clock.
    pub at: Timestamp,
    /// The monotonic clock of that boot, in milliseconds.
    pub uptime_ms: u64,
    /// What happened.
    pub event: Event,
}

/// Appends the JSON of one payload to `out`.
///
/// # Errors
/// When a value inside the event is no JSON; nothing that the product builds is.
pub fn encode(at: Timestamp, uptime_ms: u64, event: &Event, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    serde_json::to_writer(out, &Payload { at: Moment(at), uptime_ms, event: event.to_disk() })
}

/// Reads the JSON of one payload.
///
/// # Errors
/// When the bytes are not a payload that this or an earlier version wrote.
pub fn decode(payload: &[u8]) -> Result<Content, serde_json::Error> {
    let Payload { at: Moment(at), uptime_ms, event } = serde_json::from_slice(payload)?;
    Ok(Content { at, uptime_ms, event: Event::from_disk(event) })
}
