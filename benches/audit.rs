//! What the log costs: verification of a bundle of a million records against the speed at which this machine hashes, and what
//! checkpoints and a witness add to a run.
//!
//! `cargo bench --features full --bench audit [-- FOLDER]`. Both sides of a ratio run in turns on the same disk in the same run.
#![allow(clippy::unwrap_used, reason = "a measurement stops at the first surprise")]

use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use pointsman::audit::{Trust, Withhold, bundle, verify_bundle, verify_logged};
use pointsman::journal::head::Clocks;
use pointsman::journal::{Files, Nonce, RunFolder, Writer};
use pointsman::log::store::Origin;
use pointsman::log::{Asked, Log, LogFolder, Outside, Witness, http};
use pointsman::model::{Actor, Digest, RunId, RunOutcome, Timestamp};
use pointsman::run::Event;
mod records;

use records::{append, intent};

/// `POINTSMAN_BENCH_RECORDS` makes it another number.
const RECORDS: usize = 1_000_000;

fn main() {
    let named = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let home = named.map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let home = tempfile::Builder::new().prefix("audit-bench-").tempdir_in(home).unwrap();
    let (run, mut log, mut writer) = start(home.path());
    println!("checkpoints of a log that is empty");
    checkpoints(home.path(), &run, &mut log, &mut writer);
    let records = std::env::var("POINTSMAN_BENCH_RECORDS").map_or(RECORDS, |records| records.parse().unwrap());
    let began = Instant::now();
    for n in 0..records {
        append(&mut writer, intent(n));
    }
    append(&mut writer, Event::RunEnded { outcome: RunOutcome::Succeeded });
    writer.settle().unwrap();
    println!("writing {records} records: {:.1} s", began.elapsed().as_secs_f64());
    let began = Instant::now();
    log.follow(&run.journal(), None).unwrap();
    log.sign().unwrap();
    println!("taking them up into the log at once: {:.1} s", began.elapsed().as_secs_f64());
    let began = Instant::now();
    let log = Log::open(&LogFolder::of_home(home.path())).inspect(|log| assert!(log.signed().is_some())).unwrap();
    println!("opening that log: {:.2} s", began.elapsed().as_secs_f64());
    let file = home.path().join("million.bundle");
    let began = Instant::now();
    let mut out = BufWriter::new(File::create(&file).unwrap());
    bundle(&run, &log, &Withhold::default(), &mut out).unwrap();
    out.flush().unwrap();
    println!(
        "writing its bundle of {} MB: {:.1} s",
        fs::metadata(&file).unwrap().len() / 1_000_000,
        began.elapsed().as_secs_f64()
    );
    verification(&file, &run, &log);
    whole_runs(home.path());
}

fn start(home: &Path) -> (RunFolder, Log, Writer) {
    fs::create_dir_all(home.join("runs")).unwrap();
    let at = Timestamp::from_millis(1_795_219_200_000);
    let log = Log::open_or_make(&LogFolder::of_home(home), "bench/pointsman/1", Origin::Init, at).unwrap().0;
    let run = RunFolder::create(home.join("runs/million"), b"{}").unwrap();
    let clocks = Clocks { at, uptime_ms: 1, boot: "bench".to_owned() };
    let mut writer = Writer::create(Files::lock(&run).unwrap(), Nonce::random().unwrap(), clocks).unwrap();
    let starter = Actor::local(1000, "alice");
    append(
        &mut writer,
        Event::RunStarted { run: RunId::new("million"), runbook: "bench".to_owned(), plan: Digest::of(b"{}"), starter },
    );
    writer.commit().unwrap();
    (run, log, writer)
}

/// A durable batch of ten records, then a checkpoint over them, then a witness on the loopback: what each adds.
fn checkpoints(home: &Path, run: &RunFolder, log: &mut Log, writer: &mut Writer) {
    let witness = Witness::open(&home.join("witness"), "w", vec![log.verifier().clone()]).unwrap();
    let key = witness.verifier().to_string();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || http::serve(&listener, witness, &http::Door::default()));
    let outside = Outside { witnesses: vec![Asked::at(&key, &url).unwrap()], ..Outside::default() };
    let (mut commits, mut signs, mut tells) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..100 {
        let began = Instant::now();
        (0..10).for_each(|n| append(writer, intent(n)));
        writer.commit().unwrap();
        commits.push(began.elapsed());
        let began = Instant::now();
        log.follow(&run.journal(), Some(writer.durable().seq)).unwrap();
        let signed = log.sign().unwrap();
        signs.push(began.elapsed());
        let shared = Mutex::new(Log::open(log.folder()).unwrap());
        let began = Instant::now();
        assert!(outside.tell(&shared, &signed).1.is_empty());
        tells.push(began.elapsed());
    }
    let us = |times: &mut Vec<Duration>| median(times).as_secs_f64() * 1e6;
    println!("  a durable commit of 10 records     {:>8.0} µs", us(&mut commits));
    println!("  a checkpoint over them             {:>8.0} µs", us(&mut signs));
    println!("  a witness told, in its own thread  {:>8.0} µs", us(&mut tells));
}

/// The bundle, and the run in its folder, against `sha256sum` of the same bytes.
fn verification(file: &Path, run: &RunFolder, log: &Log) {
    let trust = Trust { keys: vec![log.verifier().clone()], ..Trust::default() };
    let (mut bundles, mut runs, mut bare, mut journals) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let hash = |path: &Path| {
        let began = Instant::now();
        assert!(Command::new("sha256sum").arg(path).stdout(Stdio::null()).status().unwrap().success());
        began.elapsed()
    };
    for _ in 0..3 {
        let began = Instant::now();
        let mut reader = BufReader::with_capacity(1 << 20, File::open(file).unwrap());
        let report = verify_bundle(&mut reader, &trust).unwrap();
        assert!(report.holds(), "{report:?}");
        bundles.push(began.elapsed());
        bare.push(hash(file));
        let began = Instant::now();
        assert!(verify_logged(run, log.folder()).unwrap().holds());
        runs.push(began.elapsed());
        journals.push(hash(&run.journal()));
    }
    let row = |what: &str, ours: &mut Vec<Duration>, theirs: &mut Vec<Duration>| {
        let (ours, theirs) = (median(ours).as_secs_f64(), median(theirs).as_secs_f64());
        println!("{what:<66} {ours:>7.2} s {theirs:>7.2} s {:>6.2}", ours / theirs);
    };
    row("audit verify of the bundle, against sha256sum of it", &mut bundles, &mut bare);
    row("audit verify of the run with its log, against sha256sum of the journal", &mut runs, &mut journals);
}

/// Whole runs of the program with a log, in turns with runs whose log is in the way: what all of it adds.
fn whole_runs(home: &Path) {
    let steps: String = (0..100)
        .map(|n| format!("  s{n}: {{ action: command.check, protected: true, with: {{ argv: [\"true\"] }} }}\n"))
        .collect();
    fs::write(home.join("hundred.yaml"), format!("pointsman: 1\nrunbook: hundred\nsteps:\n{steps}")).unwrap();
    let (with, without) = (home.join("with"), home.join("without"));
    fs::create_dir_all(&without).unwrap();
    fs::write(without.join("log"), "in the way").unwrap();
    let run = |home: &Path, file: &Path| {
        let began = Instant::now();
        let mut program = Command::new(env!("CARGO_BIN_EXE_pointsman"));
        program.args(["--home".as_ref(), home.as_os_str()]).arg("run").arg(file);
        assert!(program.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success(), "the run failed");
        began.elapsed()
    };
    let file = home.join("hundred.yaml");
    let (mut logged, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..7 {
        logged.push(run(&with, &file));
        bare.push(run(&without, &file));
    }
    let ms = |times: &mut Vec<Duration>| median(times).as_secs_f64() * 1e3;
    let (logged, bare) = (ms(&mut logged), ms(&mut bare));
    println!(
        "a run of 100 protected steps: {logged:.0} ms with the log, {bare:.0} ms without, {:.1} ms a step",
        (logged - bare) / 100.0
    );
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}
