//! What fifty viewers of the console cost a run, and how old what they see is.
//!
//! `cargo bench --features full --bench console`. A run of 2 000 steps makes about 200 records a second, once with nobody
//! watching and once with fifty streams of `pointsman serve`, which is a process of its own. Ages are from the time in a record
//! to the moment at which a viewer has its line.
//!
//! `cargo bench --features full --bench console -- browser` looks on with a browser instead: frames, long tasks, memory.
#![allow(clippy::unwrap_used, reason = "a measurement stops at the first surprise")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use idle::Idle;
use pointsman::connectors::Registry;
use pointsman::diagnostic::Source;
use pointsman::engine::{Executor, Home};
use pointsman::model::{Actor, Object, RunId, Timestamp, Value};
use pointsman::plan::Plan;
use pointsman::plan::build::{BuildInput, build};
use serde_json::json;
use tokio_util::sync::CancellationToken;

mod frames;
mod idle;

const STEPS: usize = 2_000;
const VIEWERS: usize = 50;
/// Ten steps at a time, each this long: with the records of each, about 200 a second.
const APPLY: Duration = Duration::from_millis(90);

fn main() {
    let folder = tempfile::Builder::new().prefix("console-bench-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    if std::env::args().any(|arg| arg == "browser") {
        return frames::measure(folder.path());
    }
    let (alone, records) = night(folder.path(), "alone", 0);
    let (watched, _) = night(folder.path(), "watched", VIEWERS);
    println!("{STEPS} steps, {records} records, {:.0} a second", records as f64 / alone.as_secs_f64());
    println!("nobody watches       {:>8.2} s", alone.as_secs_f64());
    println!(
        "{VIEWERS} viewers           {:>8.2} s   {:.3} ×",
        watched.as_secs_f64(),
        watched.as_secs_f64() / alone.as_secs_f64()
    );
}

/// One run, watched by so many; how long it took, and its records.
fn night(folder: &Path, name: &str, viewers: usize) -> (Duration, u64) {
    let home = Home::new(folder.join(name));
    let run = RunId::new(name);
    let executor = Executor::start(&home, plan(), Some(run.clone()), Actor::local(0, "bench")).unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let watching = (viewers > 0).then(|| {
        let (home, run, over) = (home.path().to_owned(), run.clone(), over.clone());
        thread::spawn(move || watch(&home, &run, viewers, &over))
    });
    let mut registry = Registry::default();
    registry.add(Idle { apply: APPLY });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let begin = Instant::now();
    runtime.block_on(executor.drive(registry, &mut (), CancellationToken::new())).unwrap();
    let took = begin.elapsed();
    over.store(true, Ordering::SeqCst);
    if let Some(watching) = watching {
        watching.join().unwrap();
    }
    (took, pointsman::engine::load(&home, &run, None).unwrap().0.last_seq())
}

fn plan() -> Plan {
    let text = "pointsman: 1\nrunbook: bench\nparams:\n  hosts: { type: array }\ndefaults: { max_concurrent: 10 }\nsteps:\n  \
                each: { action: command, with: { argv: [nothing] }, in_doubt: ask, undo: { nothing: \"a bench\" }, \
                foreach: \"{{ params.hosts }}\", max_concurrent: 10 }\n";
    let hosts = (0..STEPS).map(|n| Value::from(format!("host-{n}"))).collect();
    planned(text, Object::from_iter([("hosts".to_owned(), Value::Array(hosts))]))
}

/// The plan of a runbook.
fn planned(text: &str, params: Object) -> Plan {
    let source = Source::new("bench.yaml", text);
    let (runbook, report) = pointsman::runbook::parse(&source);
    let runbook = runbook.unwrap_or_else(|| panic!("{:?}", report.sorted()));
    let built = build(BuildInput { params, ..BuildInput::of(&runbook, &source) });
    built.plan.unwrap_or_else(|| panic!("{:?}", built.report.sorted()))
}

/// A console, and so many streams of its events.
fn watch(home: &Path, run: &RunId, viewers: usize, over: &Arc<AtomicBool>) {
    let mut serve = Command::new(env!("CARGO_BIN_EXE_pointsman"));
    serve.args(["serve", "--listen", "127.0.0.1:0"]).env("POINTSMAN_HOME", home).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = serve.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let (origin, ticket) = line.trim().split_once("/#ticket=").unwrap();
    let address = origin.strip_prefix("http://").unwrap().to_owned();
    let cookie = sign_in(&address, ticket);
    let streams: Vec<_> = (0..viewers)
        .map(|_| {
            let (address, cookie, run, over) = (address.clone(), cookie.clone(), run.clone(), over.clone());
            thread::spawn(move || view(&address, &cookie, &run, &over))
        })
        .collect();
    let seen: Vec<Vec<i64>> = streams.into_iter().map(|stream| stream.join().unwrap()).collect();
    let lines: usize = seen.iter().map(Vec::len).sum();
    let mut ages: Vec<i64> = seen.into_iter().flatten().collect();
    ages.sort_unstable();
    let at = |share: f64| ages[((ages.len() - 1) as f64 * share) as usize];
    println!("lines seen           {:>8} by each of {viewers}", lines / viewers);
    println!("age of a line        {:>8} ms median, {} ms for 99 of 100, {} ms at most", at(0.5), at(0.99), at(1.0));
    println!("memory of the console{:>8} MiB", resident(&child) / 1_024);
    child.kill().unwrap();
    child.wait().unwrap();
}

fn sign_in(address: &str, ticket: &str) -> String {
    let mut stream = TcpStream::connect(address.replace("localhost", "127.0.0.1")).unwrap();
    let body = json!({ "ticket": ticket }).to_string();
    write!(
        stream,
        "POST /api/v1/session HTTP/1.1\r\nHost: {address}\r\nOrigin: http://{address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let cookie = answer.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap_or_else(|| panic!("{answer}"));
    cookie.split(';').next().unwrap().to_owned()
}

/// Reads one stream; the ages of the lines that came, in milliseconds.
fn view(address: &str, cookie: &str, run: &RunId, over: &AtomicBool) -> Vec<i64> {
    let mut stream = TcpStream::connect(address.replace("localhost", "127.0.0.1")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    write!(stream, "GET /api/v1/runs/{run}/events HTTP/1.1\r\nHost: {address}\r\nCookie: {cookie}\r\n\r\n").unwrap();
    let mut ages = Vec::new();
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    loop {
        match reader.read_line(&mut line) {
            Ok(0) => return ages,
            Ok(_) => {
                if let Some(patch) = line.strip_prefix("data: ").and_then(|data| serde_json::from_str::<Value>(data).ok()) {
                    let now = jiff::Timestamp::now().as_millisecond();
                    for told in patch["log"].as_array().into_iter().flatten() {
                        let at = told["at"].as_str().and_then(Timestamp::parse);
                        ages.extend(at.map(|at| now - at.as_millis()));
                    }
                }
                line.clear();
            }
            // What was read of a line so far stays in it.
            Err(_) if !over.load(Ordering::SeqCst) => {}
            Err(_) => return ages,
        }
    }
}

/// Resident memory of a process, in KiB.
fn resident(child: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
