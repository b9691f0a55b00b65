//! The way of a trace out of this host: OTLP over HTTP, to a collector of OpenTelemetry.
//!
//! The messages are OpenTelemetry's own (generated from its definitions); what is in them is made by `views::trace` and nowhere
//! else. Nothing in here can slow or fail a run: it reads the journal as anybody may, in a thread of its own.

pub mod exporter;
pub mod message;
pub mod outbox;
pub mod sender;
pub mod setting;

pub use exporter::Exporter;
pub use outbox::{Outbox, Tally};
pub use setting::{Setting, SettingError};
