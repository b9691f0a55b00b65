//! What the run is doing, read from its own journal: the same records and the same fold as the executor's.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::engine::{EngineError, Home};
use crate::journal::{ReadError, Reader, RunFolder};
use crate::model::{RunOutcome, StepId};
use crate::plan::{Plan, StoredPlanError};
use crate::run::{Event, FoldError, Phase, State, StepStatus};
use crate::views::Line;
use crate::views::line::Columns;

/// Follows the one run of a demo.
#[derive(Debug)]
pub struct Watch {
    home: Home,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    reader: Reader,
    state: State,
    prompts: HashMap<StepId, String>,
    executors: usize,
    columns: Columns,
}

/// Where the run stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Look {
    /// The run.
    pub run: String,
    /// How it ended, once it has.
    pub outcome: Option<RunOutcome>,
    /// How many executors have driven it so far.
    pub executors: usize,
    /// What happened since the last look, without the statements and the output of programs.
    pub news: Vec<Line>,
    statuses: HashMap<StepId, StepStatus>,
    prompts: HashMap<StepId, String>,
}

/// Why a run cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The folder of runs cannot be read.
    #[error(transparent)]
    Home(#[from] EngineError),
    /// Its folder cannot be read.
    #[error("the run's folder cannot be read")]
    Io(#[from] io::Error),
    /// Its journal cannot be read.
    #[error(transparent)]
    Journal(#[from] ReadError),
    /// Its plan cannot be read.
    #[error(transparent)]
    Plan(#[from] StoredPlanError),
    /// Its records make no sense.
    #[error(transparent)]
    Fold(#[from] FoldError),
}

impl Watch {
    /// Watches the run that will appear in `home`.
    pub fn new(home: &Path) -> Self {
        Self { home: Home::new(home), open: None }
    }

    /// Where the run stands now; `None` before its first record.
    ///
    /// # Errors
    /// When its journal or its plan is damaged.
    pub fn look(&mut self) -> Result<Option<Look>, WatchError> {
        if self.open.is_none() {
            self.open = self.home.runs()?.first().map_or(Ok(None), |run| open(&self.home.folder(run)))?;
        }
        let Some(open) = &mut self.open else { return Ok(None) };
        let news = open.read_on()?;
        let Open { state, prompts, executors, .. } = open;
        let Some(run) = state.run() else { return Ok(None) };
        let outcome = match state.phase() {
            Phase::Ended(outcome) => Some(outcome),
            Phase::New | Phase::Forward | Phase::RollingBack | Phase::Aborting | Phase::Finally(_) => None,
        };
        let statuses = state.instances().map(|i| (state.id(i).clone(), state.step(i).status)).collect();
        Ok(Some(Look { run: run.to_string(), outcome, executors: *executors, news, statuses, prompts: prompts.clone() }))
    }
}

impl Look {
    /// Where a step stands.
    pub fn status(&self, step: &str) -> Option<StepStatus> {
        self.statuses.iter().find(|(id, _)| id.as_str() == step).map(|(_, status)| *status)
    }

    /// What persons are asked at a step.
    pub fn prompt(&self, step: &str) -> Option<&str> {
        self.prompts.iter().find(|(id, _)| id.as_str() == step).map(|(_, prompt)| prompt.as_str())
    }
}

impl Open {
    fn read_on(&mut self) -> Result<Vec<Line>, WatchError> {
        let mut news = Vec::new();
        for entry in self.reader.by_ref() {
            let record = entry?.record;
            if let Event::WaitStarted { step, prompt, .. } = &record.event {
                self.prompts.insert(step.clone(), prompt.clone());
            }
            self.executors += usize::from(matches!(record.event, Event::ExecutorStarted { .. }));
            if !matches!(record.event, Event::StatementSent { .. } | Event::QuestionAsked { .. } | Event::OutputCaptured { .. }) {
                news.push(self.columns.line(&record));
            }
            self.state.apply(&record)?;
        }
        Ok(news)
    }
}

/// Opens the journal; `None` while its first record is not there.
fn open(folder: &RunFolder) -> Result<Option<Open>, WatchError> {
    let Some(first) = Reader::open(&folder.journal())?.next() else { return Ok(None) };
    let Event::RunStarted { plan, .. } = first?.record.event else { return Ok(None) };
    let plan = Arc::new(Plan::from_stored(fs::read(folder.plan())?, plan)?);
    let reader = Reader::open(&folder.journal())?;
    let columns = Columns::of(&plan);
    Ok(Some(Open { reader, state: State::new(plan), prompts: HashMap::new(), executors: 0, columns }))
}
