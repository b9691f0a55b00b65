//! The clients of a sandbox, for a person who wants to see a night under load:
//! `cargo run --features full --example shop-load -- runbooks/mysql-to-cloud/.sandbox`. Ends with Ctrl-C, and then holds what the
//! clients were told against what both sides hold; readers of a catalogue say who answered them.
#![allow(dead_code, reason = "the tests of the nights use the rest of the load")]
#![allow(clippy::unwrap_used, reason = "a tool for a sandbox stops at the first surprise")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

#[path = "load/mod.rs"]
mod load;

use load::orders::{order, work};
use load::payments::{found, pay};
use load::reads::{Reads, read};
use load::{Crew, Ledger, Rate, payments_pg};

fn pairs(path: &Path, sign: char) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}: is the sandbox up?", path.display()));
    let pairs = text.lines().filter_map(|line| line.split_once(sign));
    pairs.map(|(key, value)| (key.to_owned(), value.trim().to_owned())).collect()
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let folder = std::env::args().nth(1).expect("the folder of a sandbox, such as runbooks/mysql-to-cloud/.sandbox");
    let params = pairs(&Path::new(&folder).join("params.yaml"), ':');
    let port = |name: &str| -> u16 { params[name].parse().unwrap() };
    if params.contains_key("entry_port") {
        return browse(port("entry_port")).await;
    }
    let secrets = pairs(&Path::new(&folder).join("secrets.env"), '=');
    let secret = |name: &str| secrets[name].as_str();
    let (payments, orders) = (Ledger::default(), Ledger::default());
    let rate = Rate { clients: 10, per_second: 500 };
    let is_mysql = params.contains_key("front_port");
    let crews: Vec<Crew> = if is_mysql {
        let amqp = |user: &str, name: &str| format!("amqp://{user}:{}@127.0.0.1:{}/shop", secret(name), port("amqp_port"));
        vec![
            pay(port("front_port"), "shop_app", secret("APP_PASSWORD"), &rate, &payments),
            order(amqp("entry", "ENTRY_PASSWORD"), 50, &orders),
            work(amqp("worker", "MQ_WORKER_PASSWORD"), port("front_port"), secret("WORKER_PASSWORD")),
        ]
    } else {
        vec![payments_pg::pay(payments_pg::address(port("pool_port"), "shop_app", secret("APP_PASSWORD")), &rate, &payments)]
    };
    let (begun, mut before) = (Instant::now(), 0);
    loop {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => break,
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
        let now = payments.acknowledged();
        println!(
            "{:>4} s  {:>4} payments in this second, {now} in all; {} orders",
            begun.elapsed().as_secs(),
            now - before,
            orders.acknowledged()
        );
        before = now;
    }
    for crew in crews {
        crew.end();
    }
    println!(
        "\nthe longest time without a payment: {:?}; the longest wait for one: {:?}",
        payments.longest_silence(),
        payments.longest_wait()
    );
    for (side, name) in [("old", "old_port"), ("new", "new_port")] {
        let tokens = if is_mysql {
            found(port(name), "pointsman", secret("DB_PASSWORD"), "SELECT token FROM shop.payments").await
        } else {
            payments_pg::found(payments_pg::address(port(name), "pointsman", secret("DB_PASSWORD"))).await
        };
        println!("{side}: {:?}", payments.compare(&tokens));
    }
}

/// Readers, and nothing that is bought.
async fn browse(entry: u16) {
    let (reads, begun) = (Reads::default(), Instant::now());
    let crew = read(entry, &Rate { clients: 10, per_second: 500 }, &reads);
    let mut before = (0, 0);
    while let Err(_elapsed) = tokio::time::timeout(Duration::from_secs(1), tokio::signal::ctrl_c()).await {
        let (now, seconds) = ((reads.by("old"), reads.by("cloud")), begun.elapsed().as_secs());
        let errors = reads.errors().len();
        println!(
            "{seconds:>4} s  {:>4} reads from the old side in this second, {:>4} from the cloud; {errors} errors in all",
            now.0 - before.0,
            now.1 - before.1
        );
        before = now;
    }
    crew.end();
    println!("\nold: {}, cloud: {}, errors: {}", reads.by("old"), reads.by("cloud"), reads.errors().len());
    for error in reads.errors().iter().take(3) {
        println!("such as {error:?}");
    }
}
