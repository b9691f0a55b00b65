//! Night 1 four times on the same servers and the same load: by Pointsman, by a careful shell script, by an Ansible playbook, and
//! by one bare client that sends the same statements and nothing else (the floor). What counts is the longest time in which no
//! payment was acknowledged to anybody.
//!
//! `cargo bench --features full --bench night [-- ROUNDS]`. Needs the Debian packages of the sandbox; Ansible takes part where
//! `ansible-playbook` with community.mysql is found (`pip install ansible PyMySQL`).
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
}

const ALL: [Contender; 4] = [Contender::Floor, Contender::Pointsman, Contender::Shell, Contender::Ansible];

fn main() {
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let rounds = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(3);
    let mut silences: Vec<(Contender, Vec<Duration>)> = Vec::new();
    for contender in ALL {
        if contender == Contender::Ansible && !ansible_works() {
            println!("ansible: left out; `ansible-playbook` with community.mysql and PyMySQL is not on the PATH");
            continue;
        }
        let mut found = Vec::new();
        for round in 1..=rounds {
            let figures = night(contender);
            println!(
                "{:<10} round {round}: no payment acknowledged for {:>6.0} ms, whole night {:.1} s",
                contender.word(),
                figures.silence.as_secs_f64() * 1000.0,
                figures.whole.as_secs_f64()
            );
            found.push(figures.silence);
        }
        found.sort_unstable();
        silences.push((contender, found));
    }
    let floor = silences[0].1[silences[0].1.len() / 2].as_secs_f64();
    println!("\n500 payments/s over 10 connections; medians of {rounds} nights");
    println!("| by | writes stall | against the floor |\n|---|---|---|");
    for (contender, found) in &silences {
        let median = found[found.len() / 2].as_secs_f64();
        println!("| {} | {:.0} ms | {:.2} × |", contender.word(), median * 1000.0, median / floor);
    }
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

fn night(contender: Contender) -> Figures {
    let mut shop = Shop::open();
    shop.sells(400);
    let begun = Instant::now();
    match contender {
        Contender::Floor => floor::night(&shop),
        Contender::Pointsman => {
            let mut executor = shop.executor("run");
            shop.begin(&mut executor);
            shop.approve(&mut executor);
            let ended = executor.end(Duration::from_secs(120));
            assert_eq!(ended.code, 0, "{}", ended.account);
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
    Figures { silence: shop.payments.longest_silence(), whole }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/night")
}

fn script(shop: &Shop, program: &Path, args: &[&str]) {
    let sandbox = &shop.sandbox;
    let output = Command::new(program)
        .args(args)
        .envs(sandbox.secrets())
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
