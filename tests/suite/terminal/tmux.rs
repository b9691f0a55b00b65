//! A terminal that a test can type into and look at: a tmux server of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// How long a test waits for something to be seen.
const PATIENCE: Duration = Duration::from_secs(60);

/// A shell on a terminal of a given size.
pub struct Tmux {
    socket: PathBuf,
}

impl Tmux {
    /// Starts a shell in `folder`, with these variables set besides the usual ones.
    pub fn start(folder: &Path, columns: u16, rows: u16, set: &[(&str, &str)]) -> Self {
        let tmux = Self { socket: folder.join("tmux") };
        let shell = "exec env PS1='$ ' ENV= sh";
        let mut command = tmux.command();
        command.args([
            "-u",
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-s",
            "t",
            "-x",
            &columns.to_string(),
            "-y",
            &rows.to_string(),
        ]);
        command
            .current_dir(folder)
            .env("POINTSMAN_HOME", folder.join("home"))
            .env("LC_ALL", "C.UTF-8")
            .env("TERM", "screen-256color");
        for name in ["NO_COLOR", "POINTSMAN_LOG", "TMUX"] {
            command.env_remove(name);
        }
        for (name, value) in set {
            command.env(name, value);
        }
        done(command.arg(shell).output());
        done(tmux.command().args(["set-option", "-g", "history-limit", "20000"]).output());
        tmux.wait_for("a prompt", |screen| screen.contains('$'));
        tmux
    }

    /// Types a line into the shell.
    pub fn run(&self, line: &str) {
        self.type_text(line);
        self.press("Enter");
    }

    /// Types text as it is.
    pub fn type_text(&self, text: &str) {
        done(self.command().args(["send-keys", "-t", "t", "-l", "--", text]).output());
    }

    /// Presses a key, by the name that tmux has for it.
    pub fn press(&self, key: &str) {
        done(self.command().args(["send-keys", "-t", "t", key]).output());
    }

    /// Makes the terminal another size.
    pub fn resize(&self, columns: u16, rows: u16) {
        done(self.command().args(["resize-window", "-t", "t", "-x", &columns.to_string(), "-y", &rows.to_string()]).output());
    }

    /// What stands on the screen.
    pub fn screen(&self) -> String {
        self.capture(&[])
    }

    /// What stands on the screen and in the scrollback above it.
    pub fn scrollback(&self) -> String {
        self.capture(&["-S", "-", "-J"])
    }

    /// What stands on the screen, with what colours it.
    pub fn painted(&self) -> String {
        self.capture(&["-e"])
    }

    /// What tmux knows of the terminal, by its own names.
    pub fn says(&self, format: &str) -> String {
        let said = done(self.command().args(["display-message", "-p", "-t", "t", format]).output());
        String::from_utf8(said.stdout).unwrap().trim().to_owned()
    }

    fn capture(&self, more: &[&str]) -> String {
        String::from_utf8(done(self.command().args(["capture-pane", "-p", "-t", "t"]).args(more).output()).stdout).unwrap()
    }

    /// Waits until the screen is as `test` wants it, and gives it.
    pub fn wait_for(&self, what: &str, test: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let screen = self.screen();
            if test(&screen) {
                return screen;
            }
            assert!(Instant::now() < end, "{what} was never seen:\n{screen}");
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    /// Waits until the screen is this one.
    pub fn wait_text(&self, text: &str) -> String {
        self.wait_for(text, |screen| screen.contains(text))
    }

    fn command(&self) -> Command {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(&self.socket);
        command
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let _ = self.command().arg("kill-server").output();
    }
}

fn done(output: std::io::Result<Output>) -> Output {
    let output = output.unwrap();
    assert!(output.status.success(), "{output:?}");
    output
}
