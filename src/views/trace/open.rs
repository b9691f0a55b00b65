//! The spans that are not over, each at its place in the run. Whatever ends takes along what is still open in it, so that a span
//! never outlasts the one that it is a part of.

use std::collections::BTreeMap;

use super::span::{Attributes, Kind, Moment, Seer, Span, SpanId, Status, TraceId};
use crate::model::Timestamp;
use crate::run::Instance;

/// What a span that is not over is of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Place {
    /// The run.
    Run,
    /// The way back, or the last steps.
    Phase,
    /// A step, going forward.
    Step(Instance),
    /// The undo of a step.
    Undo(Instance),
    /// What a step does or awaits now.
    Part(Instance),
}

/// What was asked of targets during a span.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Asked {
    pub questions: u64,
    pub took_ms: u64,
}

/// The open spans, and those that are over and were not taken away yet.
#[derive(Debug, Default)]
pub(super) struct Opened {
    open: BTreeMap<Place, (Span, Asked)>,
    over: Vec<Span>,
    pub seer: Seer,
}

/// What a span is when it begins.
pub(super) struct Beginning {
    pub trace: TraceId,
    /// What its id is made of.
    pub key: String,
    pub name: String,
    pub kind: Kind,
    pub parent: Option<SpanId>,
    pub at: Timestamp,
    pub attributes: Attributes,
}

impl Beginning {
    /// The span as it begins.
    pub fn span(self) -> Span {
        Span {
            trace: self.trace,
            id: SpanId::of(self.trace, &self.key),
            parent: self.parent,
            links: Vec::new(),
            name: self.name,
            kind: self.kind,
            from: self.at,
            until: self.at,
            status: Status::Unset,
            attributes: self.attributes,
            moments: Vec::new(),
            untold: 0,
            seer: Seer::default(),
        }
    }
}

impl Opened {
    pub fn begin(&mut self, place: Place, span: Span) {
        self.open.insert(place, (span, Asked::default()));
    }

    pub fn get(&self, place: Place) -> Option<&Span> {
        self.open.get(&place).map(|(span, _)| span)
    }

    pub fn get_mut(&mut self, place: Place) -> Option<&mut Span> {
        self.open.get_mut(&place).map(|(span, _)| span)
    }

    /// The open spans that are parts of the one at this place.
    pub fn within(&self, place: Place) -> Vec<Place> {
        let Some(id) = self.id(place) else { return Vec::new() };
        self.open.iter().filter(|(_, (span, _))| span.parent == Some(id)).map(|(place, _)| *place).collect()
    }

    pub fn id(&self, place: Place) -> Option<SpanId> {
        self.get(place).map(|span| span.id)
    }

    /// The first of these places at which a span is open.
    pub fn first(&self, places: &[Place]) -> Option<Place> {
        places.iter().copied().find(|place| self.open.contains_key(place))
    }

    pub fn note(&mut self, place: Place, moment: Moment) {
        if let Some(span) = self.get_mut(place) {
            span.note(moment);
        }
    }

    pub fn asked(&mut self, place: Place, took_ms: u64) {
        if let Some((_, asked)) = self.open.get_mut(&place) {
            asked.questions += 1;
            asked.took_ms += took_ms;
        }
    }

    /// Ends the span at this place, what is open in it first.
    pub fn end(&mut self, place: Place, at: Timestamp, say: impl Fn(&mut Span)) {
        self.close(place, at, &say);
    }

    fn close(&mut self, place: Place, at: Timestamp, say: &dyn Fn(&mut Span)) {
        for inner in self.within(place) {
            self.close(inner, at, &|span| span.say("pointsman.left_open", true));
        }
        let Some((mut span, asked)) = self.open.remove(&place) else { return };
        if asked.questions > 0 {
            span.say("pointsman.questions", asked.questions);
            span.say("pointsman.questions_ms", asked.took_ms);
        }
        span.until = at.max(span.from);
        say(&mut span);
        self.add(span);
    }

    /// Adds a span that is over.
    pub fn add(&mut self, mut span: Span) {
        span.seer = self.seer.clone();
        self.over.push(span);
    }

    pub fn take(&mut self) -> Vec<Span> {
        std::mem::take(&mut self.over)
    }

    pub fn len(&self) -> usize {
        self.open.len()
    }
}
