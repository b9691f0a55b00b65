//! The parameters of every wait for something that moves by itself.

use super::{ParamSpec, ParamType};

/// The pause between two questions.
pub(super) const EVERY: ParamSpec =
    ParamSpec::default("every", ParamType::Duration, "\"200ms\"", "the pause between two askings");
/// The deadline.
pub(super) const WITHIN: ParamSpec = ParamSpec::required("within", ParamType::Duration, "how long it may take");
/// When to give up before it.
pub(super) const NO_PROGRESS: ParamSpec =
    ParamSpec::default("no_progress_for", ParamType::Duration, "\"30s\"", "it fails when nothing moved for this long");
