//! What can go wrong around a run, as opposed to inside it.

use std::io;
use std::path::PathBuf;

use crate::authority::Unrecognised;
use crate::journal::{JournalError, LockError, OpenError, ReadError};
use crate::model::{RunId, TargetName, WitnessLevel};
use crate::plan::StoredPlanError;
use crate::run::{CardLine, FoldError};

/// Why the engine could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// There is no run of that name.
    #[error("there is no run `{asked}` in {}{}", home.display(), known(.runs))]
    RunNotFound {
        /// What was asked for.
        asked: String,
        /// Where it was looked for.
        home: PathBuf,
        /// The runs that begin with it.
        runs: Vec<RunId>,
    },
    /// A run of that name exists already.
    #[error("a run `{0}` exists already")]
    RunExists(RunId),
    /// Another executor drives the run.
    #[error("another executor drives the run {run}")]
    Busy {
        /// The run.
        run: RunId,
        /// Who holds it.
        #[source]
        source: LockError,
    },
    /// Another live run acts on the same target.
    #[error("the target {target} is in use by the run {holder}: one live run per target")]
    TargetBusy {
        /// The target.
        target: TargetName,
        /// The run that uses it.
        holder: String,
    },
    /// The stored plan is missing or not the one the run started with.
    #[error("the plan of the run cannot be used")]
    Plan(#[source] StoredPlanError),
    /// The journal could not be opened.
    #[error("the journal of the run cannot be opened")]
    Open(#[source] OpenError),
    /// The journal could not be read.
    #[error("the journal of the run cannot be read")]
    Read(#[source] ReadError),
    /// A record cannot follow the ones before it.
    #[error("the journal does not tell a possible run")]
    Fold(#[source] FoldError),
    /// A record could not be made durable: nothing new was started after that.
    #[error("the journal failed; nothing new was started after that")]
    Journal {
        /// What failed.
        #[source]
        source: JournalError,
        /// What would have to be undone by hand.
        card: Vec<CardLine>,
    },
    /// The person could not be recognised.
    #[error(transparent)]
    Unrecognised(#[from] Unrecognised),
    /// A run that was made and not begun: its first record comes when somebody drives it.
    #[error("the run has no record yet")]
    Unbegun,
    /// The executor of a live run did not answer.
    #[error("the executor of the run did not answer: {0}")]
    NoAnswer(String),
    /// A runbook asks for a witness that the installation does not have.
    #[error(
        "the runbook asks for {0} (`witness:`), and this installation names nobody who could give it: \
         `pointsman init --witness-key KEY --witness-url URL` names a witness (L2), `pointsman init --store FOLDER` a store (L3)"
    )]
    NoWitness(WitnessLevel),
    /// A file or folder could not be used.
    #[error("{attempted}: {}", path.display())]
    Io {
        /// What was tried.
        attempted: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// There is no folder for runs.
    #[error("where do runs live? set POINTSMAN_HOME or give --home, because neither XDG_STATE_HOME nor HOME is set")]
    NoHome,
}

impl EngineError {
    pub(super) fn io(attempted: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { attempted, path, source }
    }
}

fn known(runs: &[RunId]) -> String {
    if runs.is_empty() {
        return String::new();
    }
    let names: Vec<&str> = runs.iter().map(RunId::as_str).collect();
    format!("; it could mean {}", names.join(" or "))
}
