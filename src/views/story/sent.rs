//! What was sent, by system: every statement that changes something with its end, and how much was only asked.

use std::collections::BTreeMap;

use crate::model::{StepId, Timestamp};
use crate::plan::PlannedUndo;
use crate::run::{Event, Instance, Record, State, StepStatus};

/// A statement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sent {
    /// The record.
    pub seq: u64,
    /// When it was over.
    pub at: Timestamp,
    /// The step.
    pub step: StepId,
    /// `attempt 2` or `undo 1`.
    pub during: String,
    /// What was sent, redacted.
    pub statement: String,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// How it ended.
    pub result: String,
}

/// One system, and what was sent to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct System {
    /// The target's name; for an action without one, what the action is of.
    pub name: String,
    /// The connector, or the family of the action.
    pub connector: String,
    /// What was sent, in order.
    pub statements: Vec<Sent>,
    /// How many questions were asked, which change nothing.
    pub questions: u64,
    /// How long the questions took, in milliseconds.
    pub questions_ms: u64,
}

/// The systems while the records are read.
#[derive(Default)]
pub(super) struct Systems(BTreeMap<(String, String), System>);

impl Systems {
    pub fn take(&mut self, state: &State, record: &Record) {
        match &record.event {
            Event::StatementSent { step, attempt, statement, duration_ms, result } => {
                let Some(i) = state.find(step) else { return };
                let undoes = matches!(state.step(i).status, StepStatus::Undoing | StepStatus::UndoInDoubt);
                let during = if undoes { format!("undo {attempt}") } else { format!("attempt {attempt}") };
                self.at(state, i).statements.push(Sent {
                    seq: record.seq,
                    at: record.at,
                    step: step.clone(),
                    during,
                    statement: statement.clone(),
                    took_ms: *duration_ms,
                    result: result.clone(),
                });
            }
            Event::QuestionAsked { step, duration_ms, .. } => {
                let Some(i) = state.find(step) else { return };
                let system = self.at(state, i);
                system.questions += 1;
                system.questions_ms += duration_ms;
            }
            _ => {}
        }
    }

    pub fn end(self) -> Vec<System> {
        self.0.into_values().collect()
    }

    fn at(&mut self, state: &State, i: Instance) -> &mut System {
        let planned = state.planned(i);
        let undoes = matches!(state.step(i).status, StepStatus::Undoing | StepStatus::UndoInDoubt);
        let (action, target) = match &planned.undo {
            PlannedUndo::Action { action, target, .. } if undoes => (action, target),
            PlannedUndo::NotNeeded
            | PlannedUndo::Auto
            | PlannedUndo::Action { .. }
            | PlannedUndo::Nothing { .. }
            | PlannedUndo::Impossible { .. } => (&planned.action, &planned.target),
        };
        let family = action.split('.').next().unwrap_or_default();
        let (name, connector) = match target {
            Some(name) => {
                let connector = state.plan().content().targets.get(name).map_or(family, |target| &target.connector);
                (name.to_string(), connector)
            }
            None if family == "command" => ("this host".to_owned(), family),
            None => (format!("no target ({family})"), family),
        };
        self.0.entry((name.clone(), connector.to_owned())).or_insert_with(|| System {
            name,
            connector: connector.to_owned(),
            statements: Vec::new(),
            questions: 0,
            questions_ms: 0,
        })
    }
}
