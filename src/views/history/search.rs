//! What a search over runs asks for, and whether a run fits it.

use crate::model::{Authentication, RunOutcome, StepId, Timestamp};
use crate::run::{Phase, Record, State};
use crate::views::story::Story;
use crate::views::{Clock, event};

/// How the runs that are wanted ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WantedEnd {
    /// With this outcome.
    As(RunOutcome),
    /// Not yet.
    Unfinished,
}

/// What is asked for; what is left out fits every run.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Query {
    /// The runbook's name.
    pub runbook: Option<String>,
    /// How it ended.
    pub end: Option<WantedEnd>,
    /// Who decided or ordered something in it: a person of the roster, or a login.
    pub person: Option<String>,
    /// Started at this moment or later.
    pub from: Option<Timestamp>,
    /// Started before this moment.
    pub until: Option<Timestamp>,
    /// A text that one of its records says, whatever the case of its letters; or its id, its title.
    pub text: Option<String>,
}

/// A record in which the text was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hit {
    /// The record.
    pub seq: u64,
    /// The step that it is about.
    pub step: Option<StepId>,
    /// What it says.
    pub text: String,
}

impl Query {
    /// Whether anything is asked for.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The records that fit, or none where the run does not fit. A run can fit without a record that does.
    pub fn hits(&self, state: &State, records: &[Record]) -> Option<Vec<Hit>> {
        let content = state.plan().content();
        let fits = self.runbook.as_ref().is_none_or(|name| content.runbook == *name)
            && self.end.is_none_or(|end| end.fits(state))
            && self.from.is_none_or(|from| state.started().is_some_and(|at| at >= from))
            && self.until.is_none_or(|until| state.started().is_some_and(|at| at < until))
            && self.person.as_ref().is_none_or(|person| acted(person, state, records));
        if !fits {
            return None;
        }
        let Some(text) = self.text.as_ref().map(|text| text.to_lowercase()) else { return Some(Vec::new()) };
        let hits = said(&text, state, records);
        let named = |name: &str| name.to_lowercase().contains(&text);
        let is_named = named(&content.title) || named(&content.runbook) || state.run().is_some_and(|run| named(run.as_str()));
        (is_named || !hits.is_empty()).then_some(hits)
    }
}

impl WantedEnd {
    fn fits(self, state: &State) -> bool {
        match (self, state.phase()) {
            (Self::As(wanted), Phase::Ended(outcome)) => wanted == outcome,
            (Self::Unfinished, Phase::Ended(_)) => false,
            (wanted, Phase::New | Phase::Forward | Phase::RollingBack | Phase::Aborting | Phase::Finally(_)) => {
                wanted == Self::Unfinished
            }
        }
    }
}

fn acted(person: &str, state: &State, records: &[Record]) -> bool {
    let until = records.last().map_or_else(Timestamp::default, |record| record.at);
    Story::of(state.plan(), records, until).decisions.iter().any(|decision| {
        let login = match &decision.by.by {
            Authentication::LocalUser { login, .. } => login.as_str(),
            Authentication::Console { user, .. } => user.as_str(),
            Authentication::Executor | Authentication::Signature { .. } => "",
        };
        decision.by.name().eq_ignore_ascii_case(person) || login.eq_ignore_ascii_case(person)
    })
}

fn said(text: &str, state: &State, records: &[Record]) -> Vec<Hit> {
    let clock = Clock::of(state.plan());
    let hits = records.iter().filter_map(|record| {
        let told = event::tell(&record.event, state.plan(), &clock);
        let found =
            told.text.to_lowercase().contains(text) || told.step.is_some_and(|step| step.as_str().to_lowercase().contains(text));
        found.then(|| Hit { seq: record.seq, step: told.step.cloned(), text: told.text })
    });
    hits.collect()
}
