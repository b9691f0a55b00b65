//! The form on disk of what is noted about a run as a whole.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::part::OnDisk;
use crate::model::Value;
use crate::run::RunNote;

#[derive(Serialize, Deserialize)]
#[serde(tag = "about", deny_unknown_fields)]
pub(super) enum RunNoteForm<'a> {
    #[serde(rename = "rehearsal")]
    Rehearsal { profile: Cow<'a, str> },
    #[serde(rename = "rehearsal_sought")]
    RehearsalSought { found: Cow<'a, Value>, reason: Cow<'a, str> },
    #[serde(rename = "called_from")]
    CalledFrom { traceparent: Cow<'a, str> },
    #[serde(rename = "freeze_outlasted")]
    FreezeOutlasted { frozen: Cow<'a, str>, bear_ms: u64 },
}

impl OnDisk for RunNote {
    type Form<'a> = RunNoteForm<'a>;

    fn to_disk(&self) -> RunNoteForm<'_> {
        match self {
            Self::Rehearsal { profile } => RunNoteForm::Rehearsal { profile: profile.to_disk() },
            Self::RehearsalSought { found, reason } => {
                RunNoteForm::RehearsalSought { found: found.to_disk(), reason: reason.to_disk() }
            }
            Self::CalledFrom { traceparent } => RunNoteForm::CalledFrom { traceparent: traceparent.to_disk() },
            Self::FreezeOutlasted { frozen, bear_ms } => {
                RunNoteForm::FreezeOutlasted { frozen: frozen.to_disk(), bear_ms: *bear_ms }
            }
        }
    }

    fn from_disk(form: RunNoteForm<'_>) -> Self {
        match form {
            RunNoteForm::Rehearsal { profile } => Self::Rehearsal { profile: profile.into_owned() },
            RunNoteForm::RehearsalSought { found, reason } => {
                Self::RehearsalSought { found: found.into_owned(), reason: reason.into_owned() }
            }
            RunNoteForm::CalledFrom { traceparent } => Self::CalledFrom { traceparent: traceparent.into_owned() },
            RunNoteForm::FreezeOutlasted { frozen, bear_ms } => Self::FreezeOutlasted { frozen: frozen.into_owned(), bear_ms },
        }
    }
}
