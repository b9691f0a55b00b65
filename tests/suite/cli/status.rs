//! Looking at runs: the list, one run, its past, its record, as text and as JSON.

use super::Bench;

/// Waits, not programs: several tests use one id for their run, and a program would be taken for a survivor of the other.
const STEPS: &str = "
steps:
  first: { action: gate.hold, with: { duration: 1ms } }
  second: { needs: [first], action: gate.hold, with: { duration: 1ms } }
";

fn finished() -> Bench {
    let bench = Bench::new();
    bench.runbook("pair", STEPS);
    let said = bench.say(&["run", "pair.yaml", "--id", "pair-1"]);
    assert_eq!(said.code, 0, "{said:?}");
    bench
}

#[test]
fn the_past_is_shown_as_it_was() {
    let bench = finished();
    let now = bench.json(&["status", "pair-1", "--json"]);
    assert_eq!((now["phase"].as_str(), now["outcome"].as_str()), (Some("ended"), Some("succeeded")), "{now}");
    let last = now["record"].as_u64().unwrap();
    let mut statuses = Vec::new();
    for record in 1..=last {
        let then = bench.json(&["status", "pair-1", "--at", &record.to_string(), "--json"]);
        assert_eq!(then["record"], record);
        assert!(then["executor"].is_null(), "the past has no executor: {then}");
        statuses.push(then["steps"][1]["status"].as_str().unwrap().to_owned());
    }
    statuses.dedup();
    assert_eq!(statuses, ["pending", "awaiting_time", "succeeded"]);
    let said = bench.say(&["status", "pair-1", "--at", "2"]);
    assert!(said.out.contains("as it was, record 2"), "{said:?}");
}

#[test]
fn runs_are_listed_newest_first() {
    let bench = finished();
    assert_eq!(bench.say(&["run", "pair.yaml", "--id", "pair-2"]).code, 0);
    let runs = bench.json(&["status", "--json"]);
    let names: Vec<&str> = runs.as_array().unwrap().iter().map(|run| run["run"].as_str().unwrap()).collect();
    assert_eq!(names, ["pair-2", "pair-1"]);
    let said = bench.say(&["status"]);
    assert!(said.out.lines().nth(1).unwrap().starts_with("pair-2"), "{said:?}");
    let said = bench.say(&["status", "pair-"]);
    assert!(said.code == 1 && said.err.contains("it could mean pair-1 or pair-2"), "{said:?}");
    assert_eq!(bench.json(&["status", "latest", "--json"])["run"], "pair-2");
}

#[test]
fn a_run_that_cannot_be_read_does_not_hide_the_others() {
    let bench = finished();
    assert_eq!(bench.say(&["run", "pair.yaml", "--id", "pair-2"]).code, 0);
    std::fs::remove_file(bench.path().join("home/runs/pair-1/plan.json")).unwrap();
    let said = bench.say(&["status"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("pair-2") && said.out.contains("cannot read the stored plan"), "{said:?}");
}

#[test]
fn the_record_is_json_lines() {
    let bench = finished();
    let said = bench.say(&["audit", "show", "pair-1", "--json"]);
    let records: Vec<serde_json::Value> = said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(records.iter().enumerate().all(|(at, record)| record["seq"] == at + 1), "{said:?}");
    assert_eq!(records[0]["event"]["type"], "run_started");
    assert_eq!(records.last().unwrap()["event"]["type"], "run_ended");
    let said = bench.say(&["audit", "show", "pair-1"]);
    assert_eq!(said.out.lines().count(), records.len(), "{said:?}");
    let report = bench.json(&["audit", "verify", "pair-1", "--json"]);
    assert_eq!((report["standing"].as_str(), report["records"].as_u64()), (Some("holds"), Some(records.len() as u64)));
}

#[test]
fn a_run_can_print_its_records_as_they_come() {
    let bench = Bench::new();
    bench.runbook("pair", STEPS);
    let said = bench.say(&["run", "pair.yaml", "--json"]);
    assert_eq!(said.code, 0, "{said:?}");
    let records: Vec<serde_json::Value> = said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let shown = bench.say(&["audit", "show", "latest", "--json"]);
    let kept: Vec<serde_json::Value> = shown.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(records.len(), kept.len());
    for (printed, kept) in records.iter().zip(&kept) {
        for key in ["seq", "epoch", "at", "event"] {
            assert_eq!(printed[key], kept[key], "{key}");
        }
    }
}

#[test]
fn the_home_can_be_named() {
    let bench = finished();
    let said = bench.say(&["status", "--home", "elsewhere"]);
    assert!(said.code == 0 && said.out.is_empty() && said.err.contains("no runs in"), "{said:?}");
    assert_eq!(bench.say(&["run", "pair.yaml", "--home", "elsewhere", "--id", "far"]).code, 0);
    assert!(bench.path().join("elsewhere/runs/far/journal").is_file());
    assert_eq!(bench.say(&["status", "far"]).code, 1, "it is not in the usual home");
}

#[test]
fn nothing_is_painted_unless_wanted() {
    let bench = finished();
    assert!(!bench.say(&["status", "pair-1"]).out.contains('\u{1b}'));
    assert!(bench.say(&["status", "pair-1", "--color", "always"]).out.contains("\u{1b}[32msucceeded"));
    assert!(!bench.say(&["status", "pair-1", "--color", "never"]).out.contains('\u{1b}'));
}
