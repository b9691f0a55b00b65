//! Where an action leaves its trace: statements, output, progress. Everything is redacted before it leaves this type.

use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;

use crate::model::{Redactor, StepId, Value};

/// Something an action did or said, for the journal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Note {
    /// The step.
    pub step: StepId,
    /// The attempt.
    pub attempt: u32,
    /// What.
    pub kind: NoteKind,
}

impl Note {
    /// Whether it tells of no change: its record may be made a moment later, with that of others.
    pub const fn is_patient(&self) -> bool {
        match self.kind {
            NoteKind::Question { .. } | NoteKind::Progress(_) => true,
            NoteKind::Output { .. } | NoteKind::Statement { .. } => false,
        }
    }
}

/// The kinds of notes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NoteKind {
    /// Something was sent to a target.
    Statement {
        /// What was sent.
        statement: String,
        /// How long it took.
        duration_ms: u64,
        /// How it ended, in a word or two.
        result: String,
    },
    /// Something was asked of a target, which changes nothing there.
    Question {
        /// What was asked.
        question: String,
        /// How long it took.
        duration_ms: u64,
        /// How it ended, in a word or two.
        result: String,
    },
    /// A program printed something.
    Output {
        /// `stdout` or `stderr`.
        stream: &'static str,
        /// The text.
        text: String,
    },
    /// How far the action is.
    Progress(String),
}

/// [`Recorder::statement`] or [`Recorder::question`]: what was sent, how long it took, how it ended.
pub(super) type Noted = fn(&Recorder, &str, std::time::Duration, &str);

/// Hands notes to whoever keeps the journal.
#[derive(Clone)]
pub struct Recorder {
    step: StepId,
    attempt: u32,
    redactor: Arc<Redactor>,
    sink: Option<UnboundedSender<Note>>,
}

impl Recorder {
    /// A recorder of one attempt.
    pub const fn new(step: StepId, attempt: u32, redactor: Arc<Redactor>, sink: UnboundedSender<Note>) -> Self {
        Self { step, attempt, redactor, sink: Some(sink) }
    }

    /// A recorder whose notes go nowhere, for a dry run. It redacts all the same: what an inspection answers is shown.
    pub const fn silent(step: StepId, redactor: Arc<Redactor>) -> Self {
        Self { step, attempt: 0, redactor, sink: None }
    }

    /// Notes a statement that was sent, and that changes something or may.
    pub fn statement(&self, statement: &str, took: std::time::Duration, result: &str) {
        self.note(NoteKind::Statement {
            statement: self.redact(statement),
            duration_ms: millis(took),
            result: self.redact(result),
        });
    }

    /// Notes a question: whatever the answer, the target is as it was.
    pub fn question(&self, question: &str, took: std::time::Duration, result: &str) {
        self.note(NoteKind::Question { question: self.redact(question), duration_ms: millis(took), result: self.redact(result) });
    }

    /// Notes what a program printed.
    pub fn output(&self, stream: &'static str, text: &str) {
        self.note(NoteKind::Output { stream, text: self.redact(text) });
    }

    /// Notes how far the action is.
    pub fn progress(&self, text: &str) {
        self.note(NoteKind::Progress(self.redact(text)));
    }

    /// `value` without the known secrets. Everything that a verb answers goes through this or [`Recorder::redact`].
    pub fn redact_value(&self, value: &Value) -> Value {
        self.redactor.redact_value(value)
    }

    /// `text` without the known secrets.
    pub fn redact(&self, text: &str) -> String {
        self.redactor.redact(text)
    }

    fn note(&self, kind: NoteKind) {
        if let Some(sink) = &self.sink {
            // A closed sink means that the run is over; there is nobody left to tell.
            let _ = sink.send(Note { step: self.step.clone(), attempt: self.attempt, kind });
        }
    }
}

fn millis(took: std::time::Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Recorder({} attempt {})", self.step, self.attempt)
    }
}
