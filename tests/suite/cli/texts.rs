//! Help, completions, and the tables of `docs/cli.md`.

use super::Bench;

const COMMANDS: [&str; 33] = [
    "check",
    "plan",
    "rehearse",
    "run",
    "resume",
    "watch",
    "replay",
    "status",
    "approve",
    "withdraw",
    "reject",
    "answer",
    "pause",
    "continue",
    "retry",
    "skip",
    "resolve",
    "rollback",
    "abort",
    "report",
    "diff",
    "history",
    "init",
    "witness",
    "audit verify",
    "audit show",
    "audit checkpoint",
    "audit diary",
    "audit bundle",
    "journal salvage",
    "schema",
    "demo",
    "completions",
];

#[test]
fn the_help_of_the_program() {
    insta::assert_snapshot!(Bench::new().say(&["--help"]).out);
}

#[test]
fn the_help_of_every_command() {
    let bench = Bench::new();
    let mut all = String::new();
    for command in COMMANDS {
        let mut args: Vec<&str> = command.split(' ').collect();
        args.push("--help");
        let said = bench.say(&args);
        assert_eq!(said.code, 0, "{command}: {said:?}");
        assert!(said.out.contains("Examples:\n  pointsman "), "{command} shows no example");
        assert!(said.out.lines().all(|line| line.chars().count() <= 120), "{command} has lines that are too long");
        all.push_str(&format!("$ pointsman {command} --help\n{}\n", said.out));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn the_documentation_has_the_table_of_exit_codes_and_every_command() {
    let docs = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/cli.md")).unwrap();
    assert!(docs.contains(&pointsman::cli::Exit::table()), "docs/cli.md needs this table:\n{}", pointsman::cli::Exit::table());
    for command in COMMANDS {
        assert!(docs.contains(&format!("`{command}")), "docs/cli.md does not mention `{command}`");
    }
}

#[test]
fn completions_for_every_shell() {
    let bench = Bench::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let said = bench.say(&["completions", shell]);
        assert_eq!(said.code, 0, "{said:?}");
        assert!(said.out.contains("salvage") && said.out.contains("resolve"), "{shell}");
    }
}

#[test]
fn the_completions_of_bash_are_a_script() {
    let bench = Bench::new();
    let script = bench.file("completions.bash", &bench.say(&["completions", "bash"]).out);
    let output = std::process::Command::new("bash").arg("-n").arg(script).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}
