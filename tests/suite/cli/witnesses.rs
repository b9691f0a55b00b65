//! Gates that wait until somebody outside has seen the record: as the installation asks for it, and as a runbook does.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use pointsman::log::Signer;

use super::audit::verify_with_python;
use super::{Bench, PATIENCE};

const FINE: &str = "steps:\n  hello: { action: command.check, with: { argv: [echo, hello] } }\n";

fn until(what: &str, test: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !test() {
        assert!(Instant::now() < deadline, "{what} never came");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The key of a witness for the log of `key`, and a place that nobody listens at yet.
fn absent_witness(bench: &Bench, key: &str) -> (String, SocketAddr) {
    let witness = bench.start(&["witness", "--dir", "w", "--log", key, "--listen", "127.0.0.1:0"]);
    let file = bench.path().join("w/key");
    until("the key of the witness", || Signer::load(&file).is_ok_and(|key| key.is_some()));
    witness.signal(Signal::SIGTERM);
    witness.end();
    let public = Signer::load(&file).unwrap().unwrap().verifier().to_string();
    (public, TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap())
}

/// A gate is closed until the witness has signed, and open when it has; the way back never waits.
#[test]
fn a_gate_waits_for_the_witness_and_the_way_back_does_not() {
    let bench = Bench::new();
    let key = bench.say(&["init"]).out.trim().to_owned();
    bench.runbook("fine", FINE);
    let (public, port) = absent_witness(&bench, &key);
    let url = format!("http://{port}");
    let said = bench.say(&["init", "--witness-key", &public, "--witness-url", &url, "--require", "L2"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(bench.say(&["init", "--require", "L3"]).code, 1, "a level that nobody can give");
    assert_eq!(bench.say(&["init", "--require", "L1"]).code, 2);

    // The start of an executor is a gate too, or a crash would be a way past one.
    let waiting = bench.start(&["run", "fine.yaml", "--id", "one", "--json"]);
    bench.wait_until("the run is there", |status| status["executor"].as_bool() == Some(true));
    let listen = port.to_string();
    let witness = bench.start(&["witness", "--dir", "w", "--log", &key, "--listen", &listen]);
    let said = waiting.end();
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.err.contains("the gate stays closed"), "it did not wait: {said:?}");
    assert_eq!(bench.say(&["audit", "bundle", "one", "--out", "one.bundle"]).code, 0);
    let args = ["audit", "verify", "one.bundle", "--key", &key, "--witness", &public, "--require", "L2"];
    let said = bench.say(&args);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(verify_with_python(&bench, &args[2..]).code, 0);

    // Nobody listens again: the next run stays at its first step, and an order to turn back is carried out.
    witness.signal(Signal::SIGTERM);
    witness.end();
    let waiting = bench.start(&["run", "fine.yaml", "--id", "two", "--json"]);
    bench.wait_until("the second run is there", |status| status["run"] == "two" && status["executor"].as_bool() == Some(true));
    assert_eq!(bench.say(&["rollback", "two", "--reason", "no witness"]).code, 0);
    let said = waiting.end();
    assert_eq!(said.code, 4, "{said:?}");
}

/// What a runbook asks for is added to what the installation asks for, and a bundle is held against it.
#[test]
fn a_runbook_asks_for_a_witness_where_the_installation_does_not() {
    let bench = Bench::new();
    let key = bench.say(&["init"]).out.trim().to_owned();
    bench.runbook("fine", FINE);
    bench.runbook("seen", &format!("witness: {{ level: L2 }}\n{FINE}"));
    let said = bench.say(&["run", "seen.yaml", "--id", "none"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains("asks for L2") && said.err.contains("names nobody"), "{said:?}");
    assert!(!bench.path().join("home/runs/none").exists(), "a run was begun");

    let (public, port) = absent_witness(&bench, &key);
    let url = format!("http://{port}");
    assert_eq!(bench.say(&["init", "--witness-key", &public, "--witness-url", &url]).code, 0);
    let said = bench.say(&["run", "fine.yaml", "--id", "fine"]);
    assert!(said.code == 0 && !said.err.contains("gate stays closed"), "a run that asks for nothing waited: {said:?}");
    let waiting = bench.start(&["run", "seen.yaml", "--id", "one", "--json"]);
    bench.wait_until("the run is there", |status| status["run"] == "one" && status["executor"].as_bool() == Some(true));
    let witness = bench.start(&["witness", "--dir", "w", "--log", &key, "--listen", &port.to_string()]);
    let said = waiting.end();
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.err.contains("as L2 asks for"), "it did not wait: {said:?}");
    witness.signal(Signal::SIGTERM);
    witness.end();

    // Nobody asks for a level here, and the plan does.
    let shown: [&[&str]; 2] = [&["one.bundle", "--key", &key, "--witness", &public], &["one.bundle", "--key", &key]];
    assert_eq!(bench.say(&["audit", "bundle", "one", "--out", "one.bundle"]).code, 0);
    for (args, code) in shown.into_iter().zip([0, 10]) {
        let said = bench.say(&[&["audit", "verify"], args].concat());
        assert_eq!(said.code, code, "{args:?}: {said:?}");
        let python = verify_with_python(&bench, args);
        assert_eq!(python.code, code, "{args:?}: {python:?}");
    }

    // A closed gate of a runbook does not hold up the way back either.
    let waiting = bench.start(&["run", "seen.yaml", "--id", "two", "--json"]);
    bench.wait_until("the second run is there", |status| status["run"] == "two" && status["executor"].as_bool() == Some(true));
    assert_eq!(bench.say(&["rollback", "two", "--reason", "no witness"]).code, 0);
    assert_eq!(waiting.end().code, 4);
}

/// A runbook that asks for less than its installation gets what the installation asks for, and its own heartbeat.
#[test]
fn a_runbook_cannot_ask_for_less_and_can_ask_more_often() {
    let bench = Bench::new();
    let store = bench.path().join("store");
    bench.runbook("low", &format!("witness: {{ level: L2 }}\n{FINE}"));
    let said = bench.say(&["init", "--store", "store", "--require", "L3"]);
    assert_eq!(said.code, 0, "{said:?}");
    // The store is not there yet.
    let waiting = bench.start(&["run", "low.yaml", "--id", "low", "--json"]);
    bench.wait_until("the run is there", |status| status["run"] == "low" && status["executor"].as_bool() == Some(true));
    fs::create_dir(&store).unwrap();
    let said = waiting.end();
    assert!(said.code == 0 && said.err.contains("as L3 asks for"), "{said:?}");

    // One checkpoint lets the run begin; the next is due in a minute, and the runbook asks for one every second.
    let hold = "  hold: { needs: [hello], action: gate.hold, with: { duration: 10m } }\n";
    bench.runbook("often", &format!("witness: {{ level: L3, heartbeat: 1s }}\n{FINE}{hold}"));
    let files = || fs::read_dir(&store).unwrap().count();
    let before = files();
    let holding = bench.start(&["run", "often.yaml", "--id", "often", "--json"]);
    until("a second checkpoint", || files() >= before + 2);
    assert_eq!(bench.say(&["rollback", "often", "--reason", "seen enough"]).code, 0);
    assert_eq!(holding.end().code, 4);
}
