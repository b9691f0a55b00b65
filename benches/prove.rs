//! How long the proof of the safety rules takes, and how many states it goes through, against the size of the plan.
//!
//! `cargo bench --bench prove`. Every plan is a move with its freezes, drains, checks and opening; the rest are steps without
//! facts, in a chain, beside each other, or in waves between the steps that matter.
#![allow(clippy::unwrap_used, reason = "a bench stops at the first surprise")]

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use pointsman::diagnostic::Source;
use pointsman::plan::{BuildInput, Places, Plan, build};
use pointsman::runbook::parse;
use pointsman::safety::prove;

const ROUNDS: usize = 3;

fn main() {
    println!("shape      steps  with facts  rules  states    proof");
    for (shape, steps, effectful) in [
        ("chain", 100, 20),
        ("chain", 500, 60),
        ("beside", 100, 20),
        ("beside", 500, 60),
        ("waves", 500, 60),
        ("freezes", 500, 60),
        ("beside", 5_000, 60),
        ("beside", 500, 200),
        ("waves", 10_000, 60),
    ] {
        let text = runbook(shape, steps, effectful);
        let (plan, places) = planned(&text);
        let mut shortest = Duration::MAX;
        let mut proof = prove(&plan, &places);
        for _ in 0..ROUNDS {
            let start = Instant::now();
            proof = prove(&plan, &places);
            shortest = shortest.min(start.elapsed());
        }
        assert!(!proof.report.has_errors() && proof.not_proven == 0, "{shape} {steps}: {:?}", proof.report.sorted());
        println!("{shape:9} {:6} {effectful:11} {:6} {:7} {shortest:>10.1?}", plan.steps().len(), proof.rules, proof.states);
    }
}

fn planned(text: &str) -> (Plan, Places) {
    let source = Source::new("bench.yaml", text);
    let (runbook, report) = parse(&source);
    assert!(!report.has_errors(), "{:?}", report.sorted());
    let runbook = runbook.unwrap();
    let built = build(BuildInput::of(&runbook, &source));
    (built.plan.unwrap_or_else(|| panic!("{:?}", built.report.sorted())), built.places)
}

/// A move with `effectful` steps that have facts, among `steps`.
fn runbook(shape: &str, steps: usize, effectful: usize) -> String {
    let mut text = "pointsman: 1\nrunbook: bench\ntargets:\n  old: { connector: sqlite, path: old.db }\n  new: { connector: sqlite, path: new.db }\nmove: { from: old, to: new }\nsteps:\n".to_owned();
    let (checks, freezes) = ((effectful - 2) / 3, if shape == "freezes" { (effectful - 2) / 3 } else { 4 });
    let drains = effectful - 1 - checks - freezes;
    let hold = "action: gate.hold, with: { duration: 1s }";
    let mut last: Option<String> = None;
    let put = |text: &mut String, id: String, needs: &[String], body: &str| {
        let _ = writeln!(text, "  {id}: {{ needs: [{}], {body} }}", needs.join(", "));
        id
    };
    let fillers = steps - effectful - 1;
    for at in 0..fillers / 2 {
        let needs: Vec<String> = if shape == "chain" { last.iter().cloned().collect() } else { Vec::new() };
        last = Some(put(&mut text, format!("before-{at}"), &needs, hold));
    }
    let first: Vec<String> = last.iter().cloned().collect();
    let frozen: Vec<String> = (0..freezes)
        .map(|at| {
            put(
                &mut text,
                format!("freeze-{at}"),
                &first,
                &format!("action: sqlite.freeze_writes, target: old, with: {{ tables: [t{at}] }}"),
            )
        })
        .collect();
    let drained: Vec<String> = (0..drains)
        .map(|at| {
            let body = format!("action: sqlite.drain, target: old, with: {{ table: q{at}, producers: [t0], within: 1m }}");
            put(&mut text, format!("drain-{at}"), &[frozen[at % frozen.len()].clone()], &body)
        })
        .collect();
    let ready: Vec<String> = frozen.into_iter().chain(drained).collect();
    let mut middle: Vec<String> = Vec::new();
    for at in 0..fillers - fillers / 2 {
        let needs = if shape == "waves" && at % 10 != 0 {
            vec![middle[at / 10 * 10].clone()]
        } else {
            ready[at % ready.len()..][..1].to_vec()
        };
        middle.push(put(&mut text, format!("between-{at}"), &needs, hold));
    }
    let compared: Vec<String> = (0..checks)
        .map(|at| {
            let body = format!("action: check.tables, with: {{ source: old, target: new, tables: [t{at}] }}");
            put(&mut text, format!("check-{at}"), &ready, &body)
        })
        .collect();
    let before: Vec<String> = compared.into_iter().chain(middle).collect();
    let gate = put(&mut text, "go".to_owned(), &before, "action: gate.approval, with: { approvers: { dba: 1 }, prompt: Go? }");
    let open = "action: sqlite.allow_writes, target: new, point_of_no_return: \"so\"";
    put(&mut text, "open".to_owned(), &[gate], open);
    text
}
