//! The hands: one folder per system, each speaking to it through the contract.
//!
//! A connector gets resolved parameters, a cancel token and a recorder. It knows no run, no journal and no plan.

pub mod command;
pub mod contract;
pub mod file;
pub mod guarded;
pub mod haproxy;
#[cfg(feature = "http")]
pub mod http;
pub mod kept;
#[cfg(feature = "mysql")]
pub mod mysql;
pub mod nginx;
#[cfg(feature = "postgres")]
pub mod pgbouncer;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "rabbitmq")]
pub mod rabbitmq;
pub mod recorder;
#[cfg(feature = "redis")]
pub mod redis;
pub mod registry;
#[cfg(feature = "sqlite")]
pub mod sqlite;
#[cfg(feature = "ssh")]
pub mod ssh;
pub mod tables;
pub mod wait;

mod dotted;
#[cfg(any(feature = "sqlite", feature = "redis", feature = "rabbitmq"))]
mod emptying;
mod excerpt;
mod look;
mod patience;
mod pattern;
mod ramp;
#[cfg(any(feature = "sqlite", feature = "mysql", feature = "postgres"))]
mod rows;
#[cfg(feature = "tls")]
mod tls;
#[cfg_attr(
    not(any(feature = "sqlite", feature = "mysql", feature = "postgres", feature = "redis", feature = "rabbitmq")),
    expect(dead_code, reason = "connectors behind features use the rest of it")
)]
mod watch;

pub use contract::{Act, ActionError, Applied, Blocker, Call, Evidence, Inspect, Inspection, Probed, Target};
pub use recorder::{Note, Recorder};

use recorder::Noted;
pub use registry::{LivePermit, Registry};

/// The target of the step.
fn own_target(call: &Call) -> Result<&Target, ActionError> {
    call.target.as_ref().ok_or_else(|| ActionError::untouched("this action needs a `target`"))
}

/// `1 table`, `3 tables`.
#[cfg_attr(not(feature = "sqlite"), expect(dead_code, reason = "connectors behind features use it"))]
fn count_of(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
