//! `pointsman init` and `pointsman audit` with the log of the installation.

use std::fs;

use super::Bench;

const FINE: &str = "steps:\n  hello: { action: command.check, with: { argv: [echo, hello] } }\n";

fn finding(report: &serde_json::Value, subject: &str) -> String {
    let claims = report["claims"].as_array().unwrap();
    let claim = claims.iter().find(|claim| claim["subject"] == subject).unwrap_or_else(|| panic!("no {subject}: {report}"));
    format!("{}: {}", claim["finding"].as_str().unwrap(), claim["text"].as_str().unwrap())
}

#[test]
fn the_records_of_a_run_are_in_the_log_and_its_end_is_signed() {
    let bench = Bench::new();
    bench.runbook("fine", FINE);
    let key = bench.say(&["init"]);
    assert_eq!(key.code, 0, "{key:?}");
    let key = key.out.trim().to_owned();
    assert!(pointsman::log::Verifier::parse(&key).is_some(), "{key}");
    assert_eq!(bench.say(&["init"]).out.trim(), key, "a second `init` made another key");
    assert_eq!(bench.say(&["run", "fine.yaml", "--id", "one"]).code, 0);
    let report = bench.json(&["audit", "verify", "one", "--json"]);
    let records = report["records"].as_u64().unwrap();
    assert_eq!(report["standing"], "holds", "{report}");
    let log = finding(&report, "log");
    assert_eq!(log, format!("holds: records 1 to {records} are entries of the log of this installation, byte for byte"));
    let signed = finding(&report, "checkpoint");
    assert!(signed.starts_with(&format!("holds: {key} signs")) && signed.contains("made by `pointsman init`"), "{signed}");
    let said = bench.say(&["audit", "checkpoint"]);
    assert_eq!(said.out.lines().next(), key.split('+').next(), "{said:?}");
    let new = bench.say(&["init", "--rotate"]).out.trim().to_owned();
    assert_ne!(new, key);
    assert_eq!(bench.json(&["audit", "verify", "one", "--json"])["standing"], "holds");
    assert_eq!(bench.say(&["run", "fine.yaml", "--id", "two"]).code, 0);
    assert!(
        finding(&bench.json(&["audit", "verify", "two", "--json"]), "checkpoint").starts_with(&format!("holds: {new} signs"))
    );
}

/// Somebody who is not who they say does not reach a run, and that is on record.
#[test]
fn an_order_that_is_refused_at_the_door_is_in_the_diary() {
    let bench = Bench::new();
    bench.say(&["init"]);
    let me = pointsman::engine::identity::login(nix::unistd::getuid().as_raw());
    bench.file(
        "people.yaml",
        &format!("persons:\n  me: {{ name: Me, roles: [dba], local_users: [{me}] }}\n  you: {{ name: You, roles: [dba], local_users: [nobody] }}\n"),
    );
    let gate = "roster: people.yaml\nsteps:\n  gate: { action: gate.approval, with: { approvers: { dba: 1 }, prompt: ready } }\n";
    bench.runbook("gated", gate);
    let run = bench.start(&["run", "gated.yaml", "--id", "one"]);
    bench.wait_for("gate");
    assert_eq!(bench.say(&["approve", "one", "gate", "--by", "you", "--yes"]).code, 8);
    let entry = || bench.say(&["audit", "diary"]).out.lines().find(|line| line.contains("order_refused")).map(str::to_owned);
    let deadline = std::time::Instant::now() + super::PATIENCE;
    while entry().is_none() && std::time::Instant::now() < deadline {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let entry = entry().unwrap();
    assert!(entry.contains("\"run\":\"one\"") && entry.contains(&me), "{entry}");
    assert_eq!(bench.say(&["approve", "one", "gate", "--yes"]).code, 0);
    assert_eq!(run.end().code, 0);
    assert_eq!(bench.json(&["audit", "verify", "one", "--json"])["standing"], "holds");
}

/// Who drives a run, and who was not let to begin one, is written down with the user that the kernel names.
#[test]
fn starters_and_those_who_were_refused_are_in_the_diary() {
    let bench = Bench::new();
    bench.say(&["init"]);
    bench.file("people.yaml", "persons:\n  you: { name: You, roles: [dba], local_users: [nobody] }\n");
    bench.runbook("fine", &format!("roster: people.yaml\n{FINE}"));
    assert_eq!(bench.say(&["run", "fine.yaml", "--id", "one", "--by", "you"]).code, 8);
    assert_eq!(bench.say(&["run", "fine.yaml", "--id", "two"]).code, 0);
    let me = pointsman::log::diary::local_user(nix::unistd::getuid().as_raw());
    let lines: Vec<serde_json::Value> =
        bench.say(&["audit", "diary"]).out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |kind: &str| lines.iter().filter(|line| line["event"]["type"] == kind).collect::<Vec<_>>();
    let (refused, driven) = (of("start_refused"), of("driven"));
    assert_eq!((refused.len(), driven.len()), (1, 1), "{lines:?}");
    assert!(refused[0]["event"]["runbook"] == "fine" && refused[0]["event"]["reason"].as_str().unwrap().contains("to you"));
    assert_eq!(driven[0]["event"]["run"], "two");
    assert!(lines.iter().all(|line| line["user"] == me), "{lines:?}");
}

#[test]
fn without_init_the_first_run_makes_the_key_and_says_so() {
    let bench = Bench::new();
    bench.runbook("fine", FINE);
    assert_eq!(bench.say(&["run", "fine.yaml", "--id", "one"]).code, 0);
    let report = bench.json(&["audit", "verify", "one", "--json"]);
    assert!(finding(&report, "checkpoint").contains("the first run made the key"), "{report}");
    // A home from before there was a log.
    fs::remove_dir_all(bench.path().join("home/log")).unwrap();
    let report = bench.json(&["audit", "verify", "one", "--json"]);
    assert_eq!((report["standing"].as_str(), finding(&report, "log").split(':').next()), (Some("holds"), Some("unproven")));
    assert_eq!(bench.say(&["run", "fine.yaml", "--id", "two"]).code, 0);
    assert!(finding(&bench.json(&["audit", "verify", "one", "--json"]), "log").starts_with("holds"), "the next run took it up");
}

#[test]
fn a_log_that_cannot_be_used_does_not_hold_up_a_run() {
    let bench = Bench::new();
    bench.runbook("fine", FINE);
    fs::create_dir(bench.path().join("home")).unwrap();
    bench.file("home/log", "in the way");
    let said = bench.say(&["run", "fine.yaml", "--id", "one"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(said.err.matches("the log of this installation could not be used").count(), 1, "{said:?}");
}

/// What a salvage lost is lost for the log too. It is said once, stands in the diary, and keeps no other run from the log.
#[test]
fn a_salvaged_journal_is_left_alone_and_said_once() {
    let bench = Bench::new();
    bench.say(&["init"]);
    bench.runbook("fine", FINE);
    assert_eq!(bench.say(&["run", "fine.yaml", "--id", "one"]).code, 0);
    let journal = bench.path().join("home/runs/one/journal");
    let mut bytes = fs::read(&journal).unwrap();
    let at = bytes.len() - 200;
    bytes[at] ^= 1;
    fs::write(&journal, bytes).unwrap();
    let said = bench.say(&["journal", "salvage", "one", "--to", "saved"]);
    assert_eq!(said.code, 0, "{said:?}");
    fs::copy(bench.path().join("saved/journal"), &journal).unwrap();
    let resumed = bench.say(&["resume", "one"]);
    assert_eq!(resumed.err.matches("the journal of this run no longer holds record").count(), 1, "{resumed:?}");
    let left = |said: &super::Said| said.err.matches("the run one no longer holds record").count();
    let first = bench.say(&["run", "fine.yaml", "--id", "two"]);
    assert_eq!((first.code, left(&first)), (0, 1), "{first:?}");
    let second = bench.say(&["run", "fine.yaml", "--id", "three"]);
    assert_eq!((second.code, left(&second)), (0, 0), "{second:?}");
    assert!(!second.err.contains("without its log"), "{second:?}");
    let diary = bench.say(&["audit", "diary"]).out;
    assert_eq!(diary.matches("journal_left").count(), 1, "{diary}");
    assert_eq!(bench.say(&["audit", "checkpoint"]).code, 0);
    assert_eq!(bench.json(&["audit", "verify", "three", "--json"])["standing"], "holds");
    assert_eq!(bench.json(&["audit", "verify", "one", "--json"])["standing"], "tampered");
}

#[test]
fn a_bundle_is_verified_anywhere_by_two_programs() {
    let bench = Bench::new();
    bench.runbook("fine", FINE);
    let key = bench.say(&["init"]).out.trim().to_owned();
    assert_eq!(bench.say(&["run", "fine.yaml", "--id", "one"]).code, 0);
    bench.file("ticket", &bench.say(&["audit", "checkpoint"]).out);
    assert_eq!(bench.say(&["run", "fine.yaml", "--id", "two"]).code, 0);
    assert_eq!(bench.say(&["audit", "bundle", "one", "--out", "one.bundle"]).code, 0);
    let said = bench.say(&["audit", "bundle", "one", "--out", "some.bundle", "--withhold-text", "hello", "--withhold-plan"]);
    assert!(said.err.contains(" withheld") && !said.err.contains(" 0 withheld"), "{said:?}");
    let hidden = fs::read_to_string(bench.path().join("some.bundle")).unwrap();
    assert!(hidden.contains("\nwithheld ") && !hidden.contains("\nplan "));
    assert_eq!(bench.say(&["audit", "prove", "one", "1", "-o", "first.tlog-proof"]).code, 0);
    assert_eq!(bench.say(&["audit", "prove", "one", "999", "-o", "none.tlog-proof"]).code, 1);
    fs::remove_dir_all(bench.path().join("home")).unwrap();
    let record = bench.json(&["audit", "show", "first.tlog-proof", "--json"]);
    assert_eq!((record["seq"].as_u64(), record["event"]["run"].as_str()), (Some(1), Some("one")), "{record}");
    let other = pointsman::log::Signer::of_seed("else", pointsman::log::Use::Log, [1; 32]).verifier().to_string();
    let cases: [(&[&str], i32); 10] = [
        (&["one.bundle", "--key", &key], 0),
        (&["some.bundle", "--key", &key], 0),
        (&["one.bundle"], 10),
        (&["one.bundle", "--key", &key, "--require", "L1"], 10),
        (&["one.bundle", "--key", &key, "--pasted", "ticket", "--require", "L1"], 0),
        (&["one.bundle", "--key", &other], 20),
        (&["first.tlog-proof", "--key", &key], 0),
        (&["first.tlog-proof"], 10),
        (&["first.tlog-proof", "--key", &key, "--require", "L2"], 10),
        (&["first.tlog-proof", "--key", &other], 20),
    ];
    for (args, code) in cases {
        let said = bench.say(&[&["audit", "verify"], args].concat());
        assert_eq!(said.code, code, "{args:?}: {said:?}");
        let python = verify_with_python(&bench, args);
        assert_eq!(python.code, code, "{args:?}: {python:?}");
    }
    let report = bench.json(&["audit", "verify", "one.bundle", "--key", &key, "--json"]);
    assert_eq!((report["run"].as_str(), report["outcome"].as_str()), (Some("one"), Some("succeeded")));
    assert!(report["witness"]["bound"].as_str().unwrap().contains("not protected against an administrator"), "{report}");
}

/// The second verifier; skipped by name where its library is missing.
pub(super) fn verify_with_python(bench: &Bench, args: &[&str]) -> super::Said {
    let tool = concat!(env!("CARGO_MANIFEST_DIR"), "/tools/verify_bundle.py");
    let output = std::process::Command::new("python3").arg(tool).args(args).current_dir(bench.path()).output().unwrap();
    super::Said::of(output)
}
