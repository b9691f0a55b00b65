//! The live view on a real terminal, as far as a pseudo-terminal is one.

use std::process::{Command, Stdio};

use super::Bench;

const STEPS: &str = "
steps:
  one:
    action: command
    with: { argv: [sleep, '0.6'] }
    in_doubt: rerun
    idempotent: it only sleeps
    undo: { nothing: it only sleeps }
";

#[test]
fn a_terminal_gets_a_frame_and_keeps_the_lines() {
    let bench = Bench::new();
    bench.runbook("live", STEPS);
    let command =
        format!("stty rows 40 cols 120; exec {} run live.yaml --view inline --id live-1", env!("CARGO_BIN_EXE_pointsman"));
    let mut child = Command::new("script")
        .args(["-q", "-e", "-c", &command, "/dev/null"])
        .current_dir(bench.path())
        .env("POINTSMAN_HOME", bench.path().join("home"))
        .env("TERM", "xterm")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // A terminal answers the question where its cursor is; this one says: at the top left.
    use std::io::Write as _;
    let mut keys = child.stdin.take().unwrap();
    keys.write_all(b"\x1b[1;1R").unwrap();
    keys.flush().unwrap();
    let output = child.wait_with_output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{shown}");
    assert!(shown.contains("Ctrl-C suspends"), "no frame was drawn: {shown}");
    assert!(shown.contains("succeeded after"), "no summary: {shown}");
}
