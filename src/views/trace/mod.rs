//! A run as a trace: the run is the trace, a step is a span, and what a step did or awaited are the spans in it.
//!
//! Like every view it is a fold over the records, and so a trace is the same whenever and wherever it is made: its ids follow from
//! the run, its times are those of the records. A span that is over never changes any more, whatever the run does later, so it can
//! be sent while the run goes on. For that a step that is undone has a span for each way: one forward, one under the way back.

mod open;
mod span;
mod wording;

pub use span::{Attributes, Kind, Link, Moment, Seer, Span, SpanId, Status, TraceId};

use std::collections::HashMap;
use std::sync::Arc;

use super::story::{Cost, Doing, Drivers, Freezes, Pieces, step_of};
use crate::model::{StepId, Timestamp};
use crate::plan::{Plan, Section};
use crate::run::{Event, FoldError, Instance, Phase, Record, RunNote, State, StepStatus};
use open::{Beginning, Opened, Place};

/// The trace of a run, while its records are read.
#[derive(Debug)]
pub struct Trace {
    state: State,
    id: Option<TraceId>,
    /// The latest moment so far: no span ends before it begins, even where a wall clock went back.
    now: Timestamp,
    /// How often the run was started or taken up again after its end.
    legs: u32,
    opened: Opened,
    pieces: Pieces,
    /// Which piece each open part is.
    parts: HashMap<Instance, usize>,
    drivers: Drivers,
    freezes: Freezes,
    /// What was said of each freeze: whether it began, and whether it is over.
    frozen: Vec<(bool, bool)>,
}

impl Trace {
    /// The trace of a run of this plan, before its first record.
    pub fn of(plan: &Arc<Plan>) -> Self {
        let freezes = Freezes::of(plan);
        Self {
            state: State::new(plan.clone()),
            id: None,
            now: Timestamp::default(),
            legs: 0,
            opened: Opened::default(),
            pieces: Pieces::default(),
            parts: HashMap::new(),
            drivers: Drivers::default(),
            frozen: freezes.so_far().map(|_| (false, false)).collect(),
            freezes,
        }
    }

    /// Its id, once the first record is there.
    pub const fn id(&self) -> Option<TraceId> {
        self.id
    }

    /// The number of the last record that was taken in.
    pub const fn last_seq(&self) -> u64 {
        self.state.last_seq()
    }

    /// How many spans are not over: they come when they are.
    pub fn open(&self) -> usize {
        self.opened.len()
    }

    /// Takes a record in; gives the spans that are over with it.
    ///
    /// # Errors
    /// When the record cannot follow the ones before it. The trace is then not to be used any more.
    pub fn take(&mut self, record: &Record) -> Result<Vec<Span>, FoldError> {
        let before = self.state.phase();
        self.state.apply(record)?;
        self.now = self.now.max(record.at);
        self.begin_leg(record);
        self.drive(record);
        self.begin_phase(before);
        let moment = wording::moment(&self.state, record, self.now);
        let place = self.place_of(&record.event);
        let why = moment.as_ref().map(text_of).unwrap_or_default().to_owned();
        // What begins with this record is told in what began.
        let (now, late) = if place == Some(Place::Run) { (None, moment) } else { (moment, None) };
        if let (Some(moment), Some(place)) = (now, place) {
            self.opened.note(place, moment);
        }
        self.sent(record);
        let moved = self.pieces.take(&self.state, record);
        for i in &moved {
            self.look(*i, record, &why);
        }
        if let Some(moment) = late {
            let place = self.place_of(&record.event).unwrap_or(Place::Run);
            self.opened.note(place, moment);
        }
        self.freezes.take(&self.state, record, &moved);
        self.say_freezes(record.seq);
        self.end_phase(before);
        if let Event::RunEnded { outcome } = record.event {
            self.leave(Place::Run);
            let state = &self.state;
            self.opened.end(Place::Run, self.now, |span| wording::end_run(span, state, outcome));
            self.parts.clear();
        }
        Ok(self.opened.take())
    }

    fn begin_leg(&mut self, record: &Record) {
        let first = match &record.event {
            Event::RunStarted { run, plan, .. } => {
                self.id = Some(TraceId::of(record, run.as_str(), *plan));
                None
            }
            Event::RunReopened { .. } => self.id.map(|trace| Link { trace, span: SpanId::of(trace, "run 1") }),
            Event::RunNoted { note: RunNote::CalledFrom { traceparent } } => {
                let link = Link::parse(traceparent);
                if let Some(run) = self.opened.get_mut(Place::Run) {
                    run.links.extend(link);
                }
                return;
            }
            _ => return,
        };
        self.legs += 1;
        let runbook = &self.state.plan().content().runbook;
        let name = if first.is_none() { format!("RUN {runbook}") } else { format!("RUN {runbook} again") };
        let attributes = wording::of_run(&self.state);
        if let Some(mut span) = self.beginning(format!("run {}", self.legs), name, Kind::Server, None, attributes) {
            span.links.extend(first);
            self.opened.begin(Place::Run, span);
        }
    }

    fn beginning(&self, key: String, name: String, kind: Kind, parent: Option<SpanId>, attributes: Attributes) -> Option<Span> {
        Some(Beginning { trace: self.id?, key, name, kind, parent, at: self.now, attributes }.span())
    }

    /// Who drives the run, and when nobody did or it was paused.
    fn drive(&mut self, record: &Record) {
        if let Event::ExecutorStarted { host, version, .. } = &record.event {
            self.opened.seer = Seer { host: host.clone(), version: version.clone() };
        }
        let known = self.drivers.stretches().len();
        self.drivers.take(record);
        let Some((run, began)) = self.opened.get(Place::Run).map(|run| (run.id, run.from)) else { return };
        for (cost, from, until) in self.drivers.stretches().to_vec().into_iter().skip(known) {
            let what = if cost == Cost::Nobody { "nobody" } else { "paused" };
            let key = format!("{what} {}", record.seq);
            if let Some(mut span) = self.beginning(key, cost.word().to_owned(), Kind::Internal, Some(run), Attributes::new()) {
                span.from = from.clamp(began, self.now);
                span.until = until.clamp(span.from, self.now);
                self.opened.add(span);
            }
        }
    }

    fn begin_phase(&mut self, before: Phase) {
        let phase = self.state.phase();
        let name = match phase {
            _ if std::mem::discriminant(&phase) == std::mem::discriminant(&before) => return,
            Phase::RollingBack => "the way back",
            Phase::Finally(_) => "finally",
            Phase::New | Phase::Forward | Phase::Aborting | Phase::Ended(_) => return,
        };
        // The way back is over when the last steps begin, and with it what is left of it.
        self.leave(Place::Phase);
        self.opened.end(Place::Phase, self.now, |_| {});
        let Some(run) = self.opened.id(Place::Run) else { return };
        let key = format!("phase {}", self.state.last_seq());
        let mut attributes = Attributes::new();
        if phase == Phase::RollingBack {
            attributes.extend(self.state.cause().map(|cause| ("pointsman.cause", super::event::cause(cause).into())));
        }
        if let Some(span) = self.beginning(key, name.to_owned(), Kind::Internal, Some(run), attributes) {
            self.opened.begin(Place::Phase, span);
        }
    }

    fn end_phase(&mut self, before: Phase) {
        let is_left = match (before, self.state.phase()) {
            (Phase::RollingBack, phase) => phase != Phase::RollingBack,
            (Phase::Finally(_), Phase::Finally(_)) => false,
            (Phase::Finally(_), _) => true,
            (Phase::New | Phase::Forward | Phase::Aborting | Phase::Ended(_), _) => false,
        };
        if is_left && !matches!(self.state.phase(), Phase::Finally(_)) {
            self.leave(Place::Phase);
            self.opened.end(Place::Phase, self.now, |_| {});
        }
    }

    /// What is open in a part of the run that is over ends as it stands.
    fn leave(&mut self, place: Place) {
        for inner in self.opened.within(place) {
            let i = match inner {
                Place::Step(i) | Place::Undo(i) => i,
                Place::Phase => {
                    self.leave(Place::Phase);
                    continue;
                }
                Place::Run | Place::Part(_) => continue,
            };
            let step = self.state.step(i);
            self.opened.end(inner, self.now, |span| wording::end_step(span, step.status, step.error().unwrap_or_default()));
        }
    }

    /// The innermost open span that an event is about.
    fn place_of(&self, event: &Event) -> Option<Place> {
        let about_step = step_of(event).and_then(|step| self.state.find(step));
        match about_step {
            Some(i) => self.opened.first(&[Place::Part(i), Place::Undo(i), Place::Step(i), Place::Run]),
            None => self.opened.first(&[Place::Run]),
        }
    }

    /// A statement is a span of its own; questions are counted.
    fn sent(&mut self, record: &Record) {
        match &record.event {
            Event::StatementSent { statement, duration_ms, result, .. } => {
                let Some(parent) = self.place_of(&record.event).and_then(|place| self.opened.get(place)) else { return };
                let attributes = wording::of_statement(&parent.attributes, statement, result);
                let (id, began) = (parent.id, parent.from);
                let action = parent.attributes.iter().find(|(name, _)| *name == "pointsman.action");
                let name = action.and_then(|(_, action)| action.as_str()).map_or_else(|| "statement".to_owned(), str::to_owned);
                let key = format!("statement {}", record.seq);
                if let Some(mut span) = self.beginning(key, name, Kind::Client, Some(id), attributes) {
                    let length = i64::try_from(*duration_ms).unwrap_or(i64::MAX);
                    span.from = Timestamp::from_millis(self.now.as_millis().saturating_sub(length)).clamp(began, self.now);
                    self.opened.add(span);
                }
            }
            Event::QuestionAsked { duration_ms, .. } => {
                if let Some(place) = self.place_of(&record.event) {
                    self.opened.asked(place, *duration_ms);
                }
            }
            _ => {}
        }
    }

    /// Follows one step over this record; `why` is what the record says of it.
    fn look(&mut self, i: Instance, record: &Record, why: &str) {
        let status = self.state.step(i).status;
        let named = step_of(&record.event).is_some_and(|step| step == self.state.id(i));
        let why = if named { why.to_owned() } else { self.state.step(i).error().unwrap_or_default().to_owned() };
        let open = self.pieces.open_of(i).map(|(at, piece)| (at, piece.doing, piece.attempt));
        if let Some(at) = self.parts.get(&i).copied()
            && open.is_none_or(|(now, ..)| now != at)
        {
            self.parts.remove(&i);
            self.opened.end(Place::Part(i), self.now, |span| wording::end_attempt(span, status, &why));
        }
        if let Some((at, doing, attempt)) = open
            && self.parts.get(&i) != Some(&at)
            && !matches!(self.state.phase(), Phase::Ended(_))
        {
            self.begin_part(i, at, doing, attempt);
        }
        self.end_step(i, status, &record.event, &why);
    }

    fn begin_part(&mut self, i: Instance, at: usize, doing: Doing, attempt: u32) {
        let is_undo = match self.state.step(i).status {
            StepStatus::Undoing | StepStatus::UndoInDoubt | StepStatus::UndoFailed => true,
            _ => doing == Doing::Undo,
        };
        let place = if is_undo { Place::Undo(i) } else { Place::Step(i) };
        self.begin_step(i, place);
        let name = match doing {
            Doing::Items => return,
            Doing::Work => "attempt",
            Doing::Undo => "undo attempt",
            Doing::People | Doing::Clock | Doing::Pause | Doing::Doubt => doing.word(),
        };
        let Some(step) = self.opened.get(place) else { return };
        let (parent, mut attributes) = (step.id, Attributes::new());
        if matches!(doing, Doing::Work | Doing::Undo | Doing::Doubt) {
            attributes.push(("pointsman.attempt", attempt.into()));
        }
        if matches!(doing, Doing::Work | Doing::Undo) {
            let kept = ["pointsman.action", "pointsman.target", "pointsman.connector", "cicd.pipeline.task.name"];
            attributes.extend(step.attributes.iter().filter(|(name, _)| kept.contains(name)).cloned());
        }
        let key = format!("part {} {}", self.state.last_seq(), self.state.id(i));
        if let Some(span) = self.beginning(key, name.to_owned(), Kind::Internal, Some(parent), attributes) {
            self.opened.begin(Place::Part(i), span);
            self.parts.insert(i, at);
        }
    }

    /// Begins the span of a step or of its undo, where none is open.
    fn begin_step(&mut self, i: Instance, place: Place) {
        if self.opened.get(place).is_some() {
            return;
        }
        let (name, attributes) = match place {
            Place::Undo(_) => (format!("undo {}", self.state.id(i)), wording::of_undo(&self.state, i)),
            Place::Run | Place::Phase | Place::Step(_) | Place::Part(_) => {
                (self.state.id(i).to_string(), wording::of_step(&self.state, i))
            }
        };
        let within = match (place, self.state.planned(i).section) {
            (Place::Undo(_), _) | (_, Section::Rollback | Section::Finally) => Some(Place::Phase),
            (_, Section::Forward) => self.state.group(i).map(Place::Step),
        };
        let parent = within.and_then(|within| self.opened.id(within)).or_else(|| self.opened.id(Place::Run));
        let key = format!(
            "{} {} {}",
            if matches!(place, Place::Undo(_)) { "undo" } else { "step" },
            self.state.last_seq(),
            self.state.id(i)
        );
        if parent.is_some()
            && let Some(mut span) = self.beginning(key, name, Kind::Internal, parent, attributes)
        {
            span.say(
                "cicd.pipeline.task.run.id",
                format!("{}/{}", self.state.run().map_or("", |run| run.as_str()), self.state.id(i)),
            );
            self.opened.begin(place, span);
        }
    }

    fn end_step(&mut self, i: Instance, status: StepStatus, event: &Event, why: &str) {
        // What failed or was passed over before it began anything has a span without a length.
        let is_about = |step: &StepId| *step == *self.state.id(i);
        let never_began = match event {
            Event::AttemptFailed { step, .. } | Event::StepSkipped { step, .. } | Event::GroupEnded { step, .. } => {
                is_about(step)
            }
            _ => false,
        };
        let is_undo = matches!(
            status,
            StepStatus::AwaitingUndo
                | StepStatus::Undoing
                | StepStatus::UndoInDoubt
                | StepStatus::Undone
                | StepStatus::UndoFailed
        );
        if status.is_over() {
            if never_began && !is_undo {
                self.begin_step(i, Place::Step(i));
            }
            // What is undone while it is still open is undone because nobody knows what it left.
            let status = if is_undo { StepStatus::InDoubt } else { status };
            let attempts = self.state.step(i).attempt;
            self.opened.end(Place::Step(i), self.now, |span| {
                if attempts > 0 {
                    span.say("pointsman.attempts", attempts);
                }
                wording::end_step(span, status, why);
            });
        }
        if status == StepStatus::Undone {
            self.opened.end(Place::Undo(i), self.now, |span| wording::end_step(span, status, why));
        }
    }

    /// The freezes stand on the run: from when nobody could write, and until when.
    fn say_freezes(&mut self, seq: u64) {
        let mut said = Vec::new();
        for (freeze, (began, ended)) in self.freezes.so_far().zip(&mut self.frozen) {
            let now = (freeze.began.is_some(), freeze.ended.is_some());
            let word = match ((*began, *ended), now) {
                ((false, _), (true, false)) => Some("began"),
                ((_, false), (_, true)) => Some("ended"),
                ((_, true), (true, false)) => Some("began_again"),
                _ => None,
            };
            (*began, *ended) = now;
            said.extend(word.map(|word| (word, wording::of_freeze(freeze))));
        }
        for (word, mut attributes) in said {
            attributes.push(("pointsman.record", seq.into()));
            self.opened.note(Place::Run, Moment { at: self.now, name: format!("pointsman.freeze_{word}"), attributes });
        }
    }
}

fn text_of(moment: &Moment) -> &str {
    moment.attributes.iter().find(|(name, _)| *name == "pointsman.text").and_then(|(_, text)| text.as_str()).unwrap_or_default()
}
