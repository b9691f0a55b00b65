//! The executor as a process of its own, and the commands that a person would type beside it.
//!
//! The demo has no door into the engine: it starts `pointsman run`, it kills that process, it starts `pointsman resume`, and it
//! decides with `pointsman approve`, as anybody could from another terminal.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

/// How the program is called in this demo.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
    home: PathBuf,
    folder: PathBuf,
}

/// A running executor. What it prints goes to a file: the demo shows the run from its journal.
#[derive(Debug)]
pub struct Executor {
    child: Child,
    log: PathBuf,
}

/// Why a process could not be started, watched or ended.
#[derive(Debug, thiserror::Error)]
#[error("`pointsman {command}` cannot be run")]
pub struct ProcessError {
    command: String,
    #[source]
    source: std::io::Error,
}

impl Program {
    /// The program at `path`, with its runs in `home`, working in `folder`.
    pub fn new(path: &Path, home: &Path, folder: &Path) -> Self {
        Self { path: path.to_owned(), home: home.to_owned(), folder: folder.to_owned() }
    }

    /// Where it keeps its runs.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Starts an executor.
    ///
    /// # Errors
    /// When the process cannot be started.
    pub fn start(&self, args: &[&str]) -> Result<Executor, ProcessError> {
        self.echo(args);
        let log = self.folder.join("executor.log");
        let out = File::options().create(true).append(true).open(&log).map_err(failed(args))?;
        let err = out.try_clone().map_err(failed(args))?;
        let child = self.command(args).stdout(out).stderr(err).spawn().map_err(failed(args))?;
        Ok(Executor { child, log })
    }

    /// Runs a short command to its end and shows what it says.
    ///
    /// # Errors
    /// When the process cannot be started.
    pub fn order(&self, args: &[&str]) -> Result<ExitStatus, ProcessError> {
        self.echo(args);
        let Output { status, stdout, stderr } = self.command(args).output().map_err(failed(args))?;
        show(&stderr);
        show(&stdout);
        Ok(status)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.path);
        command.args(args).current_dir(&self.folder).env("POINTSMAN_HOME", &self.home).stdin(Stdio::null());
        command
    }

    fn echo(&self, args: &[&str]) {
        let quoted = args.iter().map(|arg| if arg.contains(' ') { format!("'{arg}'") } else { (*arg).to_owned() });
        println!("$ pointsman {}", quoted.collect::<Vec<_>>().join(" "));
    }
}

impl Executor {
    /// Kills the process with `SIGKILL`: it can say nothing and finish nothing.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill(mut self) -> Result<(), ProcessError> {
        let failed = |source| ProcessError { command: "run".to_owned(), source };
        self.child.kill().map_err(failed)?;
        self.child.wait().map_err(failed)?;
        Ok(())
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>, ProcessError> {
        self.child.try_wait().map_err(|source| ProcessError { command: "run".to_owned(), source })
    }

    /// Its last words.
    pub fn last_words(&self) -> String {
        const LINES: usize = 20;
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        // A demo that gives up leaves no executor behind; a child that has ended already is no error here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn show(bytes: &[u8]) {
    for line in String::from_utf8_lossy(bytes).lines() {
        println!("    {line}");
    }
}

fn failed(args: &[&str]) -> impl FnOnce(std::io::Error) -> ProcessError {
    let command = args.join(" ");
    move |source| ProcessError { command, source }
}
