//! The person behind an event, where one is.

use super::{Event, Resolver, RollbackCause, SkipReason};
use crate::model::Actor;

impl Event {
    /// The person behind it, where one is.
    pub const fn by(&self) -> Option<&Actor> {
        match self {
            Self::RunStarted { starter: by, .. }
            | Self::Paused { by, .. }
            | Self::Continued { by }
            | Self::RollbackStarted { cause: RollbackCause::Ordered { by, .. } }
            | Self::AbortOrdered { by, .. }
            | Self::RunReopened { by }
            | Self::StepSkipped { reason: SkipReason::Ordered { by, .. }, .. }
            | Self::ApprovalGranted { by, .. }
            | Self::ApprovalWithdrawn { by, .. }
            | Self::GlassBroken { by, .. }
            | Self::ApprovalLapsed { by, .. }
            | Self::WaitRejected { by, .. }
            | Self::TaskReported { by, .. }
            | Self::StepConfirmed { by, .. }
            | Self::AttemptResolved { by: Resolver::Person(by), .. }
            | Self::RetryOrdered { by, .. }
            | Self::UndoResolved { by, .. }
            | Self::CommandRefused { by, .. } => Some(by),
            _ => None,
        }
    }
}
