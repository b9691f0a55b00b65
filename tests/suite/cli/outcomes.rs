//! Every end of a run has an exit code of its own, shown by one real run each.

use std::fs;

use super::Bench;

const FINE: &str = "
steps:
  say:
    action: command
    with: { argv: [echo, hello] }
    in_doubt: rerun
    idempotent: it only prints
    undo: { nothing: it only prints }
";

const BREAKS: &str = "
steps:
  make:
    action: command
    with: { argv: [mkdir, made] }
    in_doubt: ask
    undo: { action: command, with: { argv: [UNDO, made] } }
  break:
    needs: [make]
    action: command
    with: { argv: ['false'] }
    in_doubt: rerun
    idempotent: it changes nothing
    undo: { nothing: it changes nothing }
";

const ASKS: &str = "
steps:
  go:
    action: gate.approval
    with: { approvers: { commander: 1 }, deadline: 10m, on_deadline: rollback, prompt: Shall we? }
";

#[test]
fn a_run_that_succeeds_ends_with_0() {
    let bench = Bench::new();
    bench.runbook("fine", FINE);
    let said = bench.say(&["run", "fine.yaml", "--id", "first"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.starts_with("first\n"), "the run's id comes first: {said:?}");
    assert!(said.out.contains("| hello"), "{said:?}");
    assert!(said.out.contains("succeeded after"), "{said:?}");
}

#[test]
fn a_run_that_comes_back_ends_with_4() {
    let bench = Bench::new();
    bench.runbook("back", &BREAKS.replace("UNDO", "rmdir"));
    let said = bench.say(&["run", "back.yaml"]);
    assert_eq!(said.code, 4, "{said:?}");
    assert!(said.out.contains("turned back: step break failed"), "{said:?}");
    assert!(!bench.path().join("made").exists());
}

#[test]
fn a_run_that_cannot_come_back_ends_with_5_and_says_what_is_left() {
    let bench = Bench::new();
    bench.runbook("stuck", &BREAKS.replace("UNDO, made", "rmdir, not-there"));
    let running = bench.start(&["run", "stuck.yaml", "--id", "stuck-run"]);
    bench.wait_for("undo-everything");
    assert_eq!(bench.say(&["skip", "stuck-run", "undo-everything", "--reason", "by hand, tomorrow"]).code, 0);
    let said = running.end();
    assert_eq!(said.code, 5, "{said:?}");
    assert!(said.out.contains("left to do"), "{said:?}");
    assert!(said.out.contains("retry stuck-run make"), "{said:?}");
    assert!(said.out.contains("resolve stuck-run make --as applied --evidence TEXT"), "{said:?}");

    fs::create_dir(bench.path().join("not-there")).unwrap();
    let said = bench.say(&["retry", "stuck-run", "make"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.err.contains("resume stuck-run"), "{said:?}");
    let said = bench.say(&["resume", "stuck-run"]);
    assert_eq!(said.code, 4, "the undo was tried again: {said:?}");
}

#[test]
fn a_run_that_is_aborted_ends_with_6() {
    let bench = Bench::new();
    bench.runbook("asks", ASKS);
    let running = bench.start(&["run", "asks.yaml"]);
    bench.wait_for("go");
    assert_eq!(bench.say(&["abort", "latest", "--reason", "wrong runbook"]).code, 0);
    let said = running.end();
    assert_eq!(said.code, 6, "{said:?}");
}

#[test]
fn an_invalid_runbook_ends_with_3_and_starts_nothing() {
    let bench = Bench::new();
    bench.runbook("wrong", "steps:\n  a: { action: no.such.action }\n");
    for command in ["check", "plan", "run"] {
        let said = bench.say(&[command, "wrong.yaml"]);
        assert_eq!(said.code, 3, "{command}: {said:?}");
        assert!(said.err.contains("error[PM") && said.out.is_empty(), "{command}: {said:?}");
    }
    assert!(!bench.path().join("home").exists(), "a run was made");
}

#[test]
fn a_wrong_command_line_ends_with_2_and_a_missing_run_with_1() {
    let bench = Bench::new();
    assert_eq!(bench.say(&["fly"]).code, 2);
    let said = bench.say(&["status", "nobody"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.starts_with("error: there is no run `nobody`") && said.err.contains("\n hint: "), "{said:?}");
    assert_eq!(bench.say(&["run", "not-there.yaml"]).code, 1);
}

#[test]
fn a_damaged_journal_ends_with_7_and_its_verification_with_20() {
    let bench = Bench::new();
    bench.runbook("fine", FINE);
    assert_eq!(bench.say(&["run", "fine.yaml", "--id", "damaged"]).code, 0);
    assert_eq!(bench.say(&["audit", "verify", "damaged"]).code, 0);
    let journal = bench.path().join("home/runs/damaged/journal");
    let mut bytes = fs::read(&journal).unwrap();
    let at = bytes.windows(5).position(|part| part == b"hello").unwrap();
    bytes[at] ^= 1;
    fs::write(&journal, bytes).unwrap();

    let said = bench.say(&["resume", "damaged"]);
    assert_eq!(said.code, 7, "{said:?}");
    assert!(said.err.contains("audit verify"), "{said:?}");
    let said = bench.say(&["audit", "verify", "damaged", "--json"]);
    assert_eq!(said.code, 20, "{said:?}");
    assert!(said.out.contains("\"standing\": \"tampered\""), "{said:?}");

    let said = bench.say(&["journal", "salvage", "damaged", "--to", "saved"]);
    assert_eq!(said.code, 0, "{said:?}");
    let said = bench.say(&["audit", "verify", "./saved"]);
    assert_eq!(said.code, 20, "a salvaged journal says of itself that records were lost: {said:?}");
    assert!(said.out.contains("salvaged"), "{said:?}");
}

#[test]
fn a_file_that_is_no_journal_ends_with_30() {
    let bench = Bench::new();
    fs::create_dir(bench.path().join("odd")).unwrap();
    bench.file("odd/journal", "this is no journal");
    assert_eq!(bench.say(&["audit", "verify", "./odd"]).code, 30);
}

#[test]
fn a_run_that_somebody_drives_already_is_busy() {
    let bench = Bench::new();
    bench.runbook("asks", ASKS);
    let running = bench.start(&["run", "asks.yaml"]);
    bench.wait_for("go");
    let said = bench.say(&["resume", "latest"]);
    assert_eq!(said.code, 11, "{said:?}");
    bench.say(&["abort", "latest", "--reason", "enough"]);
    assert_eq!(running.end().code, 6);
}

/// Who edited the runbook last does not approve it, and nobody's guess is taken for an answer.
#[test]
fn the_last_editor_is_who_git_says_and_is_excluded() {
    let bench = Bench::new();
    let me = pointsman::engine::identity::login(nix::unistd::getuid().as_raw());
    let people = format!(
        "persons:\n  me: {{ name: Me, roles: [dba], local_users: [{me}], emails: [me@example.com] }}\n  you: {{ name: You, roles: [dba], local_users: [nobody], emails: [You@example.com] }}\n"
    );
    bench.file("people.yaml", &people);
    let gate = "roster: people.yaml\nsteps:\n  gate: { action: gate.approval, with: { approvers: { dba: 1 }, not: [editor], prompt: ready } }\n";
    bench.runbook("gated", gate);
    let refused = |why: &str| {
        let said = bench.say(&["plan", "gated.yaml"]);
        assert!(said.code == 3 && said.err.contains("PM0326") && said.err.contains(why), "{why}: {said:?}");
    };
    refused("git does not know the runbook");
    let git = |address: &str, args: &[&str]| {
        let author = format!("user.email={address}");
        let base = ["-c", "user.name=somebody", "-c", &author, "-c", "commit.gpgSign=false"];
        let status = std::process::Command::new("git").args(base).args(args).current_dir(bench.path()).status().unwrap();
        assert!(status.success(), "{args:?}");
    };
    git("me@example.com", &["init", "--quiet"]);
    refused("git does not know the runbook");
    git("me@example.com", &["add", "people.yaml"]);
    git("me@example.com", &["commit", "--quiet", "-m", "the people"]);
    refused("not committed");
    git("stranger@example.com", &["add", "gated.yaml"]);
    git("stranger@example.com", &["commit", "--quiet", "-m", "the night"]);
    refused("stranger@example.com");
    bench.runbook("gated", &format!("title: Changed\n{gate}"));
    refused("not what was committed last");
    git("you@example.com", &["commit", "--quiet", "-am", "a title"]);
    let plan = bench.json(&["plan", "gated.yaml", "--json"]);
    assert_eq!(plan["steps"][0]["id"], "gate", "{plan}");
    // Somebody else edited it last: I approve.
    let run = bench.start(&["run", "gated.yaml", "--id", "one"]);
    bench.wait_for("gate");
    assert_eq!(bench.say(&["approve", "one", "gate", "--yes"]).code, 0);
    assert_eq!(run.end().code, 0);
    // I did: I do not, and neither does a commit in somebody else's name.
    bench.runbook("gated", &format!("title: Changed again\n{gate}"));
    git("me@example.com", &["commit", "--quiet", "--author", "You <you@example.com>", "-am", "another title"]);
    let said = bench.say(&["plan", "gated.yaml"]);
    assert!(said.code == 3 && said.err.contains("PM0319"), "both are excluded, so nobody is left: {said:?}");
    bench.file(
        "people.yaml",
        &people
            .replace("local_users: [nobody]", "local_users: [nobody], deputies: [me]")
            .replace("emails: [You@example.com]", "emails: []"),
    );
    git("me@example.com", &["commit", "--quiet", "--amend", "--reset-author", "-m", "mine"]);
    let run = bench.start(&["run", "gated.yaml", "--id", "two"]);
    bench.wait_until("the gate of the second run", |status| {
        status["run"] == "two" && status["awaited"].as_array().is_some_and(|asks| !asks.is_empty())
    });
    let said = bench.say(&["approve", "two", "gate", "--yes"]);
    assert!(said.code == 8 && said.err.contains("edited this runbook last"), "{said:?}");
    assert_eq!(bench.say(&["rollback", "two", "--reason", "mine"]).code, 0);
    run.end();
}
