//! What can happen in a run, in the past tense. The journal is a list of these and the state is their fold.
use super::{Resolver, RollbackCause, RunNote, SkipReason};
use crate::model::{Actor, Digest, Finding, RunId, RunOutcome, StepId, Timestamp, Touch, Value};

/// Something that happened.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// The run began; always record 1.
    RunStarted {
        /// The run.
        run: RunId,
        /// The runbook's name.
        runbook: String,
        /// The digest of the stored plan.
        plan: Digest,
        /// Who started it.
        starter: Actor,
    },
    /// An executor opened the journal; its epoch is in the record.
    ExecutorStarted {
        /// Its process id.
        pid: u32,
        /// Its host.
        host: String,
        /// The boot in which its monotonic clock counts.
        boot: String,
        /// Its version of Pointsman.
        version: String,
    },
    /// The executor let go of the run in good order; the run is not over.
    ExecutorStopped {
        /// Why.
        reason: String,
    },
    /// A torn tail was cut from the journal; a copy of the bytes was kept.
    JournalRepaired {
        /// How many bytes.
        bytes: u64,
        /// The file that holds them.
        kept: String,
    },
    /// The wall clock moved against the monotonic clock.
    ClockJumped {
        /// By how much; negative is backwards.
        by_ms: i64,
    },
    /// A person paused the run: nothing new starts.
    Paused {
        /// Who.
        by: Actor,
        /// Why.
        reason: String,
    },
    /// A person ended the pause.
    #[expect(missing_docs, reason = "a person and nothing else")]
    Continued { by: Actor },
    /// The run turned back.
    RollbackStarted {
        /// Why.
        cause: RollbackCause,
    },
    /// A person stopped the run without rollback.
    AbortOrdered {
        /// Who.
        by: Actor,
        /// Why.
        reason: String,
    },
    /// The forward or rollback part is over; `finally` begins.
    FinallyStarted {
        /// How the run will end.
        outcome: RunOutcome,
    },
    /// The run is over.
    RunEnded {
        /// How.
        outcome: RunOutcome,
    },
    /// A person took up a run that had ended with something left to do.
    RunReopened {
        /// Who.
        by: Actor,
    },
    /// A step was passed over; its dependents go on.
    StepSkipped {
        /// The step.
        step: StepId,
        /// Why.
        reason: SkipReason,
    },
    /// The list of a `foreach` became known: one instance per item, `step[item]`. For an undo step: what it has to undo.
    StepSpread {
        /// The step.
        step: StepId,
        /// The items, in order.
        items: Vec<Value>,
    },
    /// The items of a group, or the undos of an undo step, are over.
    GroupEnded {
        /// The step.
        step: StepId,
        /// What did not succeed; empty when all is well.
        failed: Vec<StepId>,
    },
    /// A wait began: an approval was requested, a task given, a hold or a window set.
    WaitStarted {
        /// The step.
        step: StepId,
        /// What the persons are asked, resolved; empty for a hold or a window.
        prompt: String,
        /// When the wait ends by itself or its deadline passes.
        until: Option<Timestamp>,
        /// What the persons can see of the evidence so far.
        evidence: Value,
    },
    /// A hold or a window wait was over, or the delay after the glass of a gate was broken.
    #[expect(missing_docs, reason = "a step and nothing else")]
    WaitEnded { step: StepId },
    /// The deadline of an approval or a task passed. It never approves.
    #[expect(missing_docs, reason = "a step and nothing else")]
    WaitExpired { step: StepId },
    /// A person approved.
    ApprovalGranted {
        /// The step.
        step: StepId,
        /// Who, and how they were recognised.
        by: Actor,
        /// What they said.
        note: String,
    },
    /// A person took their approval back.
    ApprovalWithdrawn {
        /// The step.
        step: StepId,
        /// Who.
        by: Actor,
    },
    /// A person broke the glass of a gate, to open it without its quorum.
    GlassBroken {
        /// The step.
        step: StepId,
        /// Who.
        by: Actor,
        /// Why.
        reason: String,
        /// When it opens, where nobody else breaks it too and nobody says no.
        opens: Option<Timestamp>,
    },
    /// An approval no longer holds, and does not count any more.
    ApprovalLapsed {
        /// The step.
        step: StepId,
        /// Whose it was.
        by: Actor,
        /// What no longer holds.
        reason: String,
    },
    /// A safety rule did not let a step start: it waits for people.
    StartRefused {
        /// The step.
        step: StepId,
        /// The rule, and what was not as it must be.
        reason: String,
    },
    /// A gate that was open closed again, before anything behind it had started: what it was opened for no longer holds.
    GateReopened {
        /// The step.
        step: StepId,
        /// What no longer holds.
        reason: String,
        /// Who targets say they are now, where that is the reason.
        targets: Value,
    },
    /// Something was noted about the run as a whole.
    #[expect(missing_docs, reason = "the note and nothing else")]
    RunNoted { note: RunNote },
    /// The roster, or a file of keys that it names, is not what it was when the plan was made.
    RosterChanged {
        /// The roster as it is now; null where it cannot be read.
        roster: Value,
    },
    /// A person rejected an approval, or reported a task as not done.
    WaitRejected {
        /// The step.
        step: StepId,
        /// Who.
        by: Actor,
        /// Why.
        reason: String,
    },
    /// A person reported a manual task as done.
    TaskReported {
        /// The step.
        step: StepId,
        /// Who.
        by: Actor,
        /// The fields of the form.
        answers: Value,
    },
    /// A person confirmed a step that had succeeded.
    StepConfirmed {
        /// The step.
        step: StepId,
        /// Who.
        by: Actor,
    },
    /// The intent: durable before the effect.
    AttemptStarted {
        /// The step.
        step: StepId,
        /// The number of the attempt, from 1.
        attempt: u32,
        /// The parameters as sent, secrets shown by their place.
        params: Value,
        /// Who the target said it is, just now.
        identity: Value,
        /// What undo and probe need.
        snapshot: Value,
        /// How long the attempt may take.
        timeout_ms: u64,
    },
    /// Something was sent to a target.
    StatementSent {
        /// The step.
        step: StepId,
        /// The attempt.
        attempt: u32,
        /// What was sent, redacted.
        statement: String,
        /// How long it took.
        duration_ms: u64,
        /// How it ended, in a word or two.
        result: String,
    },
    /// Something was asked of a target, which changes nothing there.
    QuestionAsked {
        /// The step.
        step: StepId,
        /// The attempt.
        attempt: u32,
        /// What was asked, redacted.
        question: String,
        /// How long it took.
        duration_ms: u64,
        /// How it ended, in a word or two.
        result: String,
    },
    /// A program printed something.
    OutputCaptured {
        /// The step.
        step: StepId,
        /// The attempt.
        attempt: u32,
        /// `stdout` or `stderr`.
        stream: String,
        /// The text, redacted.
        text: String,
    },
    /// An action said how far it is.
    ProgressNoted {
        /// The step.
        step: StepId,
        /// The attempt.
        attempt: u32,
        /// How far.
        text: String,
    },
    /// The effect was applied and proven.
    AttemptSucceeded {
        /// The step.
        step: StepId,
        /// The attempt.
        attempt: u32,
        /// What later steps can read.
        outputs: Value,
        /// What was asked to prove it, and what came back.
        evidence: Value,
    },
    /// The attempt failed, and it is known that it is over.
    AttemptFailed {
        /// The step.
        step: StepId,
        /// The attempt.
        attempt: u32,
        /// What was tried and what came back.
        error: String,
        /// Whether the target can have changed.
        touch: Touch,
        /// When the next attempt may start, if there is one.
        retry_at: Option<Timestamp>,
    },
    /// Nobody saw the end of the attempt.
    AttemptInterrupted {
        /// The step.
        step: StepId,
        /// The attempt.
        attempt: u32,
        /// Why: the executor died, the connection broke.
        reason: String,
    },
    /// A read-only look at what an interrupted attempt left.
    AttemptProbed {
        /// The step.
        step: StepId,
        /// The attempt.
        attempt: u32,
        /// What the look said.
        finding: Finding,
        /// What was asked and what came back.
        evidence: Value,
    },
    /// An attempt in doubt was decided.
    AttemptResolved {
        /// The step.
        step: StepId,
        /// The attempt.
        attempt: u32,
        /// What it is now taken to be. By policy, `Partial` means: another run is harmless, and `Unknown`: nobody will ask.
        finding: Finding,
        /// Who or what decided.
        by: Resolver,
        /// The outputs, where it counts as applied.
        outputs: Value,
    },
    /// A result arrived for an attempt that is not the current one. Recorded and ignored.
    LateResultIgnored {
        /// The step.
        step: StepId,
        /// The attempt that the result was for.
        attempt: u32,
        /// What the result said.
        result: String,
    },
    /// A person ordered another attempt.
    RetryOrdered {
        /// The step.
        step: StepId,
        /// Who.
        by: Actor,
    },
    /// The intent to undo: durable before the effect.
    UndoStarted {
        /// The step.
        step: StepId,
        /// The number of the undo attempt, from 1.
        attempt: u32,
        /// What is sent, secrets shown by their place.
        params: Value,
    },
    /// The undo was applied and proven.
    UndoSucceeded {
        /// The step.
        step: StepId,
        /// The undo attempt.
        attempt: u32,
        /// What was asked to prove it, and what came back.
        evidence: Value,
    },
    /// The undo failed; a person has to act.
    UndoFailed {
        /// The step.
        step: StepId,
        /// The undo attempt.
        attempt: u32,
        /// What was tried and what came back.
        error: String,
        /// What a person can send by hand.
        manual: Vec<String>,
    },
    /// Nobody saw the end of the undo attempt.
    UndoInterrupted {
        /// The step.
        step: StepId,
        /// The undo attempt.
        attempt: u32,
        /// Why.
        reason: String,
    },
    /// A person decided what an undo left: `Applied` means undone.
    UndoResolved {
        /// The step.
        step: StepId,
        /// What it is now taken to be; `Applied` or `NotApplied`.
        finding: Finding,
        /// Who.
        by: Actor,
    },
    /// An operator command was refused.
    CommandRefused {
        /// The command.
        command: String,
        /// Who asked.
        by: Actor,
        /// Why not.
        reason: String,
    },
}
