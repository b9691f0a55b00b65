//! Why something happened in a run: what an event says beside what it is.

use crate::model::{Actor, StepId};

/// Why a step was passed over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SkipReason {
    /// Its `when` was false.
    WhenFalse,
    /// A person said so.
    Ordered {
        /// Who.
        by: Actor,
        /// Why.
        reason: String,
    },
}

/// Why a run turned back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RollbackCause {
    /// A step failed.
    StepFailed(StepId),
    /// A person rejected at this step.
    Rejected(StepId),
    /// A deadline passed at this step.
    DeadlinePassed(StepId),
    /// A person ordered it.
    Ordered {
        /// Who.
        by: Actor,
        /// Why.
        reason: String,
    },
}

/// Who or what decided about an attempt in doubt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Resolver {
    /// The read-only look.
    Probe,
    /// The plan's declared policy.
    Policy,
    /// A person.
    Person(Actor),
}
