//! The report of a night as its readers open it: light and dark, at a desk and on a phone, nothing keeps anybody from reading it.

use std::process::Command;

use crate::browser::{Browser, Scheme, Size};
use crate::shop::has_no_browser;

const NIGHT: &str = "
pointsman: 1
runbook: night
title: A night that turns back
steps:
  first:
    action: command
    with: { argv: [echo, hello] }
    in_doubt: rerun
    idempotent: it only prints
    undo: { action: command, with: { argv: [echo, undone] } }
  second:
    needs: [first]
    action: command
    with: { argv: [sh, -c, 'echo a-reason-that-is-long-and-has-no-place-at-which-a-line-could-be-broken-whatever-the-width >&2; exit 1'] }
    retry: { max_attempts: 2, backoff: 10ms }
    in_doubt: rerun
    idempotent: it only fails
    undo: { nothing: it only fails }
";

#[test]
fn everybody_can_read_a_report() {
    if has_no_browser() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("night.yaml"), NIGHT).unwrap();
    let pointsman = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pointsman"));
        command.args(args).current_dir(folder.path()).env("POINTSMAN_HOME", folder.path().join("home"));
        command.output().unwrap()
    };
    assert_eq!(pointsman(&["run", "night.yaml", "--id", "night-1", "--plain"]).status.code(), Some(4));
    assert_eq!(pointsman(&["report", "night-1", "-o", "report.html"]).status.code(), Some(0));
    let url = format!("file://{}", folder.path().join("report.html").display());
    for (size, at) in [(Size::Desk, "desk"), (Size::Phone, "phone")] {
        let browser = Browser::open(size);
        for (scheme, tone) in [(Scheme::Light, "light"), (Scheme::Dark, "dark")] {
            browser.prefer(scheme);
            browser.go(&url);
            let paper = browser.script("return getComputedStyle(document.body).backgroundColor");
            assert_eq!(paper == "rgb(255, 255, 255)", matches!(scheme, Scheme::Light), "{tone}: {paper}");
            assert_eq!(browser.hindrances(), Vec::<String>::new(), "{at}, {tone}");
            let wide = browser.script("return document.documentElement.scrollWidth > window.innerWidth");
            assert_eq!(wide, false, "the report is wider than its window: {at}, {tone}");
            browser.keep(&format!("report-{at}-{tone}"));
        }
        assert_eq!(browser.complaints(), Vec::<String>::new());
    }
}
