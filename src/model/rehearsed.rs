//! A rehearsal for real that counts for a live run: what the gate shows of it, and what a decision there is bound to.

use serde::{Deserialize, Serialize};

use super::{Digest, RunId, StepId, Timestamp};

/// A run of the same steps against other targets, which succeeded.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rehearsed {
    /// The run.
    pub run: RunId,
    /// The profile whose targets it ran against.
    pub profile: String,
    /// When it ended.
    pub ended: Timestamp,
    /// The shape of its plan, which is the shape of the live plan too.
    pub shape: Digest,
    /// The chain of its journal up to the end: another journal under its name is another rehearsal.
    pub chain: Digest,
    /// Forward steps that it passed over, because their `when` was false.
    pub passed_over: Vec<StepId>,
    /// The parameters that had other values in it.
    pub other_params: Vec<String>,
}
