//! One child process from start to proven end.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};

use super::capture::{Capture, Printed};
use super::order::Program;
use super::survivor::{self, KEY, Survivor};
use crate::connectors::patience::{Patience, Stopped};
use crate::connectors::{ActionError, Call, Noted, Recorder};

/// How a program ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::connectors) struct Ended {
    pub(in crate::connectors) end: End,
    pub(in crate::connectors) stdout: Printed,
    pub(in crate::connectors) stderr: Printed,
    /// Processes that the program left behind on purpose.
    pub(in crate::connectors) left: usize,
}

impl Ended {
    /// What it printed, with its secrets: for conditions only.
    pub(in crate::connectors) fn raw_stdout(&self) -> &str {
        &self.stdout.raw
    }
}

/// The end itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::connectors) enum End {
    /// It exited with this code.
    Code(i32),
    /// Somebody else killed it by this signal.
    Signal(i32),
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exited with {code}"),
            Self::Signal(number) => {
                let name = Signal::try_from(*number).map_or("an unknown signal", Signal::as_str);
                write!(f, "was killed by {name}")
            }
        }
    }
}

/// Why there is no end to tell of.
#[derive(Debug)]
pub(super) enum Failure {
    /// It never started.
    NotStarted(io::Error),
    /// Its time was up, and all of it is dead.
    Ended(Stopped),
    /// Its time was up, and somebody is alive still.
    Alive(Stopped, Vec<Survivor>),
    /// Its end could not be awaited.
    Lost(io::Error),
}

/// What the child is to the step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Role {
    /// It acts: it and what it starts can be found again after a crash.
    Acting,
    /// It only looks.
    Looking,
}

/// What is kept back of the engine's time for ending the program: a fifth, at most this.
const LONGEST_END: Duration = Duration::from_secs(3);
/// How long the streams may stay open after the program itself has ended.
const AFTERMATH: Duration = Duration::from_millis(200);
/// The variables of the executor that a program gets.
const INHERITED: [&str; 3] = ["PATH", "HOME", "LANG"];

/// Runs a program that only looks: exit code and output; the error says what was tried.
pub(in crate::connectors) async fn run_looking(
    call: &Call,
    argv: Vec<String>,
    patience: &Patience,
) -> Result<Ended, ActionError> {
    let program = Program::looking(call, argv)?;
    let shown = call.recorder.redact(&program.shown());
    run(call, &program, Role::Looking, patience).await.map_err(|failure| match failure {
        Failure::NotStarted(error) => ActionError::untouched(format!("`{shown}` could not be started: {error}")),
        Failure::Ended(stopped) => ActionError::untouched(format!("`{shown}` was ended: {stopped}")),
        Failure::Alive(_, alive) => ActionError::untouched(format!("`{shown}` could not be ended: {} live on", alive.len())),
        Failure::Lost(error) => ActionError::untouched(format!("the end of `{shown}` could not be awaited: {error}")),
    })
}

/// Runs a program to its end, or ends it when the time is up.
pub(super) async fn run(call: &Call, program: &Program, role: Role, patience: &Patience) -> Result<Ended, Failure> {
    let left = patience.left();
    let reserve = (left / 5).min(LONGEST_END);
    let patience = patience.at_most(left.saturating_sub(reserve));
    let begun = Instant::now();
    let result = supervise(call, program, role, &patience, reserve).await;
    let end = match &result {
        Ok(ended) => ended.end.to_string(),
        Err(Failure::NotStarted(error)) => format!("not started: {error}"),
        Err(Failure::Ended(stopped)) => format!("ended, {stopped}"),
        Err(Failure::Alive(stopped, alive)) => format!("not ended, {stopped}, {} live on", alive.len()),
        Err(Failure::Lost(error)) => error.to_string(),
    };
    let noted: Noted = if role == Role::Acting { Recorder::statement } else { Recorder::question };
    noted(&call.recorder, &program.shown(), begun.elapsed(), &end);
    result
}

fn prepare(call: &Call, program: &Program, role: Role) -> Command {
    let mut command = Command::new(&program.argv[0]);
    command.args(&program.argv[1..]).current_dir(&program.cwd).env_clear();
    for name in INHERITED {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.envs(program.env.iter().map(|(name, value)| (name, value)));
    command.env("POINTSMAN_RUN", call.run.as_str()).env("POINTSMAN_STEP", call.step.as_str());
    command.env("POINTSMAN_ATTEMPT", call.attempt.to_string());
    if role == Role::Acting {
        command.env(KEY, survivor::key(call));
    }
    command.stdin(if program.stdin.is_some() { Stdio::piped() } else { Stdio::null() });
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
    command
}

async fn supervise(call: &Call, program: &Program, role: Role, patience: &Patience, reserve: Duration) -> Result<Ended, Failure> {
    let mut child = prepare(call, program, role).spawn().map_err(Failure::NotStarted)?;
    let group = child.id().and_then(|id| i32::try_from(id).ok()).unwrap_or(0);
    let mut guard = Guard(Some(group));
    if let (Some(text), Some(mut pipe)) = (program.stdin.clone(), child.stdin.take()) {
        // On its own task: a program may print before it has read everything.
        tokio::spawn(async move {
            let _ = pipe.write_all(text.as_bytes()).await;
        });
    }
    let (mut out, mut err) = (Capture::new("stdout", call.recorder.clone()), Capture::new("stderr", call.recorder.clone()));
    let (mut from_out, mut from_err) = (child.stdout.take(), child.stderr.take());
    let waited = {
        let reading = async {
            let (out, err) = (&mut out, &mut err);
            let first = async {
                if let Some(pipe) = &mut from_out {
                    out.drain(pipe).await
                }
            };
            let second = async {
                if let Some(pipe) = &mut from_err {
                    err.drain(pipe).await
                }
            };
            tokio::join!(first, second)
        };
        tokio::pin!(reading);
        let mut read = false;
        let waited = loop {
            tokio::select! {
                status = child.wait() => break Ok(status),
                _ = &mut reading, if !read => read = true,
                stopped = patience.over() => break Err(stopped),
            }
        };
        if !read && waited.is_ok() {
            let _ = tokio::time::timeout(AFTERMATH, &mut reading).await;
        }
        waited
    };
    match waited {
        Ok(Ok(status)) => {
            guard.0 = None;
            let end = status.code().map_or_else(|| End::Signal(status.signal().unwrap_or(0)), End::Code);
            let left = survivor::of_group(group).len();
            Ok(Ended { end, stdout: out.finish(), stderr: err.finish(), left })
        }
        Ok(Err(error)) => Err(Failure::Lost(error)),
        Err(stopped) => {
            let ended = end_all(call, role, group, &mut child, reserve).await;
            out.finish();
            err.finish();
            guard.0 = None;
            ended.map_or_else(|alive| Err(Failure::Alive(stopped, alive)), |()| Err(Failure::Ended(stopped)))
        }
    }
}

/// Ends the group, and those of the attempt that left it, and returns once all are dead.
async fn end_all(call: &Call, role: Role, group: i32, child: &mut Child, reserve: Duration) -> Result<(), Vec<Survivor>> {
    let who = || {
        let mut alive = survivor::of_group(group);
        if role == Role::Acting {
            alive.extend(survivor::of_step(call));
        }
        alive
    };
    let (ended, _) = tokio::join!(survivor::end(group, reserve / 3, reserve, who), child.wait());
    ended
}

/// Kills the group when nobody waits for the program any more.
struct Guard(Option<i32>);

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(group) = self.0.filter(|group| *group > 1) {
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
    }
}
