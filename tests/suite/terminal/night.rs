//! A run that is driven or watched on a terminal: orders typed into the view, signals, and what stays in the scrollback.

use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::tmux::Tmux;
use super::{no_terminal, program};

pub const STEPS: &str = "
pointsman: 1
runbook: night
steps:
  look:
    action: command.check
    with: { argv: [echo, all is well] }
  go-live:
    needs: [look]
    action: gate.approval
    with: { approvers: { operator: 1 }, prompt: Switch to the new side? }
  switch:
    needs: [go-live]
    action: command
    with: { argv: [touch, switched] }
    in_doubt: ask
    undo: { nothing: a test }
";

const SLOW: &str = "
pointsman: 1
runbook: night
steps:
  wait:
    action: command.check
    with: { argv: [sleep, '600'] }
    timeout: 20m
";

pub fn runbook(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("night.yaml");
    std::fs::write(&path, text).unwrap();
    path
}

/// The lines that `watch` prints of a run where there is no terminal.
fn plain_lines(folder: &Path, run: &str) -> Vec<String> {
    let said = std::process::Command::new(program())
        .args(["replay", run, "--view", "plain", "--speed", "max"])
        .env("POINTSMAN_HOME", folder.join("home"))
        .output()
        .unwrap();
    assert!(said.status.success(), "{said:?}");
    String::from_utf8(said.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// Each of these lines stands in the text once, in this order.
fn stand_in_order(lines: &[String], text: &str) {
    let mut at = 0;
    let shown: Vec<&str> = text.lines().collect();
    for line in lines {
        let found = shown[at..].iter().position(|shown| shown.trim_end() == line.trim_end());
        at += found.unwrap_or_else(|| panic!("`{line}` is not there behind line {at}:\n{text}")) + 1;
        assert_eq!(shown.iter().filter(|shown| shown.trim_end() == line.trim_end()).count(), 1, "`{line}` stands twice:\n{text}");
    }
}

/// A terminal with a run in it that asks at its gate.
fn at_the_gate(folder: &Path) -> Tmux {
    runbook(folder, STEPS);
    let tmux = Tmux::start(folder, 80, 24, &[]);
    tmux.run(&format!("{} run night.yaml --id night-1; echo ended with $?", program()));
    tmux.wait_text("approve go-live");
    tmux
}

#[test]
fn a_gate_is_approved_in_the_view_and_the_log_stays() {
    if no_terminal() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    runbook(folder.path(), STEPS);
    let tmux = Tmux::start(folder.path(), 80, 24, &[]);
    tmux.run("stty -a > before");
    tmux.run(&format!("{} run night.yaml --id night-1; echo ended with $?", program()));
    let screen = tmux.wait_text("approve go-live");
    assert!(screen.contains("Switch to the new side?") && screen.contains("Ctrl-C suspends"), "{screen}");
    tmux.type_text(":app");
    tmux.press("Tab");
    tmux.wait_text(":approve");
    tmux.press("Tab");
    tmux.wait_text("Enter as");
    // A size that changes in the middle of a word loses nothing of it.
    tmux.resize(60, 20);
    tmux.wait_for("a narrower screen", |screen| screen.lines().count() == 20 && screen.contains(":approve go-live"));
    tmux.press("Enter");
    tmux.wait_text("Type `yes`");
    assert!(!folder.path().join("switched").exists());
    tmux.type_text("yes");
    tmux.press("Enter");
    tmux.wait_text("ended with 0");
    assert!(folder.path().join("switched").exists());
    let left = tmux.scrollback();
    stand_in_order(&plain_lines(folder.path(), "night-1"), &left);
    assert!(left.contains("succeeded after"), "the summary stands below: {left}");
    assert!(!left.contains("Ctrl-C suspends"), "nothing of the screen stays: {left}");
    tmux.run("stty -a > after; cmp before after && echo as before");
    tmux.resize(80, 24);
    tmux.run("stty -a > after; cmp before after && echo just as before");
    tmux.wait_text("just as before");
}

#[test]
fn ctrl_c_suspends_in_good_order_and_says_so() {
    if no_terminal() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let tmux = at_the_gate(folder.path());
    tmux.press("C-z");
    tmux.wait_text("Ctrl-Z does nothing here");
    tmux.press("C-c");
    let screen = tmux.wait_text("ended with 9");
    assert!(screen.contains("suspended"), "{screen}");
    stand_in_order(&plain_lines(folder.path(), "night-1"), &tmux.scrollback());
}

#[test]
fn ctrl_c_twice_leaves_the_work_in_doubt_and_the_terminal_whole() {
    if no_terminal() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // The program takes no notice of the first Ctrl-C, so that the executor waits for it.
    runbook(folder.path(), &SLOW.replace("[sleep, '600']", "[sh, -c, \"trap '' INT TERM; sleep 600\"]"));
    let tmux = Tmux::start(folder.path(), 80, 24, &[]);
    tmux.run(&format!("{} run night.yaml --id night-1; echo ended with $?", program()));
    tmux.wait_text("running");
    tmux.press("C-c");
    tmux.wait_for("the first one, or the end", |screen| {
        screen.contains("Ctrl-C again leaves it in doubt") || screen.contains("ended with 9")
    });
    tmux.press("C-c");
    tmux.wait_text("ended with 9");
    let left = tmux.scrollback();
    assert!(left.contains("wait") && left.contains("started"), "the lines stay: {left}");
    tmux.run("echo typed again");
    tmux.wait_for("an echo", |screen| screen.matches("typed again").count() == 2);
}

#[test]
fn a_run_is_watched_and_left_untouched() {
    if no_terminal() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    runbook(folder.path(), STEPS);
    let (driving, watching) = (folder.path().join("d"), folder.path().join("w"));
    std::fs::create_dir_all(&driving).unwrap();
    std::fs::create_dir_all(&watching).unwrap();
    let home = folder.path().join("home").display().to_string();
    let driver = Tmux::start(&driving, 80, 24, &[("POINTSMAN_HOME", &home)]);
    driver.run(&format!("cd ..; {} run night.yaml --id night-1 --view plain; echo ended with $?", program()));
    driver.wait_text("approve night-1 go-live");
    let watcher = Tmux::start(&watching, 100, 30, &[("POINTSMAN_HOME", &home)]);
    watcher.run(&format!("{} watch latest; echo left with $?", program()));
    watcher.wait_text("q leaves the view; the run goes on.");
    watcher.type_text("q");
    watcher.wait_text("left with 0");
    assert!(!driver.screen().contains("ended with"), "the run goes on");
    watcher.run(&format!("clear; {} watch latest; echo left again with $?", program()));
    watcher.wait_text("approve go-live");
    watcher.type_text(":reject go-live the counts differ");
    watcher.wait_text("Enter as");
    watcher.press("Enter");
    driver.wait_text("ended with");
    let screen = watcher.wait_text("rolled back");
    assert!(screen.contains("the counts differ"), "{screen}");
    watcher.press("C-c");
    watcher.wait_text("left again with 4");
}

#[test]
fn the_view_steps_aside_for_the_command_line_and_comes_back() {
    if no_terminal() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let tmux = at_the_gate(folder.path());
    tmux.type_text(":break-glass go-live nobody can be reached");
    tmux.wait_text("The view steps aside");
    tmux.press("Enter");
    let aside = tmux.wait_text("Enter goes back to the view.");
    assert!(aside.contains("not applicable") || aside.contains("forbidden"), "{aside}");
    // Ctrl-C belongs to the command line while it has the terminal; here it is the shell's line that is asked for.
    tmux.press("Enter");
    tmux.wait_text("Ctrl-C suspends");
    tmux.type_text(":pause");
    tmux.press("Enter");
    tmux.wait_text("paused by");
    tmux.press("C-c");
    tmux.wait_text("ended with 9");
}

#[test]
fn an_ended_executor_gives_the_terminal_back() {
    if no_terminal() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let tmux = at_the_gate(folder.path());
    let lock = std::fs::read_to_string(folder.path().join("home/runs/night-1/lock")).unwrap();
    let pid: i32 = lock.split_whitespace().nth(1).unwrap().parse().unwrap();
    kill(Pid::from_raw(pid), Signal::SIGTERM).unwrap();
    tmux.wait_text("ended with 9");
    stand_in_order(&plain_lines(folder.path(), "night-1"), &tmux.scrollback());
}
