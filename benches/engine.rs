//! What the engine costs per step, against a loop that writes the same bytes with the same syncs on the same disk.
//!
//! `cargo bench --bench engine [-- FOLDER]`. The actions do nothing, so that all that is left is the engine itself.
#![allow(clippy::unwrap_used, reason = "a measurement stops at the first surprise")]

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use idle::Idle;
use pointsman::connectors::Registry;
use pointsman::diagnostic::Source;
use pointsman::engine::{Executor, Home, load};
use pointsman::journal::Reader;
use pointsman::model::{Actor, Digest, Object, Value};
use pointsman::plan::Plan;
use pointsman::plan::build::{BuildInput, build};
use tokio_util::sync::CancellationToken;

mod idle;

fn main() {
    if let Some(file) = std::env::var_os("POINTSMAN_BENCH_PLAN") {
        let count = std::env::var("POINTSMAN_BENCH_COUNT").unwrap().parse().unwrap();
        return fs::write(file, fan_out(count).stored()).unwrap();
    }
    let named = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let folder = named.map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let folder = tempfile::Builder::new().prefix("engine-bench-").tempdir_in(folder).unwrap();
    memory(folder.path(), 100_000);
    println!("{:<44} {:>9} {:>9} {:>7} {:>8}", "", "engine", "bare", "ratio", "syncs");
    durable(folder.path(), "chain of 1 000 steps", &chain(1_000), 5);
    durable(folder.path(), "fan-out of 10 000 steps, 1 000 at a time", &fan_out(10_000), 9);
    durable(folder.path(), "fan-out of 100 000 steps, 1 000 at a time", &fan_out(100_000), 1);
}

const STEP: &str = "action: command, with: { argv: [nothing] }, in_doubt: ask, undo: { nothing: \"a bench\" }";

fn chain(count: usize) -> Plan {
    let mut text = "pointsman: 1\nrunbook: bench\nsteps:\n".to_owned();
    for step in 0..count {
        let needs = if step == 0 { String::new() } else { format!(", needs: [s{}]", step - 1) };
        text += &format!("  s{step}: {{ {STEP}{needs} }}\n");
    }
    plan(&text, Object::new())
}

/// A `foreach` over a list of the parameters: one step per item, known when the plan is made.
fn fan_out(count: usize) -> Plan {
    let text = format!(
        "pointsman: 1\nrunbook: bench\nparams:\n  hosts: {{ type: array }}\ndefaults: {{ max_concurrent: 1000 }}\nsteps:\n  \
         each: {{ {STEP}, foreach: \"{{{{ params.hosts }}}}\", max_concurrent: 1000 }}\n"
    );
    let hosts = (0..count).map(|n| Value::from(format!("host-{n}"))).collect();
    plan(&text, Object::from_iter([("hosts".to_owned(), Value::Array(hosts))]))
}

fn plan(text: &str, params: Object) -> Plan {
    let source = Source::new("bench.yaml", text);
    let (runbook, report) = pointsman::runbook::parse(&source);
    assert!(!report.has_errors(), "{:?}", report.sorted());
    let runbook = runbook.unwrap();
    let built = build(BuildInput { params, ..BuildInput::of(&runbook, &source) });
    built.plan.unwrap_or_else(|| panic!("{:?}", built.report.sorted()))
}

/// Drives a plan to its end; how long that took from the first record, and the home in which it ran.
fn drive(folder: &Path, plan: Plan) -> (Duration, Duration, Home, pointsman::model::RunId) {
    let home = Home::new(tempfile::tempdir_in(folder).unwrap().keep());
    let begin = Instant::now();
    let executor = Executor::start(&home, plan, None, Actor::local(0, "bench")).unwrap();
    let started = begin.elapsed();
    let run = executor.run_id().clone();
    let mut registry = Registry::default();
    registry.add(Idle { apply: Duration::ZERO });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let begin = Instant::now();
    runtime.block_on(executor.drive(registry, &mut (), CancellationToken::new())).unwrap();
    (begin.elapsed(), started, home, run)
}

/// Engine and bare loop in turns, so that both meet the same moods of the disk; the medians of each and of the ratio.
fn durable(folder: &Path, name: &str, plan: &Plan, rounds: usize) {
    let (mut engines, mut bares, mut ratios, mut batches) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for _ in 0..rounds {
        let (engine, _, home, run) = drive(folder, plan.clone());
        let journal = home.run_dir(&run).join("journal");
        let (before, syncs) = bare_loop(&journal, &folder.join("bare"));
        let (after, _) = bare_loop(&journal, &folder.join("bare"));
        let bare = (before + after) / 2;
        engines.push(millis(engine));
        bares.push(millis(bare));
        ratios.push(engine.as_secs_f64() / bare.as_secs_f64());
        batches = syncs;
        fs::remove_dir_all(home.path()).unwrap();
    }
    println!("{name:<44} {:>7.0}ms {:>7.0}ms {:>6.2}× {batches:>8}", median(engines), median(bares), median(ratios));
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Writes the bytes of every batch of a journal with one sync each, as the journal did, and nothing else.
fn bare_loop(journal: &Path, to: &Path) -> (Duration, usize) {
    let bytes = fs::read(journal).unwrap();
    let mut starts: Vec<(u64, u64)> = Vec::new();
    for entry in Reader::open(journal).unwrap() {
        let entry = entry.unwrap();
        if starts.last().is_none_or(|(batch, _)| *batch != entry.batch) {
            starts.push((entry.batch, entry.offset));
        }
    }
    let file = OpenOptions::new().create(true).truncate(true).write(true).open(to).unwrap();
    let ends = starts.iter().skip(1).map(|(_, offset)| *offset).chain([bytes.len() as u64]);
    let begin = Instant::now();
    for ((_, start), end) in starts.iter().zip(ends) {
        let part = &bytes[usize::try_from(*start).unwrap()..usize::try_from(end).unwrap()];
        file.write_all_at(part, *start).unwrap();
        file.sync_data().unwrap();
    }
    (begin.elapsed(), starts.len())
}

/// A child makes the plan, so that what making it needs is not in this process's peak.
fn stored_by_a_child(folder: &Path, count: usize) -> (Vec<u8>, Digest) {
    let file = folder.join("plan.json");
    let me = std::env::current_exe().unwrap();
    let status =
        Command::new(me).env("POINTSMAN_BENCH_PLAN", &file).env("POINTSMAN_BENCH_COUNT", count.to_string()).status().unwrap();
    assert!(status.success());
    let stored = fs::read(file).unwrap();
    let digest = Digest::of(&stored);
    (stored, digest)
}

fn memory(folder: &Path, count: usize) {
    let (stored, digest) = stored_by_a_child(folder, count);
    let text = stored.len();
    let before = resident();
    let begin = Instant::now();
    let plan = Plan::from_stored(stored, digest).unwrap();
    let read = begin.elapsed();
    let planned = resident();
    let (took, started, home, run) = drive(folder, plan);
    let highest = peak();
    let begin = Instant::now();
    let (state, records) = load(&home, &run, None).unwrap();
    let replayed = begin.elapsed();
    assert_eq!(records.len() as u64, state.last_seq());
    drop(records);
    println!("plan of {count} steps ({} KiB of text)", text / 1024);
    println!(
        "  read and indexed in {:.0}ms, started in {:.0}ms, run in {:.1}s, replayed in {:.0}ms",
        millis(read),
        millis(started),
        took.as_secs_f64(),
        millis(replayed)
    );
    println!(
        "  the plan in memory    {:>6} B a step, of which its text {} B",
        planned.saturating_sub(before) / count,
        text / count
    );
    println!("  the run beside it     {:>6} B a step at its peak", highest.saturating_sub(planned) / count);
    println!();
    fs::remove_dir_all(home.path()).unwrap();
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn resident() -> usize {
    status("VmRSS:")
}

fn peak() -> usize {
    status("VmHWM:")
}

fn status(name: &str) -> usize {
    let text = fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}
