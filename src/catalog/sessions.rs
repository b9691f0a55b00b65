//! What every ending of a database's sessions has in common.

use super::{OutputSpec, ParamSpec, ParamType};

/// What to do about sessions that come back.
pub(super) const RECONNECTS: ParamSpec = ParamSpec::default(
    "reconnects",
    ParamType::OneOf(&["report", "refuse"]),
    "\"report\"",
    "what to do about sessions that are opened meanwhile: name them in the evidence, or fail",
);
/// The deadline.
pub(super) const GONE_WITHIN: ParamSpec =
    ParamSpec::default("within", ParamType::Duration, "\"10s\"", "how long they may take to be gone; the step fails then");
/// How many it ended.
pub(super) const CUT: OutputSpec = OutputSpec { name: "sessions_cut", doc: "how many sessions were ended" };
