//! A night that is told again: a fixed journal, so each screen is the same every time.

use std::process::Command;

use super::tmux::Tmux;
use super::{no_terminal, program, store};
use crate::views::Tale;

/// A terminal with the stored night `night-1`, told again from record `from` and standing there.
fn standing_at(folder: &std::path::Path, columns: u16, rows: u16, from: u64, set: &[(&str, &str)]) -> Tmux {
    store(&Tale::up_to_the_gate(), folder);
    let tmux = Tmux::start(folder, columns, rows, set);
    tmux.run(&format!("{} replay night-1 --speed 0.1 --from {from}; echo left with $?", program()));
    tmux.wait_text("replay 0.1x");
    // A step stands exactly at its record, so that no clock is in what is seen.
    // The foot of the screen speaks of standing too.
    let stands = |screen: &str| screen.contains("x, stands");
    tmux.press("Right");
    let behind = tmux.wait_for("the record behind it", |screen| stands(screen) || screen.contains("replay over"));
    tmux.press("Left");
    tmux.wait_for("the record itself", |screen| stands(screen) && screen != behind);
    tmux
}

fn redacted(screen: &str) -> String {
    let digest = Tale::up_to_the_gate().state.plan().digest();
    screen.replace(&digest.short(), "…").lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

#[test]
fn a_night_is_told_again_on_screens_of_every_size() {
    if no_terminal() {
        return;
    }
    for (columns, rows) in [(80, 24), (120, 40), (40, 16)] {
        let folder = tempfile::tempdir().unwrap();
        let tmux = standing_at(folder.path(), columns, rows, 9, &[("NO_COLOR", "1")]);
        let screen = tmux.wait_text("go-live");
        insta::assert_snapshot!(format!("replay_{columns}x{rows}"), redacted(&screen));
        assert_eq!(tmux.painted(), tmux.screen(), "NO_COLOR leaves words alone");
    }
}

#[test]
fn a_replay_is_steered_and_orders_nothing() {
    if no_terminal() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let tmux = standing_at(folder.path(), 80, 24, 3, &[]);
    tmux.press("Left");
    tmux.wait_for("the record before", |screen| !screen.contains("  copy[users]   running"));
    tmux.type_text("+");
    tmux.wait_text("0.2x, stands");
    tmux.type_text(":approve go-live");
    tmux.wait_text("Nothing can be ordered in a replay");
    for _ in 0..12 {
        tmux.press("Right");
    }
    tmux.wait_text("replay over");
    tmux.resize(60, 20);
    tmux.wait_for("a narrower screen", |screen| screen.lines().count() == 20 && screen.contains("go-live"));
    tmux.type_text("q");
    tmux.wait_text("left with 0");
    let left = tmux.scrollback();
    assert!(left.contains("freeze") && left.contains("approved by local user bob"), "the lines stay: {left}");
    assert!(!left.contains("replay over"), "and the screen goes: {left}");
}

#[test]
fn elsewhere_a_replay_is_its_lines() {
    let folder = tempfile::tempdir().unwrap();
    store(&Tale::up_to_the_gate(), folder.path());
    let said = Command::new(program())
        .args(["replay", "night-1", "--speed", "max"])
        .env("POINTSMAN_HOME", folder.path().join("home"))
        .output()
        .unwrap();
    insta::assert_snapshot!("replay_lines", redacted(&String::from_utf8(said.stdout).unwrap()));
    assert_eq!((said.status.code(), said.stderr), (Some(0), Vec::new()));
}
