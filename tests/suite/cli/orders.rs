//! Orders from another process: accepted, already done, not applicable, forbidden; live and stopped.

use nix::sys::signal::Signal;

use super::Bench;

const GATE: &str = "
steps:
  go:
    action: gate.approval
    with: { approvers: { commander: 1 }, deadline: 10m, on_deadline: rollback, prompt: Shall we? }
  say:
    needs: [go]
    action: command
    with: { argv: [echo, hello] }
    in_doubt: rerun
    idempotent: it only prints
    undo: { nothing: it only prints }
";

#[test]
fn a_gate_is_approved_from_another_process() {
    let bench = Bench::new();
    bench.runbook("gate", GATE);
    let running = bench.start(&["run", "gate.yaml"]);
    bench.wait_for("go");
    let said = bench.say(&["approve", "latest", "go", "--note", "seen"]);
    assert_eq!((said.code, said.out.as_str()), (0, "accepted: approve go\n"), "{said:?}");
    assert!(said.err.contains("Shall we?") && said.err.contains("sha256:"), "what is decided is shown first: {said:?}");
    let said = running.end();
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("seen"), "{said:?}");
    let said = bench.say(&["approve", "latest", "go"]);
    assert_eq!((said.code, said.out.as_str()), (0, "already done: approve go\n"), "{said:?}");
}

#[test]
fn a_refusal_says_why_and_what_would_help() {
    let bench = Bench::new();
    bench.runbook("gate", GATE);
    let running = bench.start(&["run", "gate.yaml"]);
    bench.wait_for("go");
    let said = bench.say(&["approve", "latest", "goo"]);
    assert_eq!(said.code, 8, "{said:?}");
    assert!(said.err.contains("not applicable: the plan has no step `goo`") && said.err.contains("did you mean go?"), "{said:?}");
    let said = bench.say(&["retry", "latest", "go"]);
    assert!(said.code == 8 && said.err.contains("not applicable"), "{said:?}");
    let answer = bench.json(&["skip", "latest", "go", "--reason", "tired", "--json"]);
    assert_eq!(answer["answer"], "not_applicable", "{answer}");
    let said = bench.say(&["reject", "latest", "go", "--reason", "not tonight"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(running.end().code, 4);
}

#[test]
fn who_is_not_in_the_roster_is_forbidden() {
    let bench = Bench::new();
    bench.file("people.yaml", "persons:\n  alice: { name: Alice, roles: [commander], local_users: [nobody-at-all] }\n");
    bench.runbook("gate", &format!("roster: people.yaml{GATE}"));
    let running = bench.start(&["run", "gate.yaml"]);
    bench.wait_for("go");
    let said = bench.say(&["approve", "latest", "go"]);
    assert_eq!(said.code, 8, "{said:?}");
    assert!(said.err.contains("forbidden:"), "{said:?}");
    let said = bench.say(&["approve", "latest", "go", "--by", "alice"]);
    assert_eq!(said.code, 8, "{said:?}");
    assert_eq!(bench.say(&["abort", "latest", "--reason", "nobody can decide"]).code, 0);
    assert_eq!(running.end().code, 6);
}

#[test]
fn a_suspended_run_takes_orders_and_goes_on() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let bench = Bench::new();
        bench.runbook("gate", GATE);
        let running = bench.start(&["run", "gate.yaml", "--id", "later"]);
        bench.wait_for("go");
        running.signal(signal);
        let said = running.end();
        assert_eq!(said.code, 9, "{said:?}");
        assert!(said.err.contains("resume later"), "{said:?}");
        let status = bench.json(&["status", "later", "--json"]);
        assert_eq!(status["executor"], false, "{status}");
        let said = bench.say(&["approve", "later", "go"]);
        assert_eq!(said.code, 0, "{said:?}");
        assert!(said.err.contains("takes effect when the run is resumed"), "{said:?}");
        let said = bench.say(&["resume", "lat"]);
        assert_eq!(said.code, 0, "a beginning of the id is enough: {said:?}");
    }
}

#[test]
fn a_killed_executor_is_followed_by_a_second_one() {
    let bench = Bench::new();
    bench.runbook("gate", GATE);
    let running = bench.start(&["run", "gate.yaml", "--id", "killed"]);
    bench.wait_for("go");
    running.signal(Signal::SIGKILL);
    assert_eq!(running.end().code, -1);
    let resumed = bench.start(&["resume", "killed"]);
    bench.wait_until("an executor drives it", |status| status["executor"] == true);
    assert_eq!(bench.say(&["approve", "killed", "go"]).code, 0);
    let said = resumed.end();
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(bench.say(&["audit", "verify", "killed"]).code, 0);
}

#[test]
fn pause_and_continue() {
    let bench = Bench::new();
    bench.runbook("gate", GATE);
    let running = bench.start(&["run", "gate.yaml"]);
    bench.wait_for("go");
    assert_eq!(bench.say(&["pause", "latest", "--reason", "looking"]).code, 0);
    assert_eq!(bench.say(&["approve", "latest", "go"]).code, 0);
    let status = bench.json(&["status", "latest", "--json"]);
    assert!(status["paused_by"]["name"].is_string(), "{status}");
    let say = status["steps"].as_array().unwrap().iter().find(|step| step["step"] == "say").unwrap();
    assert_eq!(say["attempt"], 0, "nothing new starts: {status}");
    assert_eq!(bench.say(&["continue", "latest"]).code, 0);
    assert_eq!(running.end().code, 0);
}

#[test]
fn a_task_is_reported_with_typed_answers() {
    let bench = Bench::new();
    bench.runbook(
        "task",
        "
steps:
  unplug:
    action: manual.task
    with: { prompt: Unplug the rack., form: { rack: integer, quiet: boolean, note: text } }
    undo: { nothing: it stays unplugged }
",
    );
    let running = bench.start(&["run", "task.yaml", "--id", "task-run"]);
    bench.wait_for("unplug");
    let status = bench.json(&["status", "task-run", "--json"]);
    let command = status["awaited"][0]["commands"][0]["command"].as_str().unwrap();
    assert!(command.contains("answer task-run unplug --answer rack=INTEGER"), "{command}");
    let said = bench.say(&["answer", "latest", "unplug", "--answer", "rack=many"]);
    assert_eq!(said.code, 8, "{said:?}");
    let said = bench.say(&["answer", "latest", "unplug", "-a", "rack=7", "-a", "quiet=yes", "-a", "note=7 too"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(running.end().code, 0);
    let status = bench.json(&["status", "latest", "--json"]);
    let answers = &status["steps"][0]["outputs"]["answers"];
    assert_eq!(*answers, serde_json::json!({ "rack": 7, "quiet": true, "note": "7 too" }));
}
