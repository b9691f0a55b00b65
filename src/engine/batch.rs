//! What came in since the last turn: ends of verbs, orders, notes.

use tokio::sync::mpsc::UnboundedReceiver;

use super::socket::Incoming;
use crate::connectors::{Note, recorder::NoteKind};
use crate::run::{Answer, Event, Input};

/// What came in since the last turn.
#[derive(Debug, Default)]
pub(super) struct Batch {
    notes: Vec<Input>,
    ends: Vec<Input>,
    pub answers: Vec<tokio::sync::oneshot::Sender<Answer>>,
}

impl Batch {
    pub fn input(&mut self, input: Input) {
        self.ends.push(input);
    }

    pub fn order(&mut self, order: Incoming) {
        self.ends.push(Input::Ordered(order.command, order.by));
        self.answers.push(order.answer);
    }

    /// What changed around the run is known before any order is judged.
    pub fn first(&mut self, changed: Vec<Input>) {
        self.ends.splice(0..0, changed);
    }

    pub fn note(&mut self, note: Note) {
        self.notes.push(Input::Noted(event_of(note)));
    }

    /// The notes that are there already.
    pub fn notes(&mut self, notes: &mut UnboundedReceiver<Note>) {
        while let Ok(note) = notes.try_recv() {
            self.note(note);
        }
    }

    /// Everything, and begins anew. Notes go before the ends of the attempts that they tell of.
    pub fn inputs(&mut self) -> Vec<Input> {
        let mut inputs = std::mem::take(&mut self.notes);
        inputs.append(&mut self.ends);
        inputs
    }
}

fn event_of(note: Note) -> Event {
    let Note { step, attempt, kind } = note;
    match kind {
        NoteKind::Statement { statement, duration_ms, result } => {
            Event::StatementSent { step, attempt, statement: shortened(statement), duration_ms, result: shortened(result) }
        }
        NoteKind::Question { question, duration_ms, result } => {
            Event::QuestionAsked { step, attempt, question: shortened(question), duration_ms, result: shortened(result) }
        }
        NoteKind::Output { stream, text } => {
            Event::OutputCaptured { step, attempt, stream: stream.to_owned(), text: shortened(text) }
        }
        NoteKind::Progress(text) => Event::ProgressNoted { step, attempt, text: shortened(text) },
    }
}

/// A note is for reading; what is longer than anybody reads is cut, and says so.
fn shortened(mut text: String) -> String {
    const LONGEST: usize = 64 << 10;
    if text.len() > LONGEST {
        let whole = text.len();
        text.truncate(text.floor_char_boundary(LONGEST));
        text.push_str(&format!("… ({whole} bytes in all)"));
    }
    text
}
