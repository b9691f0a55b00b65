//! A dry run over the demo's real databases: what is sent, how much is known, that nothing changes, what changed since the last
//! one.

use std::collections::BTreeMap;
use std::path::Path;

use pointsman::demo::Folder;

use super::cli::Bench;
use super::diagnostics::root;

/// The shop of the demo and its runbook, with nobody running it.
fn shop() -> Bench {
    let bench = Bench::new();
    pointsman::demo::shop::create(&Folder::new(bench.path())).unwrap();
    for name in ["runbook.yaml", "people.yaml"] {
        std::fs::copy(root().join("runbooks/quickstart").join(name), bench.path().join(name)).unwrap();
    }
    bench
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    files.map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap())).collect()
}

#[test]
fn a_dry_run_shows_the_exact_statements_and_changes_nothing() {
    let bench = shop();
    let before = files(bench.path());
    assert!(before.contains_key("old.db") && before.contains_key("new.db") && before.contains_key("shop.json"), "{before:?}");
    let found = bench.json(&["run", "runbook.yaml", "--dry-run", "--json"]);
    for (name, bytes) in &before {
        assert_eq!(&std::fs::read(bench.path().join(name)).unwrap(), bytes, "{name} was changed by a dry run");
    }
    let step = |name: &str| {
        let steps = found["steps"].as_array().unwrap();
        steps.iter().find(|step| step["step"] == name).unwrap_or_else(|| panic!("{name}: {found}")).clone()
    };
    let freeze = step("freeze-old");
    assert_eq!(freeze["fidelity"], "probed_live", "{freeze}");
    let sent = freeze["statements"].to_string();
    assert!(sent.contains("CREATE TRIGGER") && sent.contains("RAISE(ABORT"), "the exact statements: {sent}");
    assert!(freeze["undo_statements"].to_string().contains("DROP TRIGGER"), "and those of the way back: {freeze}");
    assert_eq!(freeze["identity"]["application_id"], 101, "who answered: {freeze}");
    assert_eq!(step("catch-up")["fidelity"], "simulated", "its fence is known to the run alone: {}", step("catch-up"));
    assert_eq!(step("go-live")["fidelity"], "static");
    assert!(bench.json(&["status", "--json"]).as_array().unwrap().is_empty(), "a dry run is no run");
}

#[test]
fn a_dry_run_is_compared_with_the_last_one() {
    let bench = shop();
    let first = bench.json(&["run", "runbook.yaml", "--dry-run", "--json"]);
    assert!(first["before"].is_null());
    let second = bench.json(&["run", "runbook.yaml", "--dry-run", "--json"]);
    assert_eq!(second["digest"], first["digest"], "nothing changed: {second}");
    assert_eq!(second["before"]["difference"], serde_json::json!([]));
    let text = std::fs::read_to_string(bench.path().join("runbook.yaml")).unwrap();
    let freeze = text.find("freeze-old:").unwrap();
    let changed = format!("{}{}", &text[..freeze], text[freeze..].replacen("tables: [orders]", "tables: [orders, jobs]", 1));
    assert_ne!(changed, text);
    std::fs::write(bench.path().join("runbook.yaml"), changed).unwrap();
    let third = bench.json(&["run", "runbook.yaml", "--dry-run", "--json"]);
    assert_ne!(third["digest"], first["digest"]);
    let difference = third["before"]["difference"].to_string();
    assert!(difference.contains("freeze-old sends otherwise"), "{difference}");
    let said = bench.say(&["run", "runbook.yaml", "--dry-run"]);
    assert!(said.out.contains("probed live") && said.out.contains("the same as on "), "{said:?}");
}

#[test]
fn what_stands_in_the_way_is_said_before_the_night() {
    let bench = shop();
    std::fs::remove_file(bench.path().join("shop.json")).unwrap();
    let said = bench.say(&["run", "runbook.yaml", "--dry-run"]);
    assert!(said.out.contains("shop.json"), "the missing file is named: {said:?}");
    let waiting = bench.runbook("free", "steps:\n  one:\n    action: command\n    with: { argv: [\"true\"] }\n    in_doubt: ask\n    undo: { nothing: it does nothing }\n");
    let found = bench.json(&["run", waiting.to_str().unwrap(), "--dry-run", "--json"]);
    assert_eq!(found["steps"][0]["fidelity"], "opaque", "nobody knows what a program does: {found}");
}
