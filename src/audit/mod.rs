//! Proof over a journal: what verifies, what was changed, and where.
//!
//! It reads the journal and is no second log. What it cannot know it says: a chain without a key proves nothing against an
//! administrator of the host.

pub mod bundle;
pub mod bundling;
pub mod claim;
pub mod logged;
pub mod offline;
pub mod proof;
mod seal;
pub mod show;
pub mod trust;
pub mod unpack;
pub mod verify;

pub use crate::log::WitnessLevel;
pub use bundling::{Bundled, BundlingError, Withhold, bundle};
pub use claim::{Claim, Finding, Report, Standing, Subject};
pub use offline::verify_bundle;
pub use proof::{Proof, prove, verify_proof};
pub use show::{ShowError, bundle_lines, lines, proof_line};
pub use trust::Trust;
pub use unpack::{Unpacked, unpack};
pub use verify::{VerifyError, verify, verify_logged};
