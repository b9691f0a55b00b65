//! Night 1 by four hands on the same servers and under the same load: by Pointsman, by a careful shell script, by an Ansible playbook,
//! and by one bare client that sends the same statements and nothing else (the floor). What counts is the longest time in which no
//! payment was acknowledged to anybody. They take turns, so that all meet the same moods of the machine.
//!
//! `cargo bench --features full --bench night [-- ROUNDS [floor|pointsman|shell|ansible]]`. Needs the Debian packages of the sandbox;
//! Ansible takes part where `ansible-playbook` with community.mysql is found (`pip install ansible PyMySQL`). `KEEP_JOURNALS=FOLDER`
//! keeps the runs of Pointsman, whose journals say what each statement took.
#![allow(dead_code, reason = "the tests of the nights use the rest of the load")]
#![allow(clippy::unwrap_used, reason = "a bench stops at the first surprise")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[path = "../../tests/nights/executor.rs"]
mod executor;
mod floor;
#[path = "../../tests/nights/load/mod.rs"]
mod load;
#[path = "../../tests/nights/sandbox.rs"]
mod sandbox;
#[path = "../../tests/nights/shop.rs"]
mod shop;

use shop::Shop;

/// Who moves the shop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Contender {
    Floor,
    Pointsman,
    Shell,
    Ansible,
}

/// What one night came to.
struct Figures {
    silence: Duration,
    whole: Duration,
    /// How long the replica took to reach the last payment, just before.
    behind: Duration,
}

const ALL: [Contender; 4] = [Contender::Floor, Contender::Pointsman, Contender::Shell, Contender::Ansible];

fn main() {
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let rounds = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(5);
    let named = std::env::args().skip(1).find_map(|argument| ALL.into_iter().find(|contender| contender.word() == argument));
    let mut taking_part: Vec<_> = ALL.into_iter().filter(|contender| named.is_none_or(|named| named == *contender)).collect();
    if taking_part.contains(&Contender::Ansible) && !ansible_works() {
        println!("ansible: left out; `ansible-playbook` with community.mysql and PyMySQL is not on the PATH");
        taking_part.retain(|contender| *contender != Contender::Ansible);
    }
    let mut nights: Vec<Vec<Figures>> = taking_part.iter().map(|_| Vec::new()).collect();
    for round in 1..=rounds {
        for (contender, found) in taking_part.iter().zip(&mut nights) {
            let figures = night(*contender, round);
            println!(
                "{:<10} round {round}: no payment acknowledged for {:>6.0} ms, whole night {:.1} s, replica {:.0} ms behind before, load {}",
                contender.word(),
                figures.silence.as_secs_f64() * 1000.0,
                figures.whole.as_secs_f64(),
                figures.behind.as_secs_f64() * 1000.0,
                load_average()
            );
            found.push(figures);
        }
    }
    let middle = |found: &[Figures], of: fn(&Figures) -> Duration| {
        let mut times: Vec<_> = found.iter().map(of).collect();
        times.sort_unstable();
        (times[times.len() / 2].as_secs_f64(), times[0].as_secs_f64(), times[times.len() - 1].as_secs_f64())
    };
    let floor = middle(&nights[0], |figures| figures.silence).0;
    println!(
        "\n500 payments/s over 10 connections; medians of {rounds} nights in turns, in brackets the shortest and the longest"
    );
    println!("| by | no payment is acknowledged for | against the first row | whole night |\n|---|---:|---:|---:|");
    for (contender, found) in taking_part.iter().zip(&nights) {
        let (median, least, most) = middle(found, |figures| figures.silence);
        let (whole, _, _) = middle(found, |figures| figures.whole);
        let [median_ms, least_ms, most_ms] = [median, least, most].map(|seconds| seconds * 1000.0);
        println!(
            "| {} | {median_ms:.0} ms ({least_ms:.0} to {most_ms:.0}) | {:.2} × | {whole:.1} s |",
            contender.word(),
            median / floor
        );
    }
}

fn load_average() -> String {
    std::fs::read_to_string("/proc/loadavg").unwrap().split(' ').next().unwrap().to_owned()
}

impl Contender {
    const fn word(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Pointsman => "pointsman",
            Self::Shell => "shell",
            Self::Ansible => "ansible",
        }
    }
}

fn ansible_works() -> bool {
    let module = Command::new("ansible-doc")
        .args(["-t", "module", "community.mysql.mysql_query"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    module.is_ok_and(|status| status.success())
}

fn night(contender: Contender, round: usize) -> Figures {
    let mut shop = Shop::open();
    let behind = bring_the_replica_close(&shop);
    shop.sells(400);
    let begun = Instant::now();
    match contender {
        Contender::Floor => floor::night(&shop),
        Contender::Pointsman => {
            let mut executor = shop.executor("run");
            executor.run(&asking_before(&shop), &shop.sandbox.path().join("params.yaml"), &[]);
            approve(&executor);
            let ended = executor.end(Duration::from_secs(120));
            assert_eq!(ended.code, 0, "{}", ended.account);
            keep(&shop, round);
        }
        Contender::Shell => script(&shop, &folder().join("cutover.sh"), &[]),
        Contender::Ansible => {
            script(&shop, Path::new("ansible-playbook"), &["-i", "localhost,", folder().join("cutover.yml").to_str().unwrap()])
        }
    }
    let whole = begun.elapsed();
    shop.sells(400);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let verdict = runtime.block_on(shop.close(shop::Side::New));
    assert!(verdict.is_whole(), "{}: {verdict:?}", contender.word());
    Figures { silence: shop.payments.longest_silence(), whole, behind }
}

/// A replica that applies one payment after the other waits for its disk as often as the old side does for ten payments, falls
/// behind, and then every night lasts as long as it is behind. So this one applies eight at a time, and a night begins when it is
/// close; how far behind it was then.
fn bring_the_replica_close(shop: &Shop) -> Duration {
    let ask = |side: &str, sql: &str| shop.sandbox.call(&["sql", side, sql]);
    ask("new", "STOP SLAVE SQL_THREAD; SET GLOBAL slave_parallel_threads = 8; START SLAVE SQL_THREAD");
    let end = Instant::now() + Duration::from_secs(120);
    loop {
        let position = ask("old", "SELECT @@gtid_binlog_pos");
        let begun = Instant::now();
        let reached = ask("new", &format!("SELECT MASTER_GTID_WAIT('{}', 60)", position.trim()));
        let behind = begun.elapsed();
        if reached.trim() == "0" && behind < Duration::from_millis(200) {
            return behind;
        }
        assert!(Instant::now() < end, "the replica does not keep up with 500 payments a second on this machine: {behind:?}");
    }
}

/// The runbook of the night with its gate in front of the freeze: the others ask nobody, and how long a person thinks is not what is
/// measured.
fn asking_before(shop: &Shop) -> PathBuf {
    let runbook = shop.sandbox.runbook();
    let text = std::fs::read_to_string(&runbook).unwrap();
    let begin = text.find("  go-live:").unwrap();
    let gate = &text[begin..begin + text[begin..].find("\n\n").unwrap()];
    let line = |word: &str| gate.lines().find(|line| line.trim_start().starts_with(word)).unwrap();
    let (needs, prompt) = (line("needs:"), line("prompt:"));
    let early = gate.replace(needs, "    needs: [orders-drained]").replace(prompt, "      prompt: \"Sell from the cloud?\"");
    let moved = [
        (gate.to_owned() + "\n\n", String::new()),
        ("    needs: [go-live]\n".to_owned(), format!("{needs}\n")),
        ("  freeze-old: ".to_owned(), format!("{early}\n\n  freeze-old: ")),
        (
            "    needs: [orders-drained]\n    action: mysql.freeze_writes".to_owned(),
            "    needs: [go-live]\n    action: mysql.freeze_writes".to_owned(),
        ),
    ];
    let text = moved.iter().fold(text.clone(), |text, (from, to)| {
        assert_eq!(text.matches(from).count(), 1, "{from}");
        text.replace(from, to)
    });
    let folder = shop.sandbox.path().with_file_name("asking-before");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::copy(runbook.with_file_name("people.yaml"), folder.join("people.yaml")).unwrap();
    std::fs::write(folder.join("runbook.yaml"), text).unwrap();
    folder.join("runbook.yaml")
}

/// Says yes as soon as the run asks.
fn approve(executor: &executor::Executor) {
    let end = Instant::now() + Duration::from_secs(120);
    while !executor.log().lines().any(|line| line.split_whitespace().nth(2) == Some("asks")) {
        assert!(Instant::now() < end, "nobody was asked:\n{}", executor.account());
        std::thread::sleep(Duration::from_millis(1));
    }
    let answer = executor.order(&["approve", "go-live"]);
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
}

/// Keeps the home of a run, where somebody wants to see what each statement took.
fn keep(shop: &Shop, round: usize) {
    if let Some(folder) = std::env::var_os("KEEP_JOURNALS") {
        let home = shop.sandbox.path().with_file_name("run");
        let to = Path::new(&folder).join(format!("round-{round}"));
        let status = Command::new("cp").arg("-a").arg(home).arg(to).status().unwrap();
        assert!(status.success());
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/night")
}

fn script(shop: &Shop, program: &Path, args: &[&str]) {
    let sandbox = &shop.sandbox;
    let output = Command::new(program)
        .args(args)
        .envs(sandbox.secrets())
        // What a team that cares for time would set: modules go to the interpreter by a pipe and not through a file.
        .env("ANSIBLE_PIPELINING", "True")
        .env("SANDBOX", sandbox.path())
        .envs(
            [("OLD_PORT", 0), ("NEW_PORT", 1), ("FRONT_PORT", 2), ("LB_PORT", 3), ("MQ_PORT", 5)]
                .map(|(name, offset)| (name, sandbox.port(offset).to_string())),
        )
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{} ended with {}:\n{said}", program.display(), output.status);
}
