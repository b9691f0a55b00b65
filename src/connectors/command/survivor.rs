//! Processes of earlier attempts that are still alive: an executor that was killed leaves its children running.
//!
//! A child carries its attempt in its environment, which its own children inherit; `/proc` shows it for processes of the
//! same user. A program that clears its environment and leaves its process group cannot be found this way.

use std::fs;
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::connectors::Call;
use crate::connectors::patience::{Patience, Stopped};

/// The environment variable that names the attempt.
pub(super) const KEY: &str = "POINTSMAN_ATTEMPT_KEY";

/// A live process of an attempt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Survivor {
    pub(super) pid: i32,
    group: i32,
    pub(super) attempt: u32,
}

impl std::fmt::Display for Survivor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the program of attempt {} still runs as pid {}", self.attempt, self.pid)
    }
}

/// The value of [`KEY`] for an attempt.
pub(super) fn key(call: &Call) -> String {
    format!("{}/{}/{}", call.run, call.step, call.attempt)
}

/// Every live process of any attempt of this step.
pub(super) fn of_step(call: &Call) -> Vec<Survivor> {
    let prefix = format!("{KEY}={}/{}/", call.run, call.step);
    living(|pid| {
        let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
        let mut entries = environment.split(|byte| *byte == 0);
        entries.find_map(|entry| std::str::from_utf8(entry).ok()?.strip_prefix(&prefix)?.parse().ok())
    })
}

/// Every live process of a group.
pub(super) fn of_group(group: i32) -> Vec<Survivor> {
    living(|_| Some(0)).into_iter().filter(|process| process.group == group).collect()
}

/// The live processes for which `attempt_of` knows an attempt. A process that is dead and not yet collected is not alive.
fn living(attempt_of: impl Fn(i32) -> Option<u32>) -> Vec<Survivor> {
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok()).filter(|pid| *pid != own);
    pids.filter_map(|pid| {
        let (state, group) = state_and_group(pid)?;
        if matches!(state, 'Z' | 'X' | 'x') {
            return None;
        }
        Some(Survivor { pid, group, attempt: attempt_of(pid)? })
    })
    .collect()
}

fn state_and_group(pid: i32) -> Option<(char, i32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the program stands in parentheses and may itself contain any.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.chars().next()?;
    fields.next()?;
    Some((state, fields.next()?.parse().ok()?))
}

/// Ends a process group: asks it to end, then kills it, and returns once `who` finds nobody alive. The error names who is.
pub(super) async fn end(
    group: i32,
    grace: Duration,
    limit: Duration,
    who: impl Fn() -> Vec<Survivor>,
) -> Result<(), Vec<Survivor>> {
    const LOOK: Duration = Duration::from_millis(10);
    signal_all(group, &who(), Signal::SIGTERM);
    let begun = tokio::time::Instant::now();
    loop {
        let alive = who();
        if alive.is_empty() {
            return Ok(());
        }
        if begun.elapsed() >= grace {
            // Again in every round: somebody may have forked in the moment of the kill.
            signal_all(group, &alive, Signal::SIGKILL);
        }
        if begun.elapsed() >= limit {
            return Err(alive);
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn signal_all(group: i32, alive: &[Survivor], signal: Signal) {
    // Whoever is gone already cannot be signalled. A group of 0 or 1 would be the own one, or everybody.
    if group > 1 {
        let _ = killpg(Pid::from_raw(group), signal);
    }
    for process in alive.iter().filter(|process| process.pid > 1 && process.group != group) {
        let _ = kill(Pid::from_raw(process.pid), signal);
    }
}

/// Ends every process of earlier attempts of this step.
pub(super) async fn end_of_step(call: &Call, grace: Duration, limit: Duration) -> Result<usize, Vec<Survivor>> {
    let found = of_step(call).len();
    if found > 0 {
        end(0, grace, limit, || of_step(call)).await?;
    }
    Ok(found)
}

/// Waits until nobody of this step is alive.
pub(super) async fn wait_until_none(call: &Call, patience: &Patience) -> Result<(), (Stopped, Survivor)> {
    loop {
        let Some(first) = of_step(call).into_iter().next() else { return Ok(()) };
        if let Err(stopped) = patience.sleep(Duration::from_millis(50)).await {
            return Err((stopped, first));
        }
    }
}
