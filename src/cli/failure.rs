//! What to try after an error: one hint per kind, in the words of the command line.

use super::desk::Desk;
use crate::engine::EngineError;
use crate::views::{Line, card};

/// A hint for this error, where there is one.
pub fn hint(error: &anyhow::Error, desk: &Desk) -> Option<String> {
    let how = desk.how();
    match engine(error)? {
        EngineError::RunNotFound { asked, .. } if asked == "latest" => Some("`run FILE` starts one".to_owned()),
        EngineError::RunNotFound { runs, .. } if runs.is_empty() => {
            Some("`status` lists the runs; --home says where else to look".to_owned())
        }
        EngineError::RunNotFound { .. } => Some("type more of its id".to_owned()),
        EngineError::RunExists(run) => Some(format!("give another --id, or go on with it: `{}`", how.on_run("resume", run))),
        EngineError::Busy { run, .. } => Some(format!("orders reach it all the same; `{}` shows it", how.on_run("status", run))),
        EngineError::TargetBusy { .. } => Some("wait for the end of that run, or finish it first".to_owned()),
        EngineError::Open(_) | EngineError::Read(_) => Some(
            "`audit verify RUN` says what is damaged; `journal salvage RUN --to FOLDER` copies what can be trusted".to_owned(),
        ),
        EngineError::Journal { .. } => {
            Some("free the disk or mend it, then `resume`: what was under way is looked at first".to_owned())
        }
        EngineError::Plan(_) | EngineError::Fold(_) => Some("`audit verify RUN` says what does not fit".to_owned()),
        EngineError::NoAnswer(_)
        | EngineError::Unbegun
        | EngineError::NoWitness(_)
        | EngineError::Unrecognised(_)
        | EngineError::Io { .. }
        | EngineError::NoHome => None,
    }
}

/// After a failed journal: what would have to be undone by hand.
pub fn rollback_card(error: &anyhow::Error) -> Vec<Line> {
    match engine(error) {
        Some(EngineError::Journal { card, .. }) => card::lines(card),
        Some(_) | None => Vec::new(),
    }
}

fn engine(error: &anyhow::Error) -> Option<&EngineError> {
    error.chain().find_map(|cause| cause.downcast_ref::<EngineError>())
}
