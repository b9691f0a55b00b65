//! The view steps aside for a command line of this program, which has the terminal to itself meanwhile: its questions, its
//! signatures, its checks.

use std::io::{self, Write as _, stderr, stdin};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use nix::sys::signal::{SigSet, Signal, killpg};
use nix::unistd::{Pid, getpgrp, tcsetpgrp};

use crate::cli::desk::Desk;
use crate::model::RunId;

/// Runs `words` about a run, and waits until its user has read what it said.
///
/// # Errors
/// When the program cannot be started.
pub fn run(desk: &Desk, run: &RunId, words: &[String]) -> io::Result<()> {
    let Some((verb, rest)) = words.split_first() else { return Ok(()) };
    let mut command = Command::new(std::env::current_exe()?);
    if let Some(home) = desk.chosen_home() {
        command.arg("--home").arg(home);
    }
    command.arg(verb).arg(run.as_str()).args(rest);
    // In a group of its own, so that its Ctrl-C is its own and does not suspend the run.
    let mut child = command.process_group(0).spawn()?;
    let group = Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX));
    let ours = getpgrp();
    let background = SigSet::from(Signal::SIGTTOU);
    background.thread_block()?;
    // A child that is over already has no group any more.
    let _ = tcsetpgrp(stdin(), group);
    // Whoever asked the terminal for something before it was given to them was stopped.
    let _ = killpg(group, Signal::SIGCONT);
    let ended = child.wait();
    tcsetpgrp(stdin(), ours)?;
    background.thread_unblock()?;
    ended?;
    write!(stderr(), "\nEnter goes back to the view. ")?;
    let mut line = String::new();
    stdin().read_line(&mut line)?;
    Ok(())
}
