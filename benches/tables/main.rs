//! Exact counts of 2 000 tables on both sides of a pair of servers: by `check.tables`, by a loop around the command-line client,
//! and by one client per side with generated statements. The whole program counts each time, from its start to its end; that of
//! Pointsman writes its journal too.
//!
//! `cargo bench --features full --bench tables [-- ROUNDS [TABLES]]`. Needs the Debian package mariadb-server.
#![allow(clippy::unwrap_used, reason = "a bench stops at the first surprise")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[path = "../../tests/servers/mod.rs"]
mod servers;

use servers::mariadb::MariaDb;

/// Who counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Contender {
    Pointsman,
    Loop,
    Batch,
}

const ALL: [Contender; 3] = [Contender::Pointsman, Contender::Loop, Contender::Batch];

/// Two servers with the same tables, and a folder for runbook, homes and logs.
struct Pair {
    old: MariaDb,
    new: MariaDb,
    folder: tempfile::TempDir,
}

/// How one program ended.
struct Ended {
    took: Duration,
    /// The most memory that it and its children were seen to have, in KiB.
    peak: usize,
    code: Option<i32>,
    said: String,
}

const PASSWORD: &str = "bench-passw0rd";
const ROWS: usize = 200;

fn main() {
    if std::env::args().any(|argument| argument == "--test") || servers::missing("mariadbd", "mariadb-server") {
        return;
    }
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse::<usize>().ok());
    let (rounds, tables) = (numbers.next().unwrap_or(5), numbers.next().unwrap_or(2_000));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let pair = runtime.block_on(Pair::start(tables));
    println!("{tables} tables of {ROWS} rows on each side; load {}", load());
    // Both servers have every table open before anybody is measured.
    pair.must_agree(Contender::Batch);
    let mut all: Vec<Vec<Ended>> = ALL.map(|_| Vec::new()).into();
    for round in 1..=rounds {
        for (contender, found) in ALL.iter().zip(&mut all) {
            let ended = pair.must_agree(*contender);
            println!("round {round}  {:<9} {:>7.2} s  {:>6} KiB", contender.word(), ended.took.as_secs_f64(), ended.peak);
            found.push(ended);
        }
    }
    runtime.block_on(pair.new.run("DELETE FROM shop.t1 LIMIT 1"));
    for contender in ALL {
        let ended = pair.count(contender, "differs");
        assert!(ended.code.is_some_and(|code| code != 0), "{}: a missing row was not seen", contender.word());
    }
    print(&all, rounds);
}

fn print(all: &[Vec<Ended>], rounds: usize) {
    let own = median(all[0].iter().map(|ended| ended.took).collect()).as_secs_f64();
    println!("\nmedians of {rounds} rounds in turns; each saw a missing row afterwards; load {}", load());
    println!("| by | time | against `check.tables` | memory |\n|---|---:|---:|---:|");
    for (contender, found) in ALL.iter().zip(all) {
        let took = median(found.iter().map(|ended| ended.took).collect()).as_secs_f64();
        let peak = median(found.iter().map(|ended| ended.peak).collect());
        println!("| {} | {took:.2} s | {:.2} × | {:.0} MiB |", contender.sentence(), took / own, peak as f64 / 1024.0);
    }
}

fn median<T: Ord + Copy>(mut values: Vec<T>) -> T {
    values.sort_unstable();
    values[values.len() / 2]
}

fn load() -> String {
    std::fs::read_to_string("/proc/loadavg").unwrap().split(' ').next().unwrap().to_owned()
}

impl Contender {
    const fn word(self) -> &'static str {
        match self {
            Self::Pointsman => "pointsman",
            Self::Loop => "loop",
            Self::Batch => "batch",
        }
    }

    const fn sentence(self) -> &'static str {
        match self {
            Self::Pointsman => "`check.tables`, four tables at a time",
            Self::Loop => "the command-line client once per table and side",
            Self::Batch => "one client per side, both at once, fifty tables a statement",
        }
    }
}

impl Pair {
    async fn start(tables: usize) -> Self {
        // Nothing is measured here that waits for the disk; making the tables would, for minutes.
        let options = ["--innodb-flush-method=nosync", "--innodb-flush-log-at-trx-commit=0", "--sync-binlog=0", "--sync-frm=0"];
        let pair = Self {
            old: MariaDb::start_with(&options).await,
            new: MariaDb::start_with(&options).await,
            folder: tempfile::tempdir().unwrap(),
        };
        tokio::join!(fill(&pair.old, tables), fill(&pair.new, tables));
        let target = |port: u16| {
            format!("{{ connector: mysql, url: \"mysql://bench@127.0.0.1:{port}/shop\", password: {{ env: MYSQL_PWD }} }}")
        };
        let text = format!(
            "pointsman: 1\nrunbook: bench\ntargets:\n  old: {}\n  new: {}\nsteps:\n  counts:\n    action: check.tables\n    \
             with: {{ source: old, target: new, tables: [\"*\"], measures: [count], agree: 100%, max_concurrent: 4 }}\n",
            target(pair.old.port),
            target(pair.new.port)
        );
        std::fs::write(pair.runbook(), text).unwrap();
        pair
    }

    fn runbook(&self) -> PathBuf {
        self.folder.path().join("bench.yaml")
    }

    fn must_agree(&self, contender: Contender) -> Ended {
        let ended = self.count(contender, "agrees");
        assert_eq!(ended.code, Some(0), "{}: {}", contender.word(), ended.said);
        ended
    }

    fn count(&self, contender: Contender, home: &str) -> Ended {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/tables");
        let home = tempfile::Builder::new().prefix(home).tempdir_in(self.folder.path()).unwrap();
        let mut command = match contender {
            Contender::Loop => Command::new(scripts.join("loop.sh")),
            Contender::Batch => Command::new(scripts.join("batch.sh")),
            Contender::Pointsman => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_pointsman"));
                command.arg("--home").arg(home.path()).arg("run").arg(self.runbook()).arg("--plain");
                command
            }
        };
        command.env("MYSQL_PWD", PASSWORD).env("OLD_PORT", self.old.port.to_string()).env("NEW_PORT", self.new.port.to_string());
        watched(command, home.path())
    }
}

async fn fill(server: &MariaDb, tables: usize) {
    server
        .run(&format!(
            "CREATE DATABASE shop; CREATE USER bench@'%' IDENTIFIED BY '{PASSWORD}'; GRANT SELECT ON shop.* TO bench@'%'; \
             CREATE TABLE shop.t1 (id INT PRIMARY KEY, name VARCHAR(40)) ENGINE=InnoDB; \
             INSERT INTO shop.t1 SELECT seq, CONCAT('item ', seq) FROM shop.seq_1_to_{ROWS}"
        ))
        .await;
    for table in 2..=tables {
        server.run(&format!("CREATE TABLE shop.t{table} LIKE shop.t1; INSERT INTO shop.t{table} SELECT * FROM shop.t1")).await;
    }
}

/// Runs a program to its end and looks at its memory meanwhile.
fn watched(mut command: Command, folder: &Path) -> Ended {
    let log = folder.join("said.log");
    let file = std::fs::File::create(&log).unwrap();
    let begun = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file).spawn().unwrap();
    let id = child.id();
    let looking = std::thread::spawn(move || {
        let mut peak = 0;
        while let Some(now) = memory(id) {
            peak = peak.max(now);
            std::thread::sleep(Duration::from_millis(20));
        }
        peak
    });
    let status = child.wait().unwrap();
    let took = begun.elapsed();
    let said = std::fs::read_to_string(&log).unwrap();
    let end: Vec<_> = said.lines().rev().take(10).collect();
    Ended { took, peak: looking.join().unwrap(), code: status.code(), said: end.into_iter().rev().collect::<Vec<_>>().join("\n") }
}

/// The peak of a process and of those below it that are alive, in KiB; none once it is gone.
fn memory(id: u32) -> Option<usize> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let own: usize = line.split_whitespace().nth(1)?.parse().ok()?;
    let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
    Some(own + children.split_whitespace().filter_map(|child| memory(child.parse().ok()?)).sum::<usize>())
}
