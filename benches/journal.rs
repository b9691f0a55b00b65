//! The journal against what it cannot be faster than: a bare loop of the same writes and syncs, and `sha256sum` of the same bytes.
//!
//! `cargo bench --bench journal [-- FOLDER]`. Both sides of a ratio run in turns on the same disk in the same run.
#![allow(clippy::unwrap_used, reason = "a measurement stops at the first surprise")]

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use pointsman::audit;
use pointsman::journal::head::Clocks;
use pointsman::journal::{Files, Nonce, Reader, RunFolder, Writer, open};
use pointsman::model::{Actor, Digest, RunId, Timestamp};
use pointsman::run::Event;
mod records;

use records::{append, intent};

fn main() {
    let named = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let home = named.map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let home = tempfile::Builder::new().prefix("journal-bench-").tempdir_in(home).unwrap();
    println!("{:<62} {:>10} {:>10} {:>7}", "", "journal", "bare", "ratio");
    for (batch, rounds) in [(1, 40), (10, 20), (100, 10)] {
        appends(home.path(), batch, rounds);
    }
    let folder = large(home.path(), 200_000);
    verification(&folder);
    reading(&folder);
}

fn clocks() -> Clocks {
    Clocks { at: Timestamp::from_millis(1_795_219_200_000), uptime_ms: 1, boot: "bench".to_owned() }
}

fn start(home: &Path, name: &str) -> (RunFolder, Writer) {
    let folder = RunFolder::create(home.join(name), b"{}").unwrap();
    let mut writer = Writer::create(Files::lock(&folder).unwrap(), Nonce::random().unwrap(), clocks()).unwrap();
    let started = Event::RunStarted {
        run: RunId::new(name),
        runbook: "bench".to_owned(),
        plan: Digest::of(b"{}"),
        starter: Actor::local(1000, "alice"),
    };
    append(&mut writer, started);
    writer.commit().unwrap();
    (folder, writer)
}

/// Durable appends in batches, in turns with a loop that writes as many bytes and syncs as often.
fn appends(home: &Path, batch: usize, rounds: usize) {
    const COMMITS: usize = 50;
    let (_folder, mut writer) = start(home, &format!("appends-{batch}"));
    let bare = File::create(home.join(format!("bare-{batch}"))).unwrap();
    let mut end = 0;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let before = writer.durable().offset;
        let began = Instant::now();
        for _ in 0..COMMITS {
            (0..batch).for_each(|n| append(&mut writer, intent(n)));
            writer.commit().unwrap();
        }
        ours.push(began.elapsed());
        let size = usize::try_from(writer.durable().offset - before).unwrap() / COMMITS;
        let bytes = vec![7; size];
        let began = Instant::now();
        for _ in 0..COMMITS {
            bare.write_all_at(&bytes, end).unwrap();
            bare.sync_data().unwrap();
            end += size as u64;
        }
        theirs.push(began.elapsed());
    }
    let per_commit = |times: &mut [Duration]| median(times).as_secs_f64() * 1e6 / COMMITS as f64;
    let (ours, theirs) = (per_commit(&mut ours), per_commit(&mut theirs));
    let what = format!("durable commit of {batch} records, against write + fdatasync");
    println!("{what:<62} {:>10} {:>10} {:>7.2}", format!("{ours:.0} µs"), format!("{theirs:.0} µs"), ours / theirs);
}

/// A settled journal of many records.
fn large(home: &Path, records: usize) -> RunFolder {
    let (folder, mut writer) = start(home, "large");
    for n in 0..records {
        append(&mut writer, intent(n));
    }
    writer.settle().unwrap();
    folder
}

/// Verification against `sha256sum` of the same file, both with a warm cache.
fn verification(folder: &RunFolder) {
    let bytes = fs::metadata(folder.journal()).unwrap().len();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        let began = Instant::now();
        assert!(audit::verify(folder).unwrap().holds());
        ours.push(began.elapsed());
        let began = Instant::now();
        assert!(Command::new("sha256sum").arg(folder.journal()).output().unwrap().status.success());
        theirs.push(began.elapsed());
    }
    let what = format!("audit verify of {} MB, against sha256sum", bytes / 1_000_000);
    row(&what, median(&mut ours), median(&mut theirs));
}

/// Opening (examine, claim, new head) and reading every record as an event, both against `sha256sum` too.
fn reading(folder: &RunFolder) {
    let (mut opening, mut records, mut bare) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..5 {
        let began = Instant::now();
        drop(open(Files::lock(folder).unwrap(), clocks()).unwrap());
        opening.push(began.elapsed());
        let began = Instant::now();
        assert!(Reader::open(&folder.journal()).unwrap().all(|entry| entry.is_ok()));
        records.push(began.elapsed());
        let began = Instant::now();
        assert!(Command::new("sha256sum").arg(folder.journal()).output().unwrap().status.success());
        bare.push(began.elapsed());
    }
    let bare = median(&mut bare);
    row("opening it for a new executor, against sha256sum", median(&mut opening), bare);
    row("reading its 200 000 records as events, against sha256sum", median(&mut records), bare);
}

fn row(what: &str, ours: Duration, theirs: Duration) {
    let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
    println!("{what:<62} {:>10} {:>10} {ratio:>7.2}", format!("{} ms", ours.as_millis()), format!("{} ms", theirs.as_millis()));
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}
