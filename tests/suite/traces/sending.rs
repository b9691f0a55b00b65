//! A run that is sent while it runs, by the built program, to a collector that behaves and to ones that do not: the run is the same,
//! and in the end every span is there.

use std::collections::HashMap;
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use opentelemetry_proto::tonic::trace::v1::{Span, TracesData};

use super::collector::{Collector, Mood};
use crate::cli::Bench;

const NIGHT: &str = "
title: Two that work and one that does not
steps:
  first:
    action: command
    with: { argv: [echo, hello] }
    undo: { action: command, with: { argv: [echo, undone] } }
    in_doubt: rerun
    idempotent: it only prints
  second:
    needs: [first]
    action: command
    with: { argv: [sh, -c, 'test -e tried || { touch tried; exit 1; }'] }
    retry: { max_attempts: 2, backoff: 10ms }
    in_doubt: rerun
    idempotent: it only waits
    undo: { nothing: it only waits }
  third:
    needs: [second]
    action: command
    with: { argv: [sh, -c, 'echo no route >&2; exit 1'] }
    in_doubt: rerun
    idempotent: it only fails
    undo: { nothing: it only fails }
";

/// `pointsman run` with this collector and these variables.
fn run(bench: &Bench, url: &str, variables: &[(&str, &str)]) -> (i32, String) {
    bench.runbook("night", NIGHT);
    let mut command = bench.command(&["run", "night.yaml", "--id", "night-1"]);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", url).envs(variables.iter().copied());
    ended(command)
}

fn ended(mut command: Command) -> (i32, String) {
    let output = command.output().unwrap();
    (output.status.code().unwrap_or(-1), String::from_utf8(output.stderr).unwrap())
}

/// The spans of a run as they are made afterwards.
fn made(bench: &Bench) -> Vec<Span> {
    let said = bench.say(&["trace", "night-1", "--json", "-"]);
    assert_eq!(said.code, 0, "{said:?}");
    let data: TracesData = serde_json::from_str(&said.out).unwrap();
    data.resource_spans.into_iter().flat_map(|found| found.scope_spans).flat_map(|scope| scope.spans).collect()
}

/// Every span arrived, and where one arrived twice it was the same.
fn assert_arrived(sent: &[Span], made: &[Span]) {
    let mut by_id: HashMap<&[u8], &Span> = HashMap::new();
    for span in sent {
        let before = by_id.insert(&span.span_id, span);
        assert!(before.is_none_or(|before| before == span), "one id, two spans: {before:?} and {span:?}");
    }
    for span in made {
        assert_eq!(by_id.remove(span.span_id.as_slice()), Some(span), "a span did not arrive, or as another");
    }
    assert!(by_id.is_empty(), "spans that the run does not have: {by_id:?}");
}

#[test]
fn a_run_is_sent_while_it_runs_and_afterwards_it_is_the_same_trace() {
    let (bench, collector) = (Bench::new(), Collector::new(&[]));
    let variables = [
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20t0ken"),
        ("OTEL_RESOURCE_ATTRIBUTES", "team=ops"),
        ("TRACEPARENT", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    ];
    let (code, said) = run(&bench, &collector.url, &variables);
    assert_eq!(code, 4, "{said}");
    let seen = collector.seen();
    assert!(said.contains(&format!("{} spans sent", seen.spans.len())), "{said}");
    assert!(seen.wrong.is_empty(), "{:?}", seen.wrong);
    assert!(seen.requests.iter().all(|(head, _)| head.contains("authorization: bearer t0ken")), "{:?}", seen.requests);
    for (name, value) in [("service.name", "pointsman"), ("team", "ops"), ("service.version", env!("CARGO_PKG_VERSION"))] {
        assert!(seen.resources.iter().all(|found| found.contains(&(name.to_owned(), value.to_owned()))), "{:?}", seen.resources);
    }
    let spans = made(&bench);
    assert_arrived(&seen.spans, &spans);
    let root = spans.iter().find(|span| span.parent_span_id.is_empty()).unwrap();
    assert_eq!((root.name.as_str(), root.links.len()), ("RUN night", 1), "{root:?}");
    let names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    for name in ["first", "second", "third", "undo first", "the way back"] {
        assert_eq!(names.iter().filter(|found| **found == name).count(), 1, "{name}: {names:?}");
    }
    assert_eq!(names.iter().filter(|name| **name == "attempt").count(), 4, "{names:?}");

    let (code, said) = ended({
        let mut command = bench.command(&["trace", "night-1"]);
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url);
        command
    });
    assert_eq!(code, 0, "{said}");
    assert_eq!(collector.seen().spans.len(), 2 * spans.len());
    assert_arrived(&collector.seen().spans, &spans);
}

#[test]
fn a_collector_that_is_busy_is_asked_again_until_it_has_everything() {
    let moods = [Mood::Refuses(503, Some(1)), Mood::Refuses(429, None), Mood::Drops];
    let (bench, collector) = (Bench::new(), Collector::new(&moods));
    let (code, said) = run(&bench, &collector.url, &[("OTEL_EXPORTER_OTLP_TIMEOUT", "60000")]);
    assert_eq!(code, 4, "{said}");
    let seen = collector.seen();
    for mood in moods {
        assert!(seen.requests.iter().any(|(_, found)| *found == mood), "{mood:?} never came: {:?}", seen.requests);
    }
    assert_arrived(&seen.spans, &made(&bench));
    assert!(said.contains("the collector cannot be reached now: it answered 503") && !said.contains("did not arrive"), "{said}");
}

#[test]
fn a_collector_that_refuses_hangs_or_is_away_changes_nothing_about_the_run() {
    let nobody = closed();
    let cases = [
        (Collector::new(&[Mood::Refuses(400, None); 50]), "the collector refuses the spans: it answered 400"),
        (Collector::new(&[Mood::Hangs; 50]), "the collector cannot be reached now"),
        (nobody, "the collector cannot be reached now"),
    ];
    for (collector, why) in cases {
        let bench = Bench::new();
        let (code, said) = run(&bench, &collector.url, &[("OTEL_EXPORTER_OTLP_TIMEOUT", "400")]);
        assert_eq!(code, 4, "{said}");
        assert!(said.contains(why) && said.contains("did not arrive"), "{said}");
        assert!(said.contains("trace night-1` sends its trace"), "{said}");
        assert_eq!(bench.say(&["audit", "verify", "night-1"]).code, 0);
        // What did not arrive is sent afterwards, whole.
        let later = Collector::new(&[]);
        let said = bench.say(&["trace", "night-1", "--to", &later.url]);
        assert_eq!(said.code, 0, "{said:?}");
        assert_arrived(&later.seen().spans, &made(&bench));
    }
}

fn closed() -> Collector {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut collector = Collector::new(&[]);
    collector.url = format!("http://127.0.0.1:{port}");
    collector
}

#[test]
fn what_a_collector_took_only_in_part_is_said_and_not_sent_again() {
    let (bench, collector) = (Bench::new(), Collector::new(&[Mood::TakesNot(1)]));
    let (code, said) = run(&bench, &collector.url, &[]);
    assert_eq!(code, 4, "{said}");
    assert!(said.contains("did not take every span: quota of the night") && said.contains("1 spans did not arrive"), "{said}");
    let (sent, made) = (collector.seen().spans, made(&bench));
    assert_eq!(sent.len(), made.len(), "a span was sent twice");
}

#[test]
fn an_executor_that_was_killed_and_resumed_goes_on_in_the_same_trace() {
    let (bench, collector) = (Bench::new(), Collector::new(&[]));
    let steps = "
steps:
  quick:
    action: command
    with: { argv: [echo, hello] }
    in_doubt: rerun
    idempotent: it only prints
    undo: { nothing: it only prints }
  slow:
    needs: [quick]
    action: command
    with: { argv: [sh, -c, 'echo $$ > number; mv number begun; while ! test -e go && test -d .; do sleep 0.05; done'] }
    in_doubt: rerun
    idempotent: it only waits
    undo: { nothing: it only waits }
";
    bench.runbook("night", steps);
    let mut command = bench.command(&["run", "night.yaml", "--id", "night-1"]);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url).stdout(std::process::Stdio::null());
    let mut child = command.spawn().unwrap();
    collector.wait_until("the first step", |seen| seen.spans.iter().any(|span| span.name == "quick"));
    bench.wait_until("the second step is under way", |_| bench.path().join("begun").exists());
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGKILL).unwrap();
    child.wait().unwrap();
    // The program outlives its executor, and is not run a second time beside itself: it ends first.
    let number = std::fs::read_to_string(bench.path().join("begun")).unwrap();
    bench.file("go", "");
    bench.wait_until("the program has ended", |_| {
        std::fs::read(format!("/proc/{}/environ", number.trim())).map_or(true, |environment| environment.is_empty())
    });
    let mut command = bench.command(&["resume", "night-1"]);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url);
    let (code, said) = ended(command);
    assert_eq!(code, 0, "{said}");
    let (sent, made) = (collector.seen().spans, made(&bench));
    assert_arrived(&sent, &made);
    let traces: std::collections::BTreeSet<&[u8]> = sent.iter().map(|span| span.trace_id.as_slice()).collect();
    assert_eq!(traces.len(), 1);
    let names: Vec<&str> = made.iter().map(|span| span.name.as_str()).collect();
    assert!(names.contains(&"no executor drove the run") && names.contains(&"in doubt"), "{names:?}");
}

#[test]
fn what_turns_traces_off_is_heeded_and_what_cannot_be_done_never_stops_a_run() {
    let collector = Collector::new(&[]);
    let quiet = |variables: &[(&str, &str)]| {
        let bench = Bench::new();
        run(&bench, &collector.url, variables)
    };
    let (code, said) = quiet(&[("OTEL_SDK_DISABLED", "true")]);
    assert!(code == 4 && !said.contains("trace"), "{code}: {said}");
    let (code, said) = quiet(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]);
    assert!(code == 4 && said.contains("no trace is sent: OTEL_EXPORTER_OTLP_PROTOCOL asks for `grpc`"), "{code}: {said}");
    let (code, said) = quiet(&[("OTEL_EXPORTER_OTLP_CERTIFICATE", "/no/such/file")]);
    assert!(code == 4 && said.contains("no trace is sent: /no/such/file cannot be read"), "{code}: {said}");
    let (code, said) = quiet(&[("TRACEPARENT", "nonsense"), ("OTEL_SDK_DISABLED", "true")]);
    assert!(code == 4 && said.contains("linked to nothing"), "{code}: {said}");
    assert!(collector.seen().requests.is_empty(), "{:?}", collector.seen().requests);

    // What the command line asks for is held to it before anything begins.
    let bench = Bench::new();
    bench.runbook("night", NIGHT);
    let said = bench.say(&["run", "night.yaml", "--otlp", "collector:4318"]);
    assert!(said.code != 0 && said.err.contains("no address to send traces to"), "{said:?}");
    assert_eq!(bench.json(&["status", "--json"]).as_array().map(Vec::len), Some(0), "a run was begun");
    let said = bench.say(&["trace", "latest", "--to", &collector.url]);
    assert_ne!(said.code, 0, "{said:?}");
}
