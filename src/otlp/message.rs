//! Spans as OpenTelemetry writes them: the messages that its own definitions generate, as protobuf and as its form of JSON.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link as LinkForm, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span as SpanForm, SpanFlags, Status as StatusForm};

use crate::model::{Timestamp, Value};
use crate::views::trace::{Attributes, Kind, Link, Moment, Seer, Span, Status};

/// Every span of a night is recorded: this is what Trace Context says for it.
const SAMPLED: u32 = 1;

/// The request that carries these spans, those of one executor together.
pub fn request(spans: &[Span], resource: &[(String, String)]) -> ExportTraceServiceRequest {
    let mut seers: Vec<&Seer> = spans.iter().map(|span| &span.seer).collect();
    seers.sort();
    seers.dedup();
    let of = |seer: &Seer| ResourceSpans {
        resource: Some(resource_of(seer, resource)),
        scope_spans: vec![ScopeSpans {
            scope: Some(InstrumentationScope {
                name: "pointsman".to_owned(),
                version: seer.version.clone(),
                ..InstrumentationScope::default()
            }),
            spans: spans.iter().filter(|span| span.seer == *seer).map(form).collect(),
            schema_url: String::new(),
        }],
        schema_url: String::new(),
    };
    ExportTraceServiceRequest { resource_spans: seers.into_iter().map(of).collect() }
}

/// The same as one line of OTLP's JSON, as its file exporter writes it.
///
/// # Errors
/// When it cannot be written as JSON; nothing that is made here is like that.
pub fn json(spans: &[Span], resource: &[(String, String)]) -> Result<String, serde_json::Error> {
    serde_json::to_string(&request(spans, resource))
}

/// Who the spans are of. What the environment says counts more than what we know.
fn resource_of(seer: &Seer, given: &[(String, String)]) -> Resource {
    let known = [("service.name", "pointsman"), ("service.version", &seer.version), ("host.name", &seer.host)];
    let known = known.into_iter().filter(|(name, value)| !value.is_empty() && !given.iter().any(|(key, _)| key == name));
    let known = known.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let attributes = known.chain(given.iter().cloned()).map(|(name, value)| pair(name, &Value::from(value)));
    Resource { attributes: attributes.collect(), ..Resource::default() }
}

fn form(span: &Span) -> SpanForm {
    SpanForm {
        trace_id: span.trace.bytes().to_vec(),
        span_id: span.id.bytes().to_vec(),
        parent_span_id: span.parent.map(|parent| parent.bytes().to_vec()).unwrap_or_default(),
        // A parent is always a span of the same run, and of this process or one before it.
        flags: SAMPLED | SpanFlags::ContextHasIsRemoteMask as u32,
        name: span.name.clone(),
        kind: match span.kind {
            Kind::Server => SpanKind::Server,
            Kind::Internal => SpanKind::Internal,
            Kind::Client => SpanKind::Client,
        } as i32,
        start_time_unix_nano: nanos(span.from),
        end_time_unix_nano: nanos(span.until),
        attributes: pairs(&span.attributes),
        events: span.moments.iter().map(event).collect(),
        dropped_events_count: span.untold,
        links: span.links.iter().map(link).collect(),
        status: Some(status(&span.status)),
        ..SpanForm::default()
    }
}

fn event(moment: &Moment) -> Event {
    Event {
        time_unix_nano: nanos(moment.at),
        name: moment.name.clone(),
        attributes: pairs(&moment.attributes),
        dropped_attributes_count: 0,
    }
}

fn link(link: &Link) -> LinkForm {
    LinkForm { trace_id: link.trace.bytes().to_vec(), span_id: link.span.bytes().to_vec(), flags: SAMPLED, ..LinkForm::default() }
}

fn status(status: &Status) -> StatusForm {
    let (code, message) = match status {
        Status::Unset => (StatusCode::Unset, String::new()),
        Status::Good => (StatusCode::Ok, String::new()),
        Status::Bad(why) => (StatusCode::Error, why.clone()),
    };
    StatusForm { message, code: code as i32 }
}

fn nanos(at: Timestamp) -> u64 {
    u64::try_from(at.as_millis()).unwrap_or(0).saturating_mul(1_000_000)
}

fn pairs(attributes: &Attributes) -> Vec<KeyValue> {
    attributes.iter().map(|(name, value)| pair((*name).to_owned(), value)).collect()
}

fn pair(key: String, value: &Value) -> KeyValue {
    KeyValue { key, value: Some(any(value)), ..KeyValue::default() }
}

fn any(value: &Value) -> AnyValue {
    let value = match value {
        Value::Null => None,
        Value::Bool(yes) => Some(any_value::Value::BoolValue(*yes)),
        Value::Number(number) => Some(match number.as_i64() {
            Some(whole) => any_value::Value::IntValue(whole),
            None => any_value::Value::DoubleValue(number.as_f64().unwrap_or_default()),
        }),
        Value::String(text) => Some(any_value::Value::StringValue(text.clone())),
        Value::Array(items) => Some(any_value::Value::ArrayValue(ArrayValue { values: items.iter().map(any).collect() })),
        Value::Object(_) => Some(any_value::Value::StringValue(value.to_string())),
    };
    AnyValue { value }
}
