//! What is left when a view ends otherwise than by its keys: it breaks, it is stopped, it is ended, its terminal goes away.

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::night::{STEPS, runbook};
use super::tmux::Tmux;
use super::{no_terminal, program};

/// Takes down how the terminal is.
const TAKEN_DOWN: &str = "stty -a > before";

/// A run that another process drives and that waits at its gate; the process ends when this is dropped.
struct Driven(std::process::Child);

impl Driven {
    fn at_the_gate(folder: &Path) -> Self {
        runbook(folder, STEPS);
        let child = Command::new(program())
            .args(["run", "night.yaml", "--id", "night-1", "--plain"])
            .current_dir(folder)
            .env("POINTSMAN_HOME", folder.join("home"))
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let driven = Self(child);
        until("the gate asks", || status(folder).contains("awaiting_people"));
        driven
    }

    fn is_alive(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Driven {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn status(folder: &Path) -> String {
    String::from_utf8_lossy(&pointsman(folder, &["status", "night-1", "--json"]).stdout).into_owned()
}

fn approve(folder: &Path) -> Output {
    pointsman(folder, &["approve", "night-1", "go-live", "--yes"])
}

fn pointsman(folder: &Path, args: &[&str]) -> Output {
    Command::new(program()).args(args).env("POINTSMAN_HOME", folder.join("home")).output().unwrap()
}

fn until(what: &str, test: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !test() {
        assert!(Instant::now() < end, "{what} was never seen");
        std::thread::sleep(Duration::from_millis(30));
    }
}

/// The terminal is as it was taken down: not raw, its echo on, the ordinary screen, the cursor shown.
fn is_as_before(tmux: &Tmux) {
    assert_eq!(tmux.says("#{alternate_on} #{cursor_flag}"), "0 1");
    tmux.run("stty -a > after; cmp before after && echo just as be'fore'");
    tmux.wait_text("just as before");
}

/// Starts a command whose process id is written down.
fn start(tmux: &Tmux, command: &str) {
    tmux.run(&format!("sh -c 'echo $$ > pid; exec {} {command}'; echo left with $?", program()));
}

fn pid(folder: &Path) -> Pid {
    Pid::from_raw(std::fs::read_to_string(folder.join("pid")).unwrap().trim().parse().unwrap())
}

/// Whether a process is over, though perhaps nobody asked how it ended.
fn has_ended(pid: Pid) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z "))
}

#[test]
fn a_view_that_breaks_leaves_the_terminal_and_the_run_whole() {
    if no_terminal() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    runbook(folder.path(), STEPS);
    let tmux = Tmux::start(folder.path(), 100, 30, &[("POINTSMAN_TEST_BREAK_VIEW", "1")]);
    tmux.run(TAKEN_DOWN);
    tmux.run(&format!("{} run night.yaml --id night-1; echo ended with $?", program()));
    tmux.wait_text("approve go-live");
    assert_eq!(tmux.says("#{alternate_on} #{cursor_flag}"), "1 0");
    tmux.press("C-l");
    let told = tmux.wait_text("the view was asked to break");
    assert!(told.contains("panicked"), "{told}");
    // The lines of the run stand where the view was, though nothing happens now.
    tmux.wait_text("asks: Switch to the new side?");
    assert_eq!(tmux.says("#{alternate_on} #{cursor_flag}"), "0 1");
    let told: serde_json::Value = serde_json::from_str(&status(folder.path())).unwrap();
    assert_eq!(told["executor"], true, "{told}");
    let said = approve(folder.path());
    assert!(said.status.success(), "{said:?}");
    tmux.wait_text("ended with 0");
    assert!(folder.path().join("switched").exists());
    is_as_before(&tmux);
}

#[test]
fn a_watch_that_is_stopped_comes_back() {
    if no_terminal() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut driven = Driven::at_the_gate(folder.path());
    let tmux = Tmux::start(folder.path(), 100, 30, &[]);
    tmux.run(TAKEN_DOWN);
    start(&tmux, "watch night-1");
    tmux.wait_text("q leaves the view");
    tmux.press("C-z");
    tmux.wait_for("the shell", |screen| screen.contains("Stopped") || screen.contains("SIGTSTP"));
    is_as_before(&tmux);
    assert!(driven.is_alive());
    tmux.run("fg; echo came back with $?");
    tmux.wait_text("q leaves the view");
    assert_eq!(tmux.says("#{alternate_on}"), "1");
    tmux.type_text("q");
    tmux.wait_text("came back with 0");
    is_as_before(&tmux);
    assert!(driven.is_alive());
}

/// Where lines are printed, Ctrl-Z is the shell's as for every program: the run stands, and goes on with `fg`.
#[test]
fn a_run_that_prints_lines_stands_and_goes_on() {
    if no_terminal() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    runbook(folder.path(), STEPS);
    let tmux = Tmux::start(folder.path(), 100, 30, &[]);
    start(&tmux, "run night.yaml --id night-1 --plain");
    tmux.wait_text("asks: Switch to the new side?");
    tmux.press("C-z");
    tmux.wait_for("the shell", |screen| screen.contains("Stopped") || screen.contains("SIGTSTP"));
    assert!(!folder.path().join("switched").exists());
    tmux.run("fg; echo came back with $?");
    until("the executor goes on", || approve(folder.path()).status.success());
    tmux.wait_text("came back with 0");
    assert!(folder.path().join("switched").exists());
}

#[test]
fn a_watch_that_is_ended_gives_the_terminal_back() {
    if no_terminal() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut driven = Driven::at_the_gate(folder.path());
    let tmux = Tmux::start(folder.path(), 100, 30, &[]);
    tmux.run(TAKEN_DOWN);
    start(&tmux, "watch night-1");
    tmux.wait_text("q leaves the view");
    kill(pid(folder.path()), Signal::SIGTERM).unwrap();
    tmux.wait_text("left with 0");
    is_as_before(&tmux);
    assert!(driven.is_alive(), "the run goes on");
}

#[test]
fn a_watch_ends_with_its_terminal_and_the_run_goes_on() {
    if no_terminal() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut driven = Driven::at_the_gate(folder.path());
    let tmux = Tmux::start(folder.path(), 100, 30, &[]);
    start(&tmux, "watch night-1");
    tmux.wait_text("q leaves the view");
    let watcher = pid(folder.path());
    drop(tmux);
    until("the watcher ends", || has_ended(watcher));
    assert!(driven.is_alive(), "the run goes on");
    assert!(status(folder.path()).contains("awaiting_people"));
}
