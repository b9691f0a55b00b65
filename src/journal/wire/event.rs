//! The form of every event on disk: one line per event, `"tag" Variant { "name on disk" field: Type }`.

use serde::{Deserialize, Serialize};

use super::part::OnDisk;
use crate::model::{Actor, Digest, Finding, RunId, RunOutcome, StepId, Timestamp, Touch, Value};
use crate::run::{Event, Resolver, RollbackCause, RunNote, SkipReason};

/// Writes the mirror enum and both conversions, so that no event can be written and not read.
macro_rules! events {
    ($( $tag:literal $variant:ident { $( $name:literal $field:ident: $type:ty ),* } )*) => {
        /// The tags of all events, as they stand on disk.
        pub const TAGS: &[&str] = &[$( $tag ),*];

        #[derive(Serialize, Deserialize)]
        #[serde(tag = "type", deny_unknown_fields)]
        pub(super) enum EventForm<'a> {
            $(
                #[serde(rename = $tag)]
                $variant { $( #[serde(rename = $name)] $field: <$type as OnDisk>::Form<'a> ),* },
            )*
        }

        /// The tag of an event.
        pub const fn tag(event: &Event) -> &'static str {
            match event {
                $( Event::$variant { .. } => $tag, )*
            }
        }

        impl OnDisk for Event {
            type Form<'a> = EventForm<'a>;

            fn to_disk(&self) -> EventForm<'_> {
                match self {
                    $( Self::$variant { $( $field ),* } => EventForm::$variant { $( $field: $field.to_disk() ),* }, )*
                }
            }

            fn from_disk(form: EventForm<'_>) -> Self {
                match form {
                    $( EventForm::$variant { $( $field ),* } => {
                        Self::$variant { $( $field: <$type as OnDisk>::from_disk($field) ),* }
                    } )*
                }
            }
        }
    };
}

events! {
    "run_started" RunStarted { "run" run: RunId, "runbook" runbook: String, "plan" plan: Digest, "starter" starter: Actor }
    "executor_started" ExecutorStarted { "pid" pid: u32, "host" host: String, "boot" boot: String, "version" version: String }
    "executor_stopped" ExecutorStopped { "reason" reason: String }
    "journal_repaired" JournalRepaired { "bytes" bytes: u64, "kept" kept: String }
    "clock_jumped" ClockJumped { "by_ms" by_ms: i64 }
    "paused" Paused { "by" by: Actor, "reason" reason: String }
    "continued" Continued { "by" by: Actor }
    "rollback_started" RollbackStarted { "cause" cause: RollbackCause }
    "abort_ordered" AbortOrdered { "by" by: Actor, "reason" reason: String }
    "finally_started" FinallyStarted { "outcome" outcome: RunOutcome }
    "run_ended" RunEnded { "outcome" outcome: RunOutcome }
    "run_reopened" RunReopened { "by" by: Actor }

    "step_skipped" StepSkipped { "step" step: StepId, "reason" reason: SkipReason }
    "step_spread" StepSpread { "step" step: StepId, "items" items: Vec<Value> }
    "group_ended" GroupEnded { "step" step: StepId, "failed" failed: Vec<StepId> }
    "wait_started" WaitStarted {
        "step" step: StepId, "prompt" prompt: String, "until" until: Option<Timestamp>, "evidence" evidence: Value
    }
    "wait_ended" WaitEnded { "step" step: StepId }
    "wait_expired" WaitExpired { "step" step: StepId }
    "approval_granted" ApprovalGranted { "step" step: StepId, "by" by: Actor, "note" note: String }
    "approval_withdrawn" ApprovalWithdrawn { "step" step: StepId, "by" by: Actor }
    "glass_broken" GlassBroken {
        "step" step: StepId, "by" by: Actor, "reason" reason: String, "opens" opens: Option<Timestamp>
    }
    "approval_lapsed" ApprovalLapsed { "step" step: StepId, "by" by: Actor, "reason" reason: String }
    "gate_reopened" GateReopened { "step" step: StepId, "reason" reason: String, "targets" targets: Value }
    "run_noted" RunNoted { "note" note: RunNote }
    "roster_changed" RosterChanged { "roster" roster: Value }
    "wait_rejected" WaitRejected { "step" step: StepId, "by" by: Actor, "reason" reason: String }
    "task_reported" TaskReported { "step" step: StepId, "by" by: Actor, "answers" answers: Value }
    "step_confirmed" StepConfirmed { "step" step: StepId, "by" by: Actor }

    "attempt_started" AttemptStarted {
        "step" step: StepId, "attempt" attempt: u32, "params" params: Value, "identity" identity: Value,
        "snapshot" snapshot: Value, "timeout_ms" timeout_ms: u64
    }
    "statement_sent" StatementSent {
        "step" step: StepId, "attempt" attempt: u32, "statement" statement: String, "duration_ms" duration_ms: u64,
        "result" result: String
    }
    "question_asked" QuestionAsked {
        "step" step: StepId, "attempt" attempt: u32, "question" question: String, "duration_ms" duration_ms: u64,
        "result" result: String
    }
    "output_captured" OutputCaptured { "step" step: StepId, "attempt" attempt: u32, "stream" stream: String, "text" text: String }
    "progress_noted" ProgressNoted { "step" step: StepId, "attempt" attempt: u32, "text" text: String }
    "attempt_succeeded" AttemptSucceeded {
        "step" step: StepId, "attempt" attempt: u32, "outputs" outputs: Value, "evidence" evidence: Value
    }
    "attempt_failed" AttemptFailed {
        "step" step: StepId, "attempt" attempt: u32, "error" error: String, "touch" touch: Touch,
        "retry_at" retry_at: Option<Timestamp>
    }
    "attempt_interrupted" AttemptInterrupted { "step" step: StepId, "attempt" attempt: u32, "reason" reason: String }
    "attempt_probed" AttemptProbed {
        "step" step: StepId, "attempt" attempt: u32, "finding" finding: Finding, "evidence" evidence: Value
    }
    "attempt_resolved" AttemptResolved {
        "step" step: StepId, "attempt" attempt: u32, "finding" finding: Finding, "by" by: Resolver, "outputs" outputs: Value
    }
    "late_result_ignored" LateResultIgnored { "step" step: StepId, "attempt" attempt: u32, "result" result: String }
    "retry_ordered" RetryOrdered { "step" step: StepId, "by" by: Actor }

    "undo_started" UndoStarted { "step" step: StepId, "attempt" attempt: u32, "params" params: Value }
    "undo_succeeded" UndoSucceeded { "step" step: StepId, "attempt" attempt: u32, "evidence" evidence: Value }
    "undo_failed" UndoFailed {
        "step" step: StepId, "attempt" attempt: u32, "error" error: String, "manual" manual: Vec<String>
    }
    "undo_interrupted" UndoInterrupted { "step" step: StepId, "attempt" attempt: u32, "reason" reason: String }
    "undo_resolved" UndoResolved { "step" step: StepId, "finding" finding: Finding, "by" by: Actor }
    "start_refused" StartRefused { "step" step: StepId, "reason" reason: String }
    "command_refused" CommandRefused { "command" command: String, "by" by: Actor, "reason" reason: String }
}
