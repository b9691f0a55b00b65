//! Proof over a journal: what verifies, what was changed, and where.
//!
//! It reads the journal and is no second log. What it cannot know it says: a chain without a key proves nothing against an
//! administrator of the host.

pub mod claim;
pub mod show;
pub mod verify;

pub use claim::{Claim, Finding, Report, Standing, Subject, WitnessLevel};
pub use show::{ShowError, lines};
pub use verify::{VerifyError, verify};
