//! The views on a real terminal, as far as tmux is one: screens, keys, sizes, signals, and what stays when they end.

mod broken;
#[path = "../../servers/missing.rs"]
mod missing;
mod night;
mod replay;
mod tmux;

use std::path::Path;

use pointsman::engine::Home;
use pointsman::journal::head::Clocks;
use pointsman::journal::{Files, Nonce, RunFolder, Writer};

use crate::views::Tale;

/// Whether there is no terminal to test on here.
fn no_terminal() -> bool {
    missing::missing("tmux", "tmux")
}

/// The program under test.
fn program() -> &'static str {
    env!("CARGO_BIN_EXE_pointsman")
}

/// Stores a tale as the run `night-1` of a home in `folder`, as an executor would have.
fn store(tale: &Tale, folder: &Path) {
    let home = Home::new(folder.join("home"));
    let run = tale.state.run().unwrap();
    std::fs::create_dir_all(home.path().join("runs")).unwrap();
    let folder = RunFolder::create(home.run_dir(run), tale.state.plan().stored()).unwrap();
    let clocks = Clocks { at: tale.records[0].at, uptime_ms: 0, boot: "boot".to_owned() };
    let mut writer = Writer::create(Files::lock(&folder).unwrap(), Nonce::random().unwrap(), clocks).unwrap();
    for record in &tale.records {
        writer.append(record.at, record.uptime_ms, record.event.clone()).unwrap();
    }
    writer.settle().unwrap();
}
