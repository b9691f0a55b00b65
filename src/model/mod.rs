//! Words that every room shares: ids, time, digests, values, secrets, people, outcomes.
//!
//! Nothing here reads a clock, a file or the environment, and nothing here knows another room.

pub mod actor;
pub mod arguments;
pub mod condition;
pub mod digest;
pub mod duration;
pub mod id;
pub mod identity_provider;
pub mod outcome;
pub mod percent;
pub mod redactor;
pub mod rehearsed;
pub mod roster;
pub mod secret;
pub mod timestamp;
pub mod witness_level;

pub use actor::{Actor, Authentication};
pub use arguments::{ArgumentError, Arguments};
pub use condition::Condition;
pub use digest::Digest;
pub use duration::Span;
pub use id::{PersonId, RoleName, RunId, StepId, TargetName};
pub use identity_provider::IdentityProvider;
pub use outcome::{Finding, RunOutcome, Touch};
pub use percent::Percent;
pub use redactor::Redactor;
pub use rehearsed::Rehearsed;
pub use roster::{KeyFile, Person, Pinned, Roster};
pub use secret::SecretRef;
pub use timestamp::Timestamp;
pub use witness_level::WitnessLevel;

/// A JSON value: what parameters, outputs, snapshots and evidence are made of.
pub use serde_json::Value;

/// A JSON object whose keys keep the order in which they were written.
pub type Object = serde_json::Map<String, Value>;
