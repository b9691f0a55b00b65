//! A span of a trace: a stretch of time of a run with a name, a parent, and what is known of it. Its id follows from what it is
//! of, so that whoever makes it again makes the same.

use std::fmt;

use crate::model::{Digest, Timestamp, Value};
use crate::run::Record;

/// The longest text of an attribute, an event or a status, in bytes. What is left out is still in the record.
const LONGEST: usize = 4 << 10;
/// The most events of one span. How many more there were is said.
const MOST_EVENTS: usize = 256;

/// Which trace: one per run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceId([u8; 16]);

/// Which span of its trace.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpanId([u8; 8]);

/// What a span is to the rest of a system.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The run as a whole.
    Server,
    /// Something of the run itself.
    Internal,
    /// Something was sent to a target.
    Client,
}

/// How a span ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Status {
    /// Neither well nor badly.
    Unset,
    /// Well.
    Good,
    /// Badly, with the reason.
    Bad(String),
}

/// Names with what they stand for.
pub type Attributes = Vec<(&'static str, Value)>;

/// Something that happened during a span.
#[derive(Clone, PartialEq, Debug)]
pub struct Moment {
    /// When.
    pub at: Timestamp,
    /// What, by the name that it has in the record.
    pub name: String,
    /// What is known of it.
    pub attributes: Attributes,
}

/// Which executor saw the end of a span.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Seer {
    /// Its host, as it named itself.
    pub host: String,
    /// Its version of Pointsman.
    pub version: String,
}

/// A span somewhere: of this trace or of another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Link {
    /// The trace.
    pub trace: TraceId,
    /// The span.
    pub span: SpanId,
}

/// A stretch of time of a run.
#[derive(Clone, PartialEq, Debug)]
pub struct Span {
    /// The trace.
    pub trace: TraceId,
    /// The span.
    pub id: SpanId,
    /// The span that it is a part of.
    pub parent: Option<SpanId>,
    /// Spans that it comes from without being a part of them.
    pub links: Vec<Link>,
    /// What it is called.
    pub name: String,
    /// What it is to the rest of a system.
    pub kind: Kind,
    /// When it began.
    pub from: Timestamp,
    /// When it was over.
    pub until: Timestamp,
    /// How it ended.
    pub status: Status,
    /// What is known of it.
    pub attributes: Attributes,
    /// What happened meanwhile, in order.
    pub moments: Vec<Moment>,
    /// How many more things happened than are told.
    pub untold: u32,
    /// Who saw its end.
    pub seer: Seer,
}

impl TraceId {
    /// The trace of the run that begins with this record.
    pub fn of(first: &Record, run: &str, plan: Digest) -> Self {
        let text = format!("pointsman trace\n{run}\n{plan}\n{}\n{}", first.at.as_millis(), first.uptime_ms);
        Self(first_bytes(&Digest::of(text.as_bytes())))
    }

    /// Its bytes.
    pub const fn bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl SpanId {
    /// The span of this trace that is about `what`: unlike any other of the trace.
    pub fn of(trace: TraceId, what: &str) -> Self {
        let text = format!("pointsman span\n{trace}\n{what}");
        Self(first_bytes(&Digest::of(text.as_bytes())))
    }

    /// Its bytes.
    pub const fn bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

impl Span {
    /// Adds what is known of it.
    pub fn say(&mut self, name: &'static str, value: impl Into<Value>) {
        self.attributes.push((name, short(value.into())));
    }

    /// Adds what happened.
    pub fn note(&mut self, mut moment: Moment) {
        if self.moments.len() >= MOST_EVENTS {
            self.untold += 1;
            return;
        }
        for (_, value) in &mut moment.attributes {
            *value = short(std::mem::take(value));
        }
        self.moments.push(moment);
    }

    /// Ends it badly.
    pub fn fail(&mut self, kind: &'static str, why: &str) {
        self.say("error.type", kind);
        self.status = Status::Bad(cut(why));
    }
}

impl Link {
    /// The span that a `traceparent` of W3C Trace Context names; none where the text is none.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        // Version 00 ends here. Later ones may go on, and ff is none.
        let ends = parts.next().is_none() || version != "00";
        let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        if !ends || version.len() != 2 || version == "ff" || flags.len() != 2 || !is_hex(version) || !is_hex(flags) {
            return None;
        }
        Some(Self { trace: TraceId(from_hex(trace)?), span: SpanId(from_hex(span)?) })
    }
}

/// The bytes of an id; all zeros are none.
fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let is_hex = text.len() == 2 * N && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    let mut bytes = [0; N];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    (is_hex && bytes != [0; N]).then_some(bytes)
}

fn first_bytes<const N: usize>(digest: &Digest) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&digest.as_bytes()[..N]);
    // All zeros are no id. No text is known whose hash begins like that.
    if bytes == [0; N] {
        bytes[N - 1] = 1;
    }
    bytes
}

fn short(value: Value) -> Value {
    match value {
        Value::String(text) if text.len() > LONGEST => Value::String(cut(&text)),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value,
    }
}

fn cut(text: &str) -> String {
    if text.len() <= LONGEST {
        return text.to_owned();
    }
    let end = (0..=LONGEST).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}…", &text[..end])
}

fn hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}
