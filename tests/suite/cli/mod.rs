//! The command line as users meet it: the built program, its exit codes and what it prints.

mod audit;
mod live_run;
mod orders;
mod outcomes;
mod report;
mod runbooks;
mod secrets;
mod status;
mod texts;
mod witnesses;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// How long a test waits for a condition before it gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// A folder with runbooks and runs of its own.
pub struct Bench {
    folder: TempDir,
}

/// What a finished command printed.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// An executor in a process of its own.
pub struct Running {
    child: Child,
}

impl Bench {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a runbook of these steps and names its file.
    pub fn runbook(&self, name: &str, rest: &str) -> PathBuf {
        self.file(&format!("{name}.yaml"), &format!("pointsman: 1\nrunbook: {name}\n{rest}"))
    }

    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pointsman"));
        command.args(args).current_dir(self.path()).stdin(Stdio::null());
        command.env("POINTSMAN_HOME", self.path().join("home")).env_remove("POINTSMAN_LOG").env_remove("NO_COLOR");
        for name in ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "TRACEPARENT"] {
            command.env_remove(name);
        }
        command
    }

    pub fn say(&self, args: &[&str]) -> Said {
        Said::of(self.command(args).output().unwrap())
    }

    /// A command that has to succeed.
    pub fn json(&self, args: &[&str]) -> Value {
        let said = self.say(args);
        serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {said:?}"))
    }

    pub fn start(&self, args: &[&str]) -> Running {
        let child = self.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Running { child }
    }

    /// Waits until the newest run asks something at `step`.
    pub fn wait_for(&self, step: &str) {
        self.wait_until(&format!("{step} is awaited"), |status| {
            status["awaited"].as_array().unwrap().iter().any(|ask| ask["step"] == step)
        });
    }

    /// Waits until the status of the newest run is as `test` wants it.
    pub fn wait_until(&self, what: &str, test: impl Fn(&Value) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let said = self.say(&["status", "latest", "--json"]);
            if let Ok(status) = serde_json::from_str::<Value>(&said.out)
                && test(&status)
            {
                return;
            }
            assert!(Instant::now() < deadline, "{what} never came: {said:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Said {
    fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Running {
    pub fn id(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.id()), signal).unwrap();
    }

    pub fn end(self) -> Said {
        Said::of(self.child.wait_with_output().unwrap())
    }
}
