//! The reviewer's test: a night that fails in every way is driven for real, and questions about it are answered from its report
//! alone. Also reports of runs that are damaged or not over, comparisons and searches.

use std::fs;

use nix::sys::signal::Signal;
use serde_json::Value;

use super::Bench;

/// A freeze, a step that works the second time, one that nobody can do, one in which the executor dies, a gate that says no.
const NIGHT: &str = r#"
title: Move the orders
roster: people.yaml
targets:
  old: { connector: sqlite, path: old.db }
  new: { connector: sqlite, path: new.db }
steps:
  freeze:
    action: sqlite.freeze_writes
    target: old
    with: { tables: [orders] }
  drain:
    needs: [freeze]
    action: command
    with: { argv: [sh, -c, 'test -e tried || { touch tried; echo "lock wait timeout" >&2; exit 1; }'] }
    retry: { max_attempts: 2, backoff: 10ms }
    in_doubt: rerun
    idempotent: it only waits
    undo: { nothing: it only waits }
  tell-partners:
    needs: [drain]
    action: command
    with: { argv: [sh, -c, 'echo "no route to partner" >&2; exit 1'] }
    on_failure: hold
    in_doubt: ask
    undo: { nothing: a message cannot be taken back }
  copy:
    needs: [tell-partners]
    action: command
    with: { argv: [sh, -c, 'touch copying; while [ -e copying ]; do sleep 0.1; done'] }
    timeout: 15m
    in_doubt: ask
    undo: { nothing: the copy is thrown away }
  count:
    needs: [copy]
    action: command.check
    with: { argv: [echo, '812'] }
  go-live:
    needs: [count]
    action: gate.approval
    with: { approvers: { commander: 1 }, deadline: 10m, on_deadline: rollback, prompt: Sell from the new side? }
  open:
    needs: [go-live]
    action: command
    with: { argv: ['true'] }
    in_doubt: ask
    undo: { impossible: orders do not flow back }
    point_of_no_return: orders do not flow back
"#;

fn login() -> String {
    nix::unistd::User::from_uid(nix::unistd::getuid())
        .unwrap()
        .map_or_else(|| nix::unistd::getuid().to_string(), |user| user.name)
}

/// Drives the night up to its end.
fn failed_night(bench: &Bench) {
    for name in ["old.db", "new.db"] {
        let database = rusqlite::Connection::open(bench.path().join(name)).unwrap();
        database.execute_batch("CREATE TABLE orders (id INTEGER PRIMARY KEY, cents INTEGER)").unwrap();
    }
    bench.file("people.yaml", &format!("persons:\n  ann: {{ name: Ann, roles: [commander], local_users: ['{}'] }}\n", login()));
    bench.runbook("night", NIGHT);
    let running = bench.start(&["run", "night.yaml", "--id", "night-1"]);
    bench.wait_for("tell-partners");
    let said = bench.say(&["skip", "night-1", "tell-partners", "--reason", "they know it by phone"]);
    assert_eq!(said.code, 0, "{said:?}");
    bench.wait_until("the copy is under way", |status| {
        let steps = status["steps"].as_array().unwrap();
        steps.iter().any(|step| step["step"] == "copy" && step["status"] == "running") && bench.path().join("copying").exists()
    });
    running.signal(Signal::SIGKILL);
    assert_eq!(running.end().code, -1);
    let resumed = bench.start(&["resume", "night-1"]);
    bench.wait_for("copy");
    let evidence = "812 rows on both sides";
    let said = bench.say(&["resolve", "night-1", "copy", "--as", "applied", "--evidence", evidence]);
    assert_eq!(said.code, 0, "{said:?}");
    bench.wait_for("go-live");
    let said = bench.say(&["reject", "night-1", "go-live", "--reason", "the shop shows two prices"]);
    assert_eq!(said.code, 0, "{said:?}");
    let said = resumed.end();
    assert_eq!(said.code, 4, "{said:?}");
    // The program that outlived its executor ends with this file, or with the folder where a test stops before it.
    fs::remove_file(bench.path().join("copying")).unwrap();
}

/// The rows of a page as a reader sees them: one string per row, paragraph or heading.
fn rows_of_html(html: &str) -> Vec<String> {
    let body = html.split("<body>").nth(1).unwrap();
    let parts = ["</tr>", "</p>", "</div>", "</h1>", "</h2>", "</h3>", "</svg>"];
    let marked = parts.iter().fold(body.to_owned(), |text, end| text.replace(end, "\u{1}"));
    let shown = |row: &str| {
        let mut text = String::new();
        for (at, piece) in row.split('<').enumerate() {
            text.push_str(if at == 0 { piece } else { piece.split_once('>').map_or("", |(_, rest)| rest) });
            text.push(' ');
        }
        let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
        let text = entities.iter().fold(text, |text, (from, to)| text.replace(from, to));
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    marked.split('\u{1}').map(shown).collect()
}

/// The lines of Markdown as a reader sees them.
fn rows_of_markdown(text: &str) -> Vec<String> {
    let mut rows = Vec::new();
    for line in text.lines() {
        let mut shown = String::new();
        let mut escaped = false;
        for c in line.chars() {
            if c == '\\' && !escaped {
                escaped = true;
            } else {
                escaped = false;
                shown.push(c);
            }
        }
        rows.push(shown.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"));
    }
    rows
}

fn answers(questions: &Value, rows: &[String], form: &str) {
    for question in questions.as_array().unwrap() {
        let parts: Vec<&str> = question["answer"].as_array().unwrap().iter().map(|part| part.as_str().unwrap()).collect();
        // The whole answer stands in one row: a reader must not have to put it together.
        let found = rows.iter().any(|row| parts.iter().all(|part| row.contains(part)));
        assert!(found, "{form} does not answer {}: no row has all of {parts:?} in\n{}", question["question"], rows.join("\n"));
    }
}

#[test]
fn twenty_questions_about_a_failed_night_are_answered_by_its_report_alone() {
    let bench = Bench::new();
    failed_night(&bench);
    let questions = include_str!("../../review/failed-night.json");
    let questions: Value = serde_json::from_str(questions).unwrap();
    assert!(questions.as_array().unwrap().len() >= 20);

    let said = bench.say(&["report", "night-1", "-o", "report.html"]);
    assert_eq!((said.code, said.out.as_str()), (0, ""), "{said:?}");
    let html = fs::read_to_string(bench.path().join("report.html")).unwrap();
    answers(&questions, &rows_of_html(&html), "the page");

    let said = bench.say(&["report", "night-1", "--md"]);
    assert_eq!(said.code, 0, "{said:?}");
    answers(&questions, &rows_of_markdown(&said.out), "the Markdown");

    let report = bench.json(&["report", "night-1", "--json"]);
    assert_eq!(report["end"], "rolled_back", "{report:#}");
    let drain: Vec<&Value> = report["attempts"].as_array().unwrap().iter().filter(|a| a["step"] == "drain").collect();
    assert_eq!((drain.len(), drain[0]["again"].as_str()), (2, Some("by the plan's `retry`")), "{drain:?}");
    assert_eq!(report["doubts"][0]["resolved"]["finding"], "applied", "{}", report["doubts"]);
    assert_eq!(report["freezes"][0]["ended"]["step"], "freeze", "{}", report["freezes"]);
    let parts = report["costs"]["parts"].as_array().unwrap();
    let sum: u64 = parts.iter().map(|part| part["ms"].as_u64().unwrap()).sum();
    assert_eq!(sum, report["took_ms"].as_u64().unwrap(), "each moment counts once: {parts:?}");
    assert!(parts.iter().any(|part| part["what"] == "no_executor_drove_the_run"), "it was killed: {parts:?}");
}

const QUICK: &str = "
steps:
  say:
    action: command
    with: { argv: [echo, hello] }
    in_doubt: rerun
    idempotent: it only prints
    undo: { nothing: it only prints }
";

#[test]
fn the_form_follows_the_name_of_the_file_and_a_second_run_has_the_first_beside_it() {
    let bench = Bench::new();
    bench.runbook("quick", QUICK);
    for run in ["first", "second"] {
        assert_eq!(bench.say(&["run", "quick.yaml", "--id", run]).code, 0);
    }
    for (file, begin) in [("r.html", "<!doctype html>"), ("r.md", "# ✓ second: succeeded"), ("r.json", "{\n")] {
        assert_eq!(bench.say(&["report", "second", "-o", file]).code, 0);
        let text = fs::read_to_string(bench.path().join(file)).unwrap();
        assert!(text.starts_with(begin), "{file}: {text}");
    }
    let report = bench.json(&["report", "second", "--json"]);
    assert_eq!((report["beside"]["run"].as_str(), report["expected_from_runs"].as_u64()), (Some("first"), Some(1)), "{report:#}");
    assert_eq!(report["steps"][0]["expected"]["samples"], 1, "{report:#}");
    let report = bench.json(&["report", "first", "--json"]);
    assert!(report["beside"].is_null(), "nothing ran before it: {report:#}");
}

#[test]
fn a_report_of_a_run_that_is_not_over_says_so() {
    let bench = Bench::new();
    let asks = "\nsteps:\n  go:\n    action: gate.approval\n    with: { approvers: { commander: 1 }, deadline: 10m, on_deadline: rollback, prompt: Shall we? }\n";
    bench.runbook("asks", asks);
    let running = bench.start(&["run", "asks.yaml", "--id", "live"]);
    bench.wait_for("go");
    let said = bench.say(&["report", "live", "--md"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("The run is not over: this is how it stood at record"), "{said:?}");
    assert!(said.out.contains("An executor drives it") && said.out.contains("waits for commander"), "{said:?}");
    running.signal(Signal::SIGTERM);
    assert_eq!(running.end().code, 9);
    let said = bench.say(&["report", "live", "--md"]);
    assert!(said.out.contains("No executor drives it") && said.out.contains("resume live"), "{said:?}");
}

#[test]
fn a_report_of_a_damaged_record_tells_what_can_be_read_and_says_where_it_ends() {
    let bench = Bench::new();
    bench.runbook("quick", QUICK);
    assert_eq!(bench.say(&["run", "quick.yaml", "--id", "hurt"]).code, 0);
    let journal = bench.path().join("home/runs/hurt/journal");
    let mut bytes = fs::read(&journal).unwrap();
    let at = bytes.windows(9).rposition(|part| part == b"run_ended").unwrap();
    bytes[at] ^= 1;
    fs::write(&journal, bytes).unwrap();
    let said = bench.say(&["report", "hurt", "--md"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("The record is damaged: only records 1 to"), "{said:?}");
    assert!(said.out.contains("What came after is not in this report"), "{said:?}");
    assert!(said.out.contains("✗ tampered"), "the claims say it too: {said:?}");

    let said = bench.say(&["run", "quick.yaml", "--id", "lost"]);
    assert_eq!(said.code, 0, "{said:?}");
    fs::write(bench.path().join("home/runs/lost/plan.json"), "{}").unwrap();
    let said = bench.say(&["report", "lost", "-o", "lost.html"]);
    assert_eq!(said.code, 0, "{said:?}");
    let html = fs::read_to_string(bench.path().join("lost.html")).unwrap();
    assert!(html.contains("The record of this run cannot be read") && html.contains("plan.json is not the plan"), "{html}");
}

#[test]
fn a_bundle_has_the_report_of_its_run_without_the_installation() {
    let bench = Bench::new();
    let key = bench.say(&["init"]).out.trim().to_owned();
    failed_night(&bench);
    let here = bench.json(&["report", "night-1", "--json"]);
    assert_eq!(bench.say(&["audit", "bundle", "night-1", "--out", "night.bundle"]).code, 0);
    let withheld = ["audit", "bundle", "night-1", "--out", "some.bundle", "--withhold-text", "by phone"];
    assert_eq!(bench.say(&withheld).code, 0);
    assert_eq!(bench.say(&["audit", "bundle", "night-1", "--out", "bare.bundle", "--withhold-plan"]).code, 0);
    fs::remove_dir_all(bench.path().join("home")).unwrap();

    let there = bench.json(&["report", "night.bundle", "--key", &key, "--json"]);
    for part in ["run", "end", "because", "attempts", "skips", "doubts", "undos", "decisions", "systems", "freezes", "costs"] {
        assert_eq!(there[part], here[part], "{part}");
    }
    assert_eq!(there["proof"]["standing"], "holds", "{}", there["proof"]);
    let notice = |report: &Value| report["notices"][0].as_str().unwrap().to_owned();
    assert!(
        notice(&there).contains("Made from a bundle") && notice(&there).contains("holds, as far as L0"),
        "{}",
        notice(&there)
    );
    let said = bench.say(&["report", "night.bundle", "-o", "r.html"]);
    assert_eq!(said.code, 0, "{said:?}");
    let html = fs::read_to_string(bench.path().join("r.html")).unwrap();
    assert!(html.contains("not everything about it is proven") && html.contains("audit verify BUNDLE"), "nobody brought a key");

    let some = bench.json(&["report", "some.bundle", "--key", &key, "--json"]);
    let cut = some["notices"].to_string();
    assert!(cut.contains("is withheld") && cut.contains("Not the whole record is told") && !cut.contains("damaged"), "{cut}");
    assert!(some["record"].as_u64() < there["record"].as_u64() && some["skips"].as_array().unwrap().is_empty(), "{some:#}");
    let bare = bench.json(&["report", "bare.bundle", "--key", &key, "--json"]);
    assert!(bare["notices"].to_string().contains("the plan is withheld") && bare["steps"].is_null(), "{bare:#}");

    let diff = bench.json(&["diff", "night.bundle", "night.bundle", "--json"]);
    assert_eq!(diff["a"]["run"], "night-1", "{diff:#}");
    assert_ne!(bench.say(&["diff", "night.bundle", "some.bundle"]).code, 0);
    let said = bench.say(&["trace", "night.bundle", "--json", "-"]);
    assert!(said.code == 0 && said.out.contains("RUN night"), "{said:?}");
    bench.file("none.bundle", "a file of something else");
    let said = bench.say(&["report", "none.bundle"]);
    assert!(said.code != 0 && said.err.contains("neither a run nor a bundle"), "{said:?}");
    // A changed byte is told, and said.
    let text = fs::read_to_string(bench.path().join("night.bundle")).unwrap();
    let at = text.find("\nplan ").unwrap();
    let (before, after) = text.split_at(at);
    bench.file("changed.bundle", &format!("{before}{}", after.replacen("A", "B", 1)));
    let changed = bench.json(&["report", "changed.bundle", "--key", &key, "--json"]);
    assert_ne!(changed["proof"]["standing"], "holds", "{changed:#}");
}

#[test]
fn two_runs_are_compared() {
    let bench = Bench::new();
    let more = "\n  rest:\n    needs: [say]\n    action: command.check\n    with: { argv: ['WORD'] }\n";
    bench.runbook("quick", &format!("{QUICK}{}", more.replace("WORD", "true")));
    assert_eq!(bench.say(&["run", "quick.yaml", "--id", "one"]).code, 0);
    bench.runbook("quick", &format!("{QUICK}{}", more.replace("WORD", "false")));
    assert_eq!(bench.say(&["run", "quick.yaml", "--id", "two"]).code, 4);
    let said = bench.say(&["diff", "one", "two"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("step rest: does something else"), "{said:?}");
    assert!(said.out.contains("succeeded → failed"), "{said:?}");
    let diff = bench.json(&["diff", "one", "two", "--json"]);
    assert_eq!((diff["a"]["end"].as_str(), diff["b"]["end"].as_str()), (Some("succeeded"), Some("rolled_back")), "{diff:#}");
    let rest = diff["steps"].as_array().unwrap().iter().find(|step| step["step"] == "rest").unwrap();
    assert_eq!(rest["ended_otherwise"], true, "{diff:#}");
    let same = bench.json(&["diff", "one", "one", "--json"]);
    assert!(same["plan"].as_array().unwrap().is_empty() && same["decisions"].as_array().unwrap().is_empty(), "{same:#}");
}

#[test]
fn runs_are_searched_by_runbook_end_person_day_and_text() {
    let bench = Bench::new();
    bench.runbook("quick", QUICK);
    bench.runbook("other", &QUICK.replace("[echo, hello]", "[sh, -c, 'echo \"disk is full\" >&2; exit 1']"));
    assert_eq!(bench.say(&["run", "quick.yaml", "--id", "fine"]).code, 0);
    assert_eq!(bench.say(&["run", "other.yaml", "--id", "back"]).code, 4);
    let runs = |args: &[&str]| -> Vec<String> {
        let args: Vec<&str> = ["history"].iter().chain(args).chain(&["--json"]).copied().collect();
        let found = bench.json(&args);
        found.as_array().unwrap().iter().map(|run| run["run"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(runs(&[]), ["back", "fine"], "the newest first");
    assert_eq!(runs(&["--runbook", "quick"]), ["fine"]);
    assert_eq!(runs(&["--end", "rolled-back"]), ["back"]);
    assert_eq!(runs(&["--person", &login()]), ["back", "fine"]);
    assert!(runs(&["--person", "nobody-at-all"]).is_empty());
    assert!(runs(&["--before", "2020-01-01"]).is_empty());
    assert_eq!(runs(&["--since", "2020-01-01T00:00:00Z"]), ["back", "fine"]);
    assert_eq!(runs(&["DISK IS FULL"]), ["back"], "whatever the case of the letters");
    let said = bench.say(&["history", "disk is full"]);
    assert!(said.out.contains("back") && said.out.contains("failed: ") && said.out.contains("say"), "{said:?}");
    let said = bench.say(&["history", "no such text"]);
    assert!(said.code == 0 && said.err.contains("No run fits"), "{said:?}");

    let lengths = bench.json(&["history", "--durations", "--json"]);
    let command = lengths.as_array().unwrap().iter().find(|row| row["action"] == "command").unwrap();
    assert_eq!((command["attempts"].as_u64(), command["longest"]["run"].as_str()), (Some(1), Some("fine")), "{lengths}");
    let said = bench.say(&["history", "--durations"]);
    assert!(said.out.starts_with("action") && said.out.contains("P90"), "{said:?}");
}
