//! The reader of runbooks against hostile text, against a second YAML reader, and against the clock.

use std::fs;
use std::time::{Duration, Instant};

use pointsman::diagnostic::render::{Paint, render};
use pointsman::diagnostic::{Code, Report, Source, SourceSpan, json};
use pointsman::runbook::{Node, NodeKind, ScalarStyle, Undo, UndoScope, Work, parse, parse_roster, reader};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::Value;

use super::diagnostics::{check_text, root, yaml_files};

fn read(text: &str) -> (Option<Node>, Report) {
    let mut report = Report::default();
    let node = reader::read(&Source::new("text.yaml", text), &mut report);
    (node, report)
}

/// Every text of the repository that is a runbook, right or wrong.
fn corpus() -> Vec<String> {
    let folders = ["runbooks", "examples", "tests/wrong", "tests/shape"];
    let files = folders.iter().flat_map(|folder| yaml_files(&root().join(folder)));
    files.map(|path| fs::read_to_string(path).unwrap()).collect()
}

/// Checks what must hold for any text, and says whether the text was accepted.
fn survives(text: &str) -> bool {
    let source = Source::new("hostile.yaml", text);
    let (runbook, report) = parse(&source);
    let (_, roster_report) = parse_roster(&source);
    for diagnostic in report.sorted().into_iter().chain(roster_report.sorted()) {
        for span in [diagnostic.primary.span].into_iter().chain(diagnostic.secondary.iter().map(|label| label.span)) {
            let SourceSpan { start, end } = span;
            assert!(text.get(start..end).is_some(), "{}: {start}..{end} is no place in {text:?}", diagnostic.code);
        }
        assert!(!diagnostic.message.is_empty() && !diagnostic.code.title().is_empty());
    }
    assert!(runbook.is_some() || report.has_errors(), "no runbook and no error for {text:?}");
    let shown = render(&report, &source, Paint::Plain);
    assert_eq!(shown.is_empty(), report.is_empty());
    assert_eq!(json::to_json(&report, &source)["diagnostics"].as_array().unwrap().len(), report.sorted().len());
    !report.has_errors()
}

/// A change to a text: cut a stretch, repeat it, or put something in.
#[derive(Clone, Debug)]
enum Change {
    Cut(prop::sample::Index, usize),
    Repeat(prop::sample::Index, usize),
    Insert(prop::sample::Index, String),
}

impl Change {
    fn apply(&self, text: &str) -> String {
        let chars: Vec<char> = text.chars().collect();
        let at = |index: &prop::sample::Index| index.index(chars.len() + 1);
        let stretch = |start: usize, length: usize| start..(start + length).min(chars.len());
        let build = |head: &[char], middle: &[char], tail: &[char]| [head, middle, tail].concat().into_iter().collect();
        match self {
            Self::Cut(index, length) => {
                let range = stretch(at(index), *length);
                build(&chars[..range.start], &[], &chars[range.end..])
            }
            Self::Repeat(index, length) => {
                let range = stretch(at(index), *length);
                build(&chars[..range.end], &chars[range.clone()], &chars[range.end..])
            }
            Self::Insert(index, what) => {
                let what: Vec<char> = what.chars().collect();
                build(&chars[..at(index)], &what, &chars[at(index)..])
            }
        }
    }
}

const TOKENS: [&str; 46] = [
    ": ",
    "- ",
    "? ",
    "&a ",
    "*a ",
    "<<: ",
    "!!str ",
    "!",
    "|",
    ">-\n",
    "\"",
    "'",
    "[",
    "]",
    "{",
    "}",
    ", ",
    "\n",
    "\r\n",
    "\r",
    "\t",
    " ",
    "  ",
    "#",
    "---\n",
    "...\n",
    "%YAML 1.2\n",
    "no",
    "0644",
    "1_0",
    ".inf",
    "null",
    "~",
    "{{ x }}",
    "ü",
    "订",
    "\u{feff}",
    "\0",
    "\\",
    "\\x",
    "@",
    "`",
    "undo: ",
    "steps:",
    "90",
    "\u{1f600}",
];

fn change() -> impl Strategy<Value = Change> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        (index(), 1..40_usize).prop_map(|(at, length)| Change::Cut(at, length)),
        (index(), 1..40_usize).prop_map(|(at, length)| Change::Repeat(at, length)),
        (index(), prop::sample::select(&TOKENS[..])).prop_map(|(at, token)| Change::Insert(at, token.to_owned())),
        (index(), "\\PC{0,6}").prop_map(|(at, text)| Change::Insert(at, text)),
    ]
}

/// The same cases each time, so that a change is judged by what it changes; `POINTSMAN_CASES=100000` looks for new ones.
fn config() -> ProptestConfig {
    let asked = std::env::var("POINTSMAN_CASES").ok().and_then(|text| text.parse().ok());
    let rng_seed = if asked.is_some() { RngSeed::Random } else { RngSeed::Fixed(20_261_121) };
    ProptestConfig { cases: asked.unwrap_or(1_500), rng_seed, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn mutated_runbooks_never_break_the_reader(text in prop::sample::select(corpus()), changes in vec(change(), 1..6)) {
        let text = changes.iter().fold(text, |text, change| change.apply(&text));
        survives(&text);
    }

    /// The planner takes whatever document the reader lets through, with errors or without.
    #[test]
    fn mutated_runbooks_never_break_the_planner(text in prop::sample::select(corpus()), changes in vec(change(), 1..6)) {
        let text = changes.iter().fold(text, |text, change| change.apply(&text));
        let (shape, whole) = (parse(&Source::new("hostile.yaml", &text)).1, check_text("hostile.yaml", &text));
        prop_assert!(whole.has_errors() || !shape.has_errors(), "the planner lost an error of shape: {}", text);
    }

    #[test]
    fn soups_of_tokens_never_break_the_reader(tokens in vec(prop::sample::select(&TOKENS[..]), 0..40)) {
        survives(&tokens.concat());
    }

    #[test]
    fn random_bytes_never_break_the_reader(bytes in vec(any::<u8>(), 0..200)) {
        survives(&String::from_utf8_lossy(&bytes));
    }

    /// Whatever this reader accepts, the other one reads in the same way.
    #[test]
    fn two_readers_agree_on_mutated_text(text in prop::sample::select(corpus()), changes in vec(change(), 1..4)) {
        let text = changes.iter().fold(text, |text, change| change.apply(&text));
        let (node, report) = read(&text);
        if let (Some(node), false) = (node, report.has_errors())
            && let Ok(other) = serde_yaml::from_str::<Value>(&text)
        {
            prop_assert!(same(&node.to_value(), &other), "{}\nhere {}\nthere {}", text, node.to_value(), other);
        }
    }

    /// Whatever the other one writes is read as it was meant, or refused because readers differ about it.
    #[test]
    fn what_another_program_writes_is_read_as_it_was_meant(value in json_value()) {
        let text = serde_yaml::to_string(&value).unwrap();
        let (node, report) = read(&text);
        let ambiguous = [Code::new(112), Code::new(113), Code::new(114), Code::new(116), Code::new(117), Code::new(119)];
        let strange: Vec<_> = report.sorted().into_iter().filter(|diagnostic| !ambiguous.contains(&diagnostic.code)).collect();
        prop_assert!(strange.is_empty(), "{text}\n{strange:?}");
        if !report.has_errors() {
            let found = node.map(|node| node.to_value());
            prop_assert!(found.as_ref().is_some_and(|found| same(found, &value)), "{text}\n{found:?}");
        }
    }
}

fn json_value() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        "[a-z]{0,8}",
        "\\PC{0,12}",
        prop::sample::select(
            &["no", "on", "0644", "1:30", "null", "~", "true", "1.10", "- x", "a: b", "# c", " x ", "x\ny", "|"][..]
        )
        .prop_map(str::to_owned),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-9_007_199_254_740_992..=9_007_199_254_740_992_i64).prop_map(Value::from),
        (-1e9..1e9_f64).prop_map(Value::from),
        text.clone().prop_map(Value::from),
    ];
    let tree = leaf.prop_recursive(4, 24, 5, move |inner| {
        let key = prop_oneof!["[a-z_]{1,6}", "[a-z0-9 .:-]{1,6}"];
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::Array),
            vec((key, inner), 0..5).prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    });
    tree.prop_filter("a document is not nothing", |value| !value.is_null())
}

/// Equal, where a number with and without a fraction of zero is one.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => x.as_f64() == y.as_f64(),
        (Value::Array(x), Value::Array(y)) => x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same(x, y)),
        (Value::Object(x), Value::Object(y)) => {
            x.len() == y.len() && x.iter().all(|(key, value)| y.get(key).is_some_and(|other| same(value, other)))
        }
        _ => a == b,
    }
}

#[test]
fn two_readers_agree_on_every_shipped_runbook() {
    let files: Vec<_> =
        ["runbooks", "examples", "tests/shape"].iter().flat_map(|folder| yaml_files(&root().join(folder))).collect();
    assert!(files.len() >= 15);
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        let (node, report) = read(&text);
        assert!(report.is_empty(), "{}: {:?}", path.display(), report.sorted());
        let other: Value = serde_yaml::from_str(&text).unwrap();
        assert!(same(&node.unwrap().to_value(), &other), "{}", path.display());
        check_places(&read(&text).0.unwrap(), &text);
    }
}

/// Each plain value stands where its place says, and each part lies within the whole.
fn check_places(node: &Node, text: &str) {
    let within =
        |part: &Node| assert!(node.span.start <= part.span.start && part.span.end <= node.span.end, "{part:?} in {node:?}");
    match &node.kind {
        NodeKind::Scalar(scalar) => {
            let written = &text[node.span.start..node.span.end];
            match scalar.style {
                ScalarStyle::Plain if !scalar.raw.is_empty() && !written.contains('\n') => assert_eq!(written, scalar.raw),
                ScalarStyle::Quoted => {
                    assert!(written.starts_with(['"', '\'']) && written.ends_with(['"', '\'']), "{written}");
                }
                ScalarStyle::Plain | ScalarStyle::Block => {}
            }
        }
        NodeKind::List(items) => items.iter().for_each(|item| {
            within(item);
            check_places(item, text);
        }),
        NodeKind::Map(entries) => entries.iter().for_each(|entry| {
            within(&entry.value);
            assert!(node.span.start <= entry.key.span.start, "{entry:?}");
            check_places(&entry.value, text);
        }),
    }
}

#[test]
fn places_count_bytes_whatever_stands_before_them() {
    let text = "# 订单 ü\r\n\"ключ\": 'ä'   # c\r\nb: |\r\n  te\r\n\r\nd: { e: [], 数: x }\r\n";
    let (node, report) = read(text);
    assert!(report.is_empty(), "{:?}", report.sorted());
    let node = node.unwrap();
    let written = |span: SourceSpan| &text[span.start..span.end];
    assert_eq!(written(node.entries().unwrap()[0].key.span), "\"ключ\"");
    assert_eq!(written(node.get("ключ").unwrap().value.span), "'ä'");
    let inner = &node.get("d").unwrap().value;
    assert_eq!(written(inner.span), "{ e: [], 数: x }");
    assert_eq!(written(inner.get("e").unwrap().value.span), "[]");
    assert_eq!(written(inner.get("数").unwrap().key.span), "数");
    check_places(&node, text);
}

#[test]
fn the_whole_language_is_read() {
    let text = fs::read_to_string(root().join("tests/shape/shop-to-cloud.yaml")).unwrap();
    let source = Source::new("shop-to-cloud.yaml", &text);
    let (runbook, report) = parse(&source);
    assert!(report.is_empty(), "{}", render(&report, &source, Paint::Plain));
    let runbook = runbook.unwrap();
    assert_eq!(runbook.name.value, "shop-to-cloud");
    assert_eq!(runbook.steps.len(), 9);
    let window = runbook.window.unwrap();
    assert_eq!(window.opens.value.to_string(), "2026-11-20T16:00:00.000Z");
    assert_eq!(window.closes.value.since(window.opens.value), Duration::from_secs(6 * 3600));
    let switch = runbook.steps.iter().find(|step| step.id.value.as_str() == "switch").unwrap();
    assert_eq!(switch.point_of_no_return.as_ref().unwrap().value, "orders written in the cloud do not flow back");
    assert_eq!(&text[switch.id.span.start..switch.id.span.end], "switch");
    let Work::Action(call) = &switch.work else { panic!("the switch acts") };
    assert_eq!(call.with.as_ref().unwrap().to_value()["ramp"], serde_json::json!(["1%", "10%", "100%"]));
    let rollback = runbook.rollback.unwrap();
    assert_eq!(rollback.decide.unwrap().value.as_str(), "commander");
    let Work::Undo(scope) = &rollback.steps[0].work else { panic!("the first step of the rollback undoes") };
    assert_eq!(scope.value, UndoScope::Everything);
    let password = &runbook.targets[0].settings.iter().find(|entry| entry.key.value == "password").unwrap().value;
    assert!(password.looks_like_secret());
    assert_eq!(password.secret().unwrap().to_string(), "secret from env OLD_DB_PASSWORD");
}

#[test]
fn undo_has_four_forms() {
    let head = "pointsman: 1\nrunbook: undo\nsteps:\n  act:\n    action: command\n    undo: ";
    let undo = |text: &str| {
        let (runbook, report) = parse(&Source::new("undo.yaml", format!("{head}{text}\n")));
        assert!(!report.has_errors(), "{text}: {:?}", report.sorted());
        runbook.unwrap().steps.remove(0).undo.unwrap().value
    };
    assert_eq!(undo("auto"), Undo::Auto);
    assert!(matches!(undo("{ nothing: it only looks }"), Undo::Nothing { why } if why.value == "it only looks"));
    assert!(matches!(undo("{ impossible: mail is sent }"), Undo::Impossible { why } if why.value == "mail is sent"));
    let Undo::Action(call) = undo("{ action: command, with: { argv: [./back] } }") else { panic!("an action") };
    assert_eq!(call.action.value, "command");
}

/// Anchors that nobody uses, and anchors below anchors, cost no more than the budget.
#[test]
fn aliases_cannot_exhaust_memory() {
    let nested = (0..60).fold("x".repeat(200_000), |inner, level| format!("&a{level} [{inner}]"));
    let (_, report) = read(&format!("a: {nested}\nb: *a59\n"));
    assert!(report.sorted().iter().any(|diagnostic| diagnostic.code == Code::new(109)), "{:?}", report.sorted());
    let wide: String = (0..20_000).map(|n| format!("- &n{n} {{ a: {n} }}\n")).collect();
    let (node, report) = read(&wide);
    assert!(node.is_some() && !report.has_errors());
}

/// Long texts of one kind cost time that grows with their length and no faster.
#[test]
fn long_hostile_texts_are_read_in_time() {
    let tokens = [
        "[",
        "{a: ",
        "- ",
        "? ",
        "\"",
        "# x\n",
        " \n",
        "k: v\n",
        "- &a x\n",
        "- !a x\n",
        "- no\n",
        ": ",
        ",",
        "---\n",
        "%\n",
        "\tb\n",
        "&",
        "*",
        "!",
        "'",
        "|\n",
        "x ",
        "x\n",
        "[a],",
        "\\",
        "订",
        "- |\n  x\n",
        "\r",
    ];
    for head in ["", "a: ", "[", "a: |\n"] {
        for token in tokens {
            let text = format!("{head}{}", token.repeat(25_000 / token.len()));
            let start = Instant::now();
            survives(&text);
            let took = start.elapsed();
            assert!(took < Duration::from_secs(10), "{head:?} and then {token:?} for ever: {took:?}");
        }
    }
}

/// `steps` chains with everything that a step usually has.
fn large_runbook(steps: usize) -> String {
    use std::fmt::Write as _;
    let mut text = String::from("pointsman: 1\nrunbook: large\nsteps:\n");
    for n in 0..steps {
        let needs = if n == 0 { String::new() } else { format!("s{}", n - 1) };
        writeln!(
            text,
            "  s{n}:\n    needs: [{needs}]\n    action: command\n    with: {{ argv: [echo, \"step {n}\"] }}\n    timeout: 30s\n    in_doubt: ask\n    undo: {{ nothing: it only prints }}"
        )
        .unwrap();
    }
    text
}

#[test]
fn a_large_runbook_is_read_in_time() {
    let text = large_runbook(10_000);
    let source = Source::new("large.yaml", &text);
    let start = Instant::now();
    let (runbook, report) = parse(&source);
    let took = start.elapsed();
    assert!(report.is_empty());
    assert_eq!(runbook.unwrap().steps.len(), 10_000);
    println!("{} bytes, 10000 steps: {took:?}", text.len());
    // A release build needs a third of a second; the bound only catches what grows with the square.
    assert!(took < Duration::from_secs(60), "{took:?}");
}

#[test]
fn a_thousand_problems_are_reported_in_time() {
    let text = large_runbook(5_000).replace("timeout: 30s", "timeout: 30");
    let source = Source::new("large.yaml", &text);
    let start = Instant::now();
    let report = parse(&source).1;
    assert_eq!(report.sorted().len(), 5_000);
    let json = json::to_json(&report, &source);
    assert_eq!(json["errors"], 5_000);
    let text = render(&parse(&source).1, &source, Paint::Plain);
    assert!(text.ends_with("large.yaml: 5000 errors\n"));
    let took = start.elapsed();
    println!("5000 problems read twice and shown as JSON and as text: {took:?}");
    assert!(took < Duration::from_secs(60), "{took:?}");
}
