//! Pointsman as its user runs it: the built program, a home of its own, orders from a second process.

use std::fmt::Write as _;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::unistd::User;
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
    /// Where it stood in the end, and its log.
    pub account: String,
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

    /// The same order from another login of this host, one of the group that the home was given to.
    pub fn order_of(&self, login: &User, args: &[&str]) -> Output {
        // The program may lie where only its owner gets to.
        let program = self.home.with_file_name("pointsman-of-the-group");
        if !program.exists() {
            std::fs::copy(env!("CARGO_BIN_EXE_pointsman"), &program).unwrap();
        }
        let mut whole = vec![args[0], RUN];
        whole.extend(&args[1..]);
        let mut command = Command::new(program);
        command.uid(login.uid.as_raw()).gid(login.gid.as_raw()).current_dir("/").stdin(Stdio::null());
        command.arg("--home").arg(&self.home).args(whole).output().unwrap()
    }

    /// Lets the group of `login` read the runs of this home and give orders, as `docs/cli.md` describes it.
    pub fn share(&self, login: &User) {
        chown(&self.home, None, Some(login.gid.as_raw())).unwrap();
        std::fs::set_permissions(&self.home, std::fs::Permissions::from_mode(0o2770)).unwrap();
    }

    /// The step whose failure turned the run back.
    pub fn culprit(&self) -> Option<String> {
        self.status()?["turned_back"]["step"].as_str().map(str::to_owned)
    }

    /// How a rehearsal of a runbook says that the night ends in which `step` fails and changes nothing: the outcome, and which side is whole.
    pub fn foretold(&self, runbook: &Path, params: &Path, step: &str) -> (String, String) {
        let (runbook, params) = (runbook.to_str().unwrap(), params.to_str().unwrap());
        let said = self.command(&["rehearse", runbook, "--params-file", params, "--fail", step, "--json"]).output().unwrap();
        let report: Value =
            serde_json::from_slice(&said.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&said.stderr)));
        let points = report["points"].as_array().unwrap();
        let point = points.iter().find(|point| point["trouble"]["text"] == "fails, nothing changed").unwrap();
        let word = |key: &str| point["night"]["end"][key].as_str().unwrap_or_default().to_owned();
        (word("outcome"), word("side"))
    }

    /// What the run waits for people with.
    pub fn awaited(&self) -> Vec<Value> {
        self.status().and_then(|status| status["awaited"].as_array().cloned()).unwrap_or_default()
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
            assert!(Instant::now() < end, "{id} did not become {statuses:?} in a minute:\n{}", self.account());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for the end of the executor.
    pub fn end(&mut self, within: Duration) -> Ended {
        let end = Instant::now() + within;
        let mut child = self.child.take().expect("an executor is at work");
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return Ended { code: status.code().unwrap_or(-1), account: self.account() };
            }
            if Instant::now() > end {
                let _ = child.kill();
                panic!("the run did not end in {within:?}:\n{}", self.account());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.home.join("night.log")).unwrap_or_default()
    }

    /// Where the run stands, for whoever reads a failed test: every step, what was said last, and then all of it.
    pub fn account(&self) -> String {
        let mut account = String::new();
        let status = self.status().unwrap_or_default();
        for step in status["steps"].as_array().into_iter().flatten() {
            let text = |key: &str| step[key].as_str().unwrap_or_default().to_owned();
            writeln!(account, "{:<18} {:<12} {}", text("step"), text("status"), text("error")).unwrap();
        }
        for ask in status["awaited"].as_array().into_iter().flatten() {
            writeln!(account, "waits for a person: {ask}").unwrap();
        }
        let log = self.log();
        let told: Vec<_> = log.lines().filter(|line| line.split_whitespace().nth(2) != Some("sent")).collect();
        let last = told.len().saturating_sub(40);
        writeln!(account, "\nthe last lines:\n{}\n\nthe whole log:\n{log}", told[last..].join("\n")).unwrap();
        account
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        self.kill();
    }
}
