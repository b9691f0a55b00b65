//! How long a runbook of 10 000 steps takes from text to plan, beside a plain YAML reader on the same text in the same run.
//!
//! `cargo bench --bench plan` prints one line per shape. The steps of a night depend on the one before them, on all of a wave,
//! or on nothing; every step reads an output of a step far behind it, which is the dearest thing that the planner checks.
#![allow(clippy::unwrap_used, reason = "a bench stops at the first surprise")]

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use pointsman::diagnostic::Source;
use pointsman::plan::{BuildInput, build};
use pointsman::runbook::parse;
use pointsman::safety::interlocks;
use pointsman::views::plan as view;

const STEPS: usize = 10_000;
const ROUNDS: usize = 3;

fn main() {
    println!("shape     steps  MiB   serde_yaml   parse      plan       interlocks view       (parse+plan)/serde_yaml");
    for (name, text) in
        [("chain", chain(STEPS)), ("waves", waves(STEPS)), ("fan-out", fan_out(STEPS)), ("foreach", foreach(STEPS))]
    {
        let source = Source::new("bench.yaml", &text);
        let reader = best(|| drop(serde_yaml::from_str::<serde_yaml::Value>(&text).unwrap()));
        let parsed = best(|| assert!(parse(&source).0.is_some()));
        let (runbook, report) = parse(&source);
        assert!(!report.has_errors());
        let runbook = runbook.unwrap();
        let input = || BuildInput::of(&runbook, &source);
        let planned = best(|| assert!(build(input()).plan.is_some()));
        let built = build(input());
        let plan = built.plan.unwrap();
        assert!(plan.steps().len() >= STEPS);
        let safe = best(|| assert!(!interlocks(&plan, &built.places).has_errors()));
        let shown = best(|| assert!(view::text(&plan).len() > 1_000));
        let ratio = (parsed + planned).as_secs_f64() / reader.as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a text of some MiB")]
        let size = text.len() as f64 / (1024.0 * 1024.0);
        println!(
            "{name:9} {STEPS} {size:5.2} {reader:>10.1?} {parsed:>10.1?} {planned:>10.1?} {safe:>10.1?} {shown:>10.1?} {ratio:8.2}"
        );
    }
}

/// The shortest of some rounds: what the work costs when nothing else runs.
fn best(mut work: impl FnMut()) -> Duration {
    let mut shortest = Duration::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        work();
        shortest = shortest.min(start.elapsed());
    }
    shortest
}

fn head() -> String {
    "pointsman: 1\nrunbook: bench\nparams:\n  batch: { type: string, default: pilot }\nsteps:\n".to_owned()
}

fn step(text: &mut String, at: usize, needs: &[usize], reads: Option<usize>) {
    let _ = writeln!(text, "  step-{at}:");
    if !needs.is_empty() {
        let ids: Vec<String> = needs.iter().map(|need| format!("step-{need}")).collect();
        let _ = writeln!(text, "    needs: [{}]", ids.join(", "));
    }
    let read = reads.map_or_else(String::new, |other| format!(", \"{{{{ steps.step-{other}.outputs.stdout }}}}\""));
    let _ = writeln!(text, "    action: command");
    let _ = writeln!(
        text,
        "    with: {{ argv: [./act, \"--batch={{{{ params.batch }}}}\"{read}], env: {{ TOKEN: {{ env: TOKEN }} }} }}"
    );
    let _ = writeln!(text, "    undo: {{ action: command, with: {{ argv: [./undo, \"{at}\"] }} }}\n    in_doubt: ask");
}

/// Each step needs the one before it and reads the very first one.
fn chain(count: usize) -> String {
    let mut text = head();
    for at in 0..count {
        let needs: Vec<usize> = at.checked_sub(1).into_iter().collect();
        step(&mut text, at, &needs, (at > 0).then_some(0));
    }
    text
}

/// Waves of twenty: each step needs the whole wave before it.
fn waves(count: usize) -> String {
    let mut text = head();
    for at in 0..count {
        let first = (at / 20) * 20;
        let needs: Vec<usize> = if first == 0 { Vec::new() } else { (first - 20..first).collect() };
        step(&mut text, at, &needs, (first > 0).then_some(0));
    }
    text
}

/// One step, then all others beside each other.
fn fan_out(count: usize) -> String {
    let mut text = head();
    for at in 0..count {
        step(&mut text, at, if at == 0 { &[] } else { &[0] }, (at > 0).then_some(0));
    }
    text
}

/// One step over a list of 10 000 items.
fn foreach(count: usize) -> String {
    let mut text = head();
    let items: Vec<String> = (0..count).map(|item| format!("t{item}")).collect();
    let _ = writeln!(text, "  copy:\n    foreach: [{}]\n    max_concurrent: 8\n    action: command", items.join(", "));
    let _ = writeln!(text, "    with: {{ argv: [./copy, \"{{{{ item }}}}\"] }}\n    undo: {{ nothing: x }}\n    in_doubt: ask");
    text
}
