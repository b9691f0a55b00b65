//! The hands: one folder per system, each speaking to it through the contract.
//!
//! A connector gets resolved parameters, a cancel token and a recorder. It knows no run, no journal and no plan.

pub mod command;
pub mod contract;
pub mod file;
pub mod guarded;
#[cfg(feature = "http")]
pub mod http;
pub mod recorder;
pub mod registry;
#[cfg(feature = "sqlite")]
pub mod sqlite;
pub mod tables;
pub mod wait;

mod dotted;
mod excerpt;
mod look;
mod patience;

pub use contract::{Act, ActionError, Applied, Blocker, Call, Evidence, Inspect, Inspection, Probed, Target};
pub use recorder::{Note, Recorder};
pub use registry::{LivePermit, Registry};
