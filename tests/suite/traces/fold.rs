//! The fold of records to spans: the same every time, each attempt once, nothing outside of what it is a part of.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::sync::Arc;

use pointsman::model::{Actor, StepId, Value};
use pointsman::otlp::message;
use pointsman::plan::Plan;
use pointsman::rehearsal::simulation;
use pointsman::run::{Event, Record, RunNote};
use pointsman::views::trace::{Kind, Link, Moment, Span, SpanId, Status, Trace};

use crate::views::Tale;

/// How many nights at random are looked at. Each has failures, crashes, doubts, orders and undos of its own.
const NIGHTS: u64 = 600;

/// The spans of these records, and those that are over with each record.
fn spans(plan: &Arc<Plan>, records: &[Record]) -> (Vec<Span>, Trace) {
    let mut trace = Trace::of(plan);
    let spans = records.iter().flat_map(|record| trace.take(record).unwrap()).collect();
    (spans, trace)
}

fn text<'a>(span: &'a Span, name: &str) -> Option<&'a str> {
    span.attributes.iter().find(|(key, _)| *key == name).and_then(|(_, value)| value.as_str())
}

/// What every trace keeps to.
fn wrong(plan: &Arc<Plan>, records: &[Record]) -> Vec<String> {
    let (spans, trace) = spans(plan, records);
    let mut wrong = Vec::new();
    let by_id: HashMap<SpanId, &Span> = spans.iter().map(|span| (span.id, span)).collect();
    if by_id.len() != spans.len() {
        wrong.push("two spans have one id".to_owned());
    }
    let is_over = trace.open() == 0;
    for span in &spans {
        if span.until < span.from {
            wrong.push(format!("{} ends before it begins", span.name));
        }
        for moment in &span.moments {
            if moment.at < span.from || moment.at > span.until {
                wrong.push(format!("{} happened outside of {}", moment.name, span.name));
            }
        }
        match span.parent.map(|parent| by_id.get(&parent)) {
            Some(Some(parent)) if parent.from <= span.from && span.until <= parent.until => {}
            Some(Some(parent)) => wrong.push(format!("{} lies outside of {}", span.name, parent.name)),
            // Of a run that goes on, what it is a part of is not over.
            Some(None) if is_over => wrong.push(format!("{} is a part of nothing", span.name)),
            Some(None) => {}
            None if span.kind != Kind::Server => wrong.push(format!("{} stands beside the run", span.name)),
            None => {}
        }
    }
    let mut begun: BTreeMap<(&str, String), i64> = BTreeMap::new();
    for record in records {
        match &record.event {
            Event::AttemptStarted { step, attempt, .. } => {
                *begun.entry(("attempt", format!("{step} {attempt}"))).or_default() += 1
            }
            Event::UndoStarted { step, attempt, .. } => {
                *begun.entry(("undo attempt", format!("{step} {attempt}"))).or_default() += 1
            }
            _ => {}
        }
    }
    for span in spans.iter().filter(|span| span.name == "attempt" || span.name == "undo attempt") {
        let number = span.attributes.iter().find(|(key, _)| *key == "pointsman.attempt").unwrap().1.clone();
        let key = (span.name.as_str(), format!("{} {number}", text(span, "cicd.pipeline.task.name").unwrap()));
        *begun.entry(key).or_default() -= 1;
    }
    if is_over {
        wrong
            .extend(begun.iter().filter(|(_, count)| **count != 0).map(|(key, count)| format!("{key:?}: {count} too few spans")));
    }
    wrong
}

#[test]
fn whatever_happens_in_a_night_its_trace_keeps_to_the_rules() {
    let (mut kinds, mut ended) = (BTreeSet::new(), 0);
    for seed in 0..NIGHTS {
        let (plan, records) = simulation::records(seed);
        let found = wrong(&plan, &records);
        assert!(found.is_empty(), "seed {seed}: {found:?}");
        let (spans, trace) = spans(&plan, &records);
        ended += usize::from(trace.open() == 0);
        kinds.extend(spans.iter().map(|span| span.name.clone()));
        // The same records, the same bytes; and what was over stays as it was, whatever follows.
        let mut again = Trace::of(&plan);
        let mut early: Vec<Span> = records[..records.len() / 2].iter().flat_map(|r| again.take(r).unwrap()).collect();
        let half = early.clone();
        early.extend(records[records.len() / 2..].iter().flat_map(|r| again.take(r).unwrap()));
        assert_eq!(message::json(&early, &[]).unwrap(), message::json(&spans, &[]).unwrap(), "seed {seed}");
        assert!(half.iter().all(|span| spans.contains(span)), "seed {seed}: a span that was over changed");
    }
    for kind in ["attempt", "undo attempt", "in doubt", "waiting for people", "waiting for a moment", "the way back", "finally"] {
        assert!(kinds.contains(kind), "no night has a span `{kind}`: {kinds:?}");
    }
    assert!(ended > 100, "hardly any night ended: {ended}");
}

/// A trace as text: a tree with times since the start.
fn tree(spans: &[Span]) -> String {
    fn branch(spans: &[Span], parent: Option<SpanId>, depth: usize, text: &mut String) {
        let mut within: Vec<&Span> = spans.iter().filter(|span| span.parent == parent).collect();
        within.sort_by_key(|span| span.from);
        let start = spans.iter().map(|span| span.from).min().unwrap();
        for span in within {
            let indent = "  ".repeat(depth);
            let status = match &span.status {
                Status::Unset => String::new(),
                Status::Good => " ok".to_owned(),
                Status::Bad(why) => format!(" ERROR {why}"),
            };
            let at = |at: pointsman::model::Timestamp| at.since(start).as_millis();
            writeln!(text, "{indent}{} [{}..{}]{status}", span.name, at(span.from), at(span.until)).unwrap();
            for (name, value) in &span.attributes {
                writeln!(text, "{indent}    {name} = {value}").unwrap();
            }
            for Moment { at: when, name, attributes } in &span.moments {
                let said: Vec<String> = attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
                writeln!(text, "{indent}    * {} {name} {}", at(*when), said.join(" ")).unwrap();
            }
            branch(spans, Some(span.id), depth + 1, text);
        }
    }
    let mut text = String::new();
    branch(spans, None, 0, &mut text);
    text
}

#[test]
fn a_night_that_turned_back_as_a_trace() {
    let tale = Tale::stuck();
    let (spans, trace) = spans(tale.state.plan(), &tale.records);
    assert_eq!(trace.open(), 0);
    let digest = tale.state.plan().digest();
    insta::assert_snapshot!(tree(&spans).replace(&digest.to_string(), "sha256:…").replace(&digest.short(), "…"));
}

#[test]
fn a_run_that_goes_on_has_the_spans_that_are_over() {
    let tale = Tale::up_to_the_gate();
    let (spans, trace) = spans(tale.state.plan(), &tale.records);
    let names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    assert!(names.contains(&"freeze") && names.contains(&"copy[users]"), "{names:?}");
    assert!(!names.contains(&"go-live") && !names.iter().any(|name| name.starts_with("RUN")), "{names:?}");
    // The run, the gate, and the wait for people.
    assert_eq!(trace.open(), 3);
}

#[test]
fn a_run_that_was_taken_up_again_goes_on_in_the_same_trace_and_nothing_that_was_sent_changes() {
    let mut tale = Tale::stuck();
    let (before, _) = spans(tale.state.plan(), &tale.records);
    tale.tell(60_000, Event::RunReopened { by: Actor::local(1_000, "alice") });
    let step = StepId::new("freeze");
    if tale.state.find(&step).is_some_and(|i| tale.state.step(i).status.word() == "awaiting undo") {
        tale.tell(10, Event::UndoStarted { step: step.clone(), attempt: 2, params: Value::Null });
        tale.tell(10, Event::UndoSucceeded { step, attempt: 2, evidence: Value::Null });
    }
    tale.tell(10, Event::RunEnded { outcome: pointsman::model::RunOutcome::RolledBack });
    let (after, _) = spans(tale.state.plan(), &tale.records);
    assert_eq!(after[..before.len()], before, "what was over changed");
    let runs: Vec<&Span> = after.iter().filter(|span| span.kind == Kind::Server).collect();
    assert_eq!(runs.len(), 2, "{runs:?}");
    assert_eq!(runs[1].links, [Link { trace: runs[0].trace, span: runs[0].id }]);
    assert_eq!(wrong(tale.state.plan(), &tale.records), Vec::<String>::new());
}

#[test]
fn a_run_that_was_started_from_a_trace_is_linked_to_it() {
    let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let link = Link::parse(traceparent).unwrap();
    assert_eq!(
        (link.trace.to_string(), link.span.to_string()),
        ("4bf92f3577b34da6a3ce929d0e0e4736".into(), "00f067aa0ba902b7".into())
    );
    let mut tale = Tale::of(crate::views::NIGHT);
    tale.tell(0, RunNote::CalledFrom { traceparent: traceparent.to_owned() }.event());
    tale.tell(10, Event::AbortOrdered { by: Actor::local(1_000, "alice"), reason: "no".to_owned() });
    tale.tell(10, Event::RunEnded { outcome: pointsman::model::RunOutcome::Aborted });
    let (spans, _) = spans(tale.state.plan(), &tale.records);
    assert_eq!(spans[0].links, [link]);
    assert_eq!(spans[0].status, Status::Bad("stopped without rollback".to_owned()));
}

#[test]
fn what_is_no_traceparent_is_none() {
    let whole = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7";
    assert!(Link::parse(&format!("00-{whole}-01")).is_some() && Link::parse(&format!("cc-{whole}-01-more")).is_some());
    for text in [
        "",
        "00",
        &format!("00-{whole}"),
        &format!("ff-{whole}-01"),
        &format!("00-{whole}-01-more"),
        &format!("00-{}-01", whole.to_uppercase()),
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4bf92f3577b34da6a3ce929d0e0e47é-00f067aa0ba902b7-01",
        "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    ] {
        assert_eq!(Link::parse(text), None, "{text}");
    }
}

#[test]
fn long_texts_and_many_events_are_cut_and_counted() {
    let mut tale = Tale::of(crate::views::NIGHT);
    tale.begins("freeze");
    tale.fails(10, "freeze", &"é".repeat(10_000));
    for _ in 0..300 {
        tale.tell(1, Event::ClockJumped { by_ms: 5_000 });
    }
    tale.tell(10, Event::AbortOrdered { by: Actor::local(1_000, "alice"), reason: "no".to_owned() });
    tale.tell(10, Event::RunEnded { outcome: pointsman::model::RunOutcome::Aborted });
    let (spans, _) = spans(tale.state.plan(), &tale.records);
    let run = spans.iter().find(|span| span.kind == Kind::Server).unwrap();
    assert_eq!((run.moments.len(), run.untold), (256, 47));
    let attempt = spans.iter().find(|span| span.name == "attempt").unwrap();
    let Status::Bad(why) = &attempt.status else { panic!("{attempt:?}") };
    assert!(why.len() < 4_200 && why.ends_with('…'), "{} bytes", why.len());
}
