//! Pointsman as its user runs it: the built program, a home of its own, orders from a second process.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A home with one run in it.
pub struct Executor {
    home: PathBuf,
    env: Vec<(String, String)>,
    child: Option<Child>,
}

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub log: String,
}

const RUN: &str = "night";

impl Executor {
    pub fn new(home: PathBuf, env: impl IntoIterator<Item = (String, String)>) -> Self {
        std::fs::create_dir_all(&home).unwrap();
        Self { home, env: env.into_iter().collect(), child: None }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pointsman"));
        command
            .arg("--home")
            .arg(&self.home)
            .args(args)
            .envs(self.env.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::null());
        command
    }

    fn spawn(&mut self, args: &[&str]) {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.home.join("night.log")).unwrap();
        let child = self.command(args).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        self.child = Some(child);
    }

    /// Begins the run of a runbook.
    pub fn run(&mut self, runbook: &Path, params: &Path, extra: &[&str]) {
        let (runbook, params) = (runbook.to_str().unwrap().to_owned(), params.to_str().unwrap().to_owned());
        let mut args = vec!["run", &runbook, "--plain", "--id", RUN, "--params-file", &params];
        args.extend(extra);
        self.spawn(&args);
    }

    /// Takes it up again after a kill.
    pub fn resume(&mut self) {
        self.spawn(&["resume", RUN, "--plain"]);
    }

    /// Kills the executor as a power cut would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub fn is_over(&mut self) -> bool {
        self.child.as_mut().is_none_or(|child| child.try_wait().unwrap().is_some())
    }

    /// An order such as `approve`.
    pub fn order(&self, args: &[&str]) -> Output {
        let mut whole = vec![args[0], RUN];
        whole.extend(&args[1..]);
        self.command(&whole).output().unwrap()
    }

    pub fn status(&self) -> Option<Value> {
        let output = self.command(&["status", RUN, "--json"]).output().unwrap();
        serde_json::from_slice(&output.stdout).ok()
    }

    /// The status of a step, as `status --json` says it.
    pub fn step(&self, id: &str) -> Option<String> {
        let status = self.status()?;
        let steps = status["steps"].as_array()?;
        let step = steps.iter().find(|step| step["step"] == id || step["id"] == id)?;
        step["status"].as_str().map(str::to_owned)
    }

    /// Waits until a step has one of these statuses; false when the executor ended before.
    pub fn wait_for(&mut self, id: &str, statuses: &[&str]) -> bool {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            if self.step(id).is_some_and(|status| statuses.contains(&status.as_str())) {
                return true;
            }
            if self.is_over() {
                return false;
            }
            assert!(Instant::now() < end, "{id} did not become {statuses:?} in a minute:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for the end of the executor.
    pub fn end(&mut self, within: Duration) -> Ended {
        let end = Instant::now() + within;
        let mut child = self.child.take().expect("an executor is at work");
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return Ended { code: status.code().unwrap_or(-1), log: self.log() };
            }
            if Instant::now() > end {
                let _ = child.kill();
                panic!("the run did not end in {within:?}:\n{}", self.log());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.home.join("night.log")).unwrap_or_default()
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        self.kill();
    }
}
