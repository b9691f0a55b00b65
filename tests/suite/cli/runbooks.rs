//! `check`, `plan` and `schema`: what is said about a file before anything runs.

use super::Bench;

#[test]
fn every_problem_of_every_file_is_reported() {
    let bench = Bench::new();
    bench.runbook("one", "steps:\n  a: { action: no.such.action }\n  b: { action: another.one }\n");
    bench.file("two.yaml", "pointsman: 1\nrunbook: two\nstpes: {}\n");
    let said = bench.say(&["check", "one.yaml", "two.yaml"]);
    assert_eq!(said.code, 3);
    assert!(said.err.matches("error[PM").count() >= 3, "{said:?}");
    assert!(said.err.contains("--> one.yaml:4:") && said.err.contains("--> two.yaml:3:1"), "{said:?}");
    let answer = bench.json(&["check", "one.yaml", "two.yaml", "--json"]);
    assert_eq!((answer["right"].as_bool(), answer["files"].as_array().map(Vec::len)), (Some(false), Some(2)), "{answer}");
}

#[test]
fn a_roster_with_a_fault_is_reported_at_its_place() {
    let bench = Bench::new();
    bench.file("people.yaml", "persons:\n  alice: { nmae: Alice }\n");
    bench.runbook("gate", "roster: people.yaml\nsteps:\n  go: { action: gate.hold, with: { duration: 1s } }\n");
    let said = bench.say(&["check", "gate.yaml"]);
    assert_eq!(said.code, 3);
    assert!(said.err.contains("people.yaml:2:12"), "{said:?}");
}

#[test]
fn parameters_come_from_the_line_and_from_a_file() {
    let bench = Bench::new();
    bench.runbook(
        "given",
        "
params:
  name: { type: string }
  count: { type: integer }
  really: { type: boolean, default: false }
steps:
  say:
    action: command
    with: { argv: [echo, '{{ params.name }}', '{{ params.count }}', '{{ params.really }}'] }
    in_doubt: rerun
    idempotent: it only prints
    undo: { nothing: it only prints }
",
    );
    let said = bench.say(&["check", "given.yaml"]);
    assert!(said.code == 0 && said.out.contains("without its parameters"), "{said:?}");
    let said = bench.say(&["plan", "given.yaml"]);
    assert!(said.code == 3 && said.err.contains("--param name=VALUE"), "{said:?}");
    bench.file("night.yaml", "name: '007'\ncount: 3\n");
    let plan = bench.json(&["plan", "given.yaml", "--params-file", "night.yaml", "-p", "count=4", "-p", "really=true", "--json"]);
    assert_eq!(plan["params"], serde_json::json!({ "name": "007", "count": 4, "really": true }), "{plan}");
    let said = bench.say(&["check", "given.yaml", "-p", "name=7", "-p", "count=seven"]);
    assert!(said.code == 3 && said.err.contains("`count`"), "{said:?}");
    let said = bench.say(&["check", "given.yaml", "-p", "name"]);
    assert_eq!(said.code, 2, "{said:?}");
}

#[test]
fn a_plan_has_four_forms_and_one_digest() {
    let bench = Bench::new();
    bench.runbook("wait", "steps:\n  go: { action: gate.hold, with: { duration: 1s } }\n");
    let plan = bench.json(&["plan", "wait.yaml", "--json"]);
    assert_eq!(plan, bench.json(&["plan", "wait.yaml", "--json"]), "the same file gives the same plan");
    assert!(bench.say(&["plan", "wait.yaml", "--dot"]).out.starts_with("digraph"));
    assert!(bench.say(&["plan", "wait.yaml", "--mermaid"]).out.contains("flowchart"));
    assert!(bench.say(&["plan", "wait.yaml"]).out.contains("go"));
    assert_eq!(bench.say(&["plan", "wait.yaml", "--dot", "--json"]).code, 2);
}

#[test]
fn a_runbook_can_come_from_standard_input() {
    use std::io::Write as _;
    let bench = Bench::new();
    let mut child = bench
        .command(&["check", "-"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let text = "pointsman: 1\nrunbook: piped\nsteps:\n  go: { action: gate.hold, with: { duration: 1s } }\n";
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn the_schemas_are_those_of_the_repository() {
    let bench = Bench::new();
    let stored = |name: &str| std::fs::read_to_string(format!("{}/schemas/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    assert_eq!(bench.say(&["schema"]).out, stored("runbook.schema.json"));
    assert_eq!(bench.say(&["schema", "--people"]).out, stored("people.schema.json"));
}
