//! The report of a run, for whoever reads it weeks later: one value made of its records, its plan and its verification, which
//! HTML, Markdown and JSON each render.

mod accounts;
mod cell;
mod deviation;
mod escape;
mod gantt;
mod head;
mod html;
mod json;
mod markdown;
mod sections;
mod step_row;

pub use deviation::{Deviation, Kind};
pub use escape::{for_html, for_markdown};
pub use head::{Head, Notice};
pub use html::html;
pub use json::json;
pub use markdown::markdown;
pub use step_row::{Expected, StepRow};

use super::status::Life;
use super::story::{Story, end};
use super::{Ask, Clock, Invocation, Tone, asks};
use crate::audit;
use crate::model::{RunId, StepId, Timestamp};
use crate::plan::{History, Section};
use crate::run::{Phase, Record, State};

/// What a report is made of; whoever asks for one reads it from disk.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a> {
    /// The run.
    pub run: &'a RunId,
    /// The state and the records as far as they can be read; else why not even the first of them can.
    pub read: Result<(&'a State, &'a [Record]), &'a str>,
    /// Where the record comes from.
    pub origin: Origin<'a>,
    /// Why the records end where they do, where they should not.
    pub cut: Option<&'a str>,
    /// Whether an executor drives the run.
    pub life: Life,
    /// The moment of the report.
    pub now: Timestamp,
    /// How long the steps took in the other runs of this runbook.
    pub history: &'a History,
    /// The run that is shown beside it: a rehearsal, or the last time.
    pub beside: Option<(&'a State, &'a [Record])>,
    /// What a verification of the record found, else why there is none.
    pub verification: Result<&'a audit::Report, &'a str>,
}

/// Where the record of a report comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin<'a> {
    /// The run's own folder.
    Folder,
    /// A bundle, which somebody made of it, without these records.
    Bundle(&'a [u64]),
}

/// The report of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// What it comes to.
    pub head: Head,
    /// What has to be known before anything else is read.
    pub notices: Vec<Notice>,
    /// What happened; none where the record cannot be read at all.
    pub told: Option<Told>,
    /// What the record proves, else why that is not known.
    pub proof: Result<audit::Report, String>,
    /// What is typed to verify what the report was made from, and to see every record.
    pub verified_by: [String; 2],
}

/// What happened in the run.
#[derive(Clone, Debug)]
pub struct Told {
    /// The clock of the run.
    pub clock: Clock,
    /// The state at its end.
    pub state: State,
    /// The replay.
    pub story: Story,
    /// One row per step.
    pub steps: Vec<StepRow>,
    /// What was not as planned, in order of time.
    pub deviations: Vec<Deviation>,
    /// Effects that stay although the run did not succeed.
    pub still_in_place: Vec<(StepId, String)>,
    /// What persons have to do now, with the exact commands.
    pub asks: Vec<Ask>,
    /// From how many other runs the expected lengths are.
    pub history_runs: usize,
    /// The run beside it.
    pub beside: Option<Beside>,
}

/// The run that is shown beside this one.
#[derive(Clone, Debug)]
pub struct Beside {
    /// The run.
    pub run: RunId,
    /// When it started.
    pub started: Timestamp,
    /// How it ended.
    pub end: &'static str,
    /// The profile that it ran under; none for a live run.
    pub profile: Option<String>,
    /// Whether it ran against the same targets with the same parameters: the same plan.
    pub same_plan: bool,
    /// Its state.
    pub state: State,
    /// Its replay.
    pub story: Story,
}

impl Report {
    /// The report; `how` is how commands are typed here.
    pub fn of(sources: &Sources<'_>, how: &Invocation) -> Self {
        let told = match sources.read {
            Ok((state, records)) => Some(Told::of(state, records, sources, how)),
            Err(_) => None,
        };
        let proof = sources.verification.cloned().map_err(str::to_owned);
        let head = Head::of(sources, told.as_ref());
        let notices = head::notices(sources, told.as_ref(), how);
        let (run, bundle) = (sources.run, "BUNDLE");
        let verified_by = match sources.origin {
            Origin::Folder => [format!("pointsman audit verify {run}"), format!("pointsman audit show {run}")],
            Origin::Bundle(_) => {
                [format!("pointsman audit verify {bundle} --key KEY"), format!("pointsman audit show {bundle} --json")]
            }
        };
        Self { head, notices, told, proof, verified_by }
    }
}

impl Told {
    fn of(state: &State, records: &[Record], sources: &Sources<'_>, how: &Invocation) -> Self {
        let story = Story::of(state.plan(), records, as_of(records, sources));
        let beside = sources.beside.and_then(|(other, records)| Beside::of(state, other, records));
        let steps = step_row::rows(state, &story, sources.history, beside.as_ref());
        let deviations = deviation::deviations(state, &story, &steps);
        let stays = match state.phase() {
            Phase::Ended(outcome) => super::run_summary::still_in_place(state, outcome),
            Phase::New | Phase::Forward | Phase::RollingBack | Phase::Aborting | Phase::Finally(_) => Vec::new(),
        };
        Self {
            clock: Clock::of(state.plan()),
            still_in_place: stays.into_iter().map(|(i, why)| (state.id(i).clone(), why)).collect(),
            asks: asks(state, how),
            state: state.clone(),
            story,
            steps,
            deviations,
            history_runs: sources.history.runs,
            beside,
        }
    }
}

impl Beside {
    fn of(state: &State, other: &State, records: &[Record]) -> Option<Self> {
        let until = records.last()?.at;
        Some(Self {
            run: other.run()?.clone(),
            started: other.started()?,
            end: end::word(other),
            profile: other.plan().content().profile.as_ref().map(|profile| profile.name.clone()),
            same_plan: other.plan().digest() == state.plan().digest(),
            state: other.clone(),
            story: Story::of(other.plan(), records, until),
        })
    }
}

/// Up to when an unfinished run is told: now while it is driven, else up to its last record.
fn as_of(records: &[Record], sources: &Sources<'_>) -> Timestamp {
    let last = records.last().map_or(sources.now, |record| record.at);
    match sources.life {
        Life::Driven if sources.cut.is_none() => sources.now.max(last),
        Life::Driven | Life::Left | Life::Past => last,
    }
}

/// The word for a section of the runbook.
pub(super) const fn section_word(section: Section) -> &'static str {
    match section {
        Section::Forward => "steps",
        Section::Rollback => "rollback",
        Section::Finally => "finally",
    }
}

/// A sign beside a word: what is said by colour is said by both of them too.
pub(super) const fn sign(tone: Tone) -> &'static str {
    match tone {
        Tone::Good => "✓",
        Tone::Bad => "✗",
        Tone::Wait => "!",
        Tone::Active => "…",
        Tone::Glass => "‼",
        Tone::Faint => "–",
        Tone::Plain | Tone::Strong => "·",
    }
}
