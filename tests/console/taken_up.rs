//! An executor that is killed in the middle of a step: the page says so, and takes the run up again.

use std::fs;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::browser::{Browser, ENTER, Size};
use crate::pages::{check, speak};
use crate::shop::{Console, has_no_browser};

/// A step that goes on until the test says so, and one behind it.
fn runbook(folder: &Path) -> String {
    let [go, copied] = ["go", "copied"].map(|name| folder.join(name).display().to_string());
    format!(
        "pointsman: 1
runbook: night
title: Copy the parcels
steps:
  copy:
    action: command
    with:
      argv: [sh, -c, 'while ! [ -e \"$0\" ]; do sleep 0.05; done; echo line >> \"$1\"', \"{go}\", \"{copied}\"]
      probe: [test, -s, \"{copied}\"]
    in_doubt: probe
    timeout: 10m
    undo: {{ nothing: a test }}
  look:
    needs: [copy]
    action: command.check
    with: {{ argv: [test, -s, \"{copied}\"] }}
"
    )
}

/// The process that holds the run.
fn executor(home: &Path) -> Pid {
    let run = fs::read_dir(home.join("runs")).unwrap().next().unwrap().unwrap().path();
    let lock = fs::read_to_string(run.join("lock")).unwrap();
    Pid::from_raw(lock.split_whitespace().nth(1).unwrap().parse().unwrap())
}

#[test]
fn a_killed_executor_is_said_and_the_run_taken_up_again() {
    if has_no_browser() {
        return;
    }
    let kept = tempfile::tempdir().unwrap();
    let (home, runbooks) = (kept.path().join("home"), kept.path().join("runbooks"));
    fs::create_dir(&runbooks).unwrap();
    fs::write(runbooks.join("night.yaml"), runbook(kept.path())).unwrap();
    let console = Console::start(&runbooks, &home, &[]);
    let browser = Browser::open(Size::Desk);
    browser.go(&console.link);
    browser.click("#start");
    browser.until_says("dialog h2", "Start a run");
    browser.click("dialog button[type=submit]");
    browser.until_says("[data-step=copy]", "running");

    let first = executor(&home);
    kill(first, Signal::SIGKILL).unwrap();
    browser.until_says(".left-alone", "Nobody executes this run now");
    browser.until(
        "the age of the last line grows",
        "return /[1-9][0-9]*s/.test(document.querySelector('.left-alone .age').innerText)",
    );
    browser.until_there("[data-run-order=resume]");
    check(&browser, "left-alone");
    speak(&browser, "zh");
    browser.until_there("[data-run-order=resume]");
    check(&browser, "left-alone-zh");
    speak(&browser, "en");

    browser.until_there("[data-run-order=resume]");
    browser.press("o");
    browser.until("the button has the focus", "return document.activeElement.dataset.runOrder === 'resume'");
    browser.press(ENTER);
    browser.until("nothing more is said of it", "return !document.querySelector('.left-alone')?.checkVisibility()");
    assert_ne!(executor(&home), first);
    browser.keep("taken-up");
    fs::write(kept.path().join("go"), "").unwrap();
    browser.until_says("#phase", "succeeded");
    // Found and ended: the step of the first executor added nothing.
    assert_eq!(fs::read_to_string(kept.path().join("copied")).unwrap(), "line\n");
    browser.keep("taken-up-end");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
