//! A sandbox of a shipped night, on ports of its own, in a folder of its own, ended with this value.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The servers of one night.
pub struct Sandbox {
    script: PathBuf,
    folder: tempfile::TempDir,
    base: u16,
    /// What the script is told besides.
    told: Vec<(&'static str, PathBuf)>,
    _held: File,
}

impl Sandbox {
    /// Starts the servers of `runbooks/<night>`.
    pub fn up(night: &str) -> Self {
        Self::up_with(night, Vec::new())
    }

    /// The same, with variables by which the script chooses its programs.
    pub fn up_with(night: &str, told: Vec<(&'static str, PathBuf)>) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("runbooks").join(night).join("sandbox");
        let folder = tempfile::Builder::new().prefix("pointsman-night-").tempdir().unwrap();
        let (base, held) = free_ports();
        let sandbox = Self { script, folder, base, told, _held: held };
        sandbox.call(&["up"]);
        sandbox
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("sandbox")
    }

    /// The night's runbook.
    pub fn runbook(&self) -> PathBuf {
        self.script.with_file_name("runbook.yaml")
    }

    /// A port of the sandbox by its distance from the first.
    pub fn port(&self, offset: u16) -> u16 {
        self.base + offset
    }

    /// Runs the script; what it printed to standard output.
    pub fn call(&self, args: &[&str]) -> String {
        self.caller(args)()
    }

    /// The same for later, on any thread.
    pub fn caller(&self, args: &[&str]) -> impl Fn() -> String + Send + 'static {
        let (script, folder, base) = (self.script.clone(), self.path(), self.base.to_string());
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        let told = self.told.clone();
        move || {
            let mut command = Command::new(&script);
            command
                .args(&args)
                .env("SANDBOX_DIR", &folder)
                .env("SANDBOX_BASE_PORT", &base)
                .envs(told.iter().cloned())
                .stdin(Stdio::null());
            let output = command.output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "sandbox {} ended with {}:\n{said}", args.join(" "), output.status);
            String::from_utf8(output.stdout).unwrap()
        }
    }

    /// The secrets of the sandbox by name.
    pub fn secrets(&self) -> BTreeMap<String, String> {
        let text = std::fs::read_to_string(self.path().join("secrets.env")).unwrap();
        text.lines().filter_map(|line| line.split_once('=')).map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    pub fn secret(&self, name: &str) -> String {
        self.secrets()[name].clone()
    }

    /// The process of one of its servers.
    pub fn pid(&self, server: &str) -> i32 {
        let text = std::fs::read_to_string(self.path().join(server).join("pid")).unwrap();
        text.trim().parse().unwrap()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = Command::new(&self.script)
            .arg("wipe")
            .env("SANDBOX_DIR", self.path())
            .env("SANDBOX_BASE_PORT", self.base.to_string())
            .stderr(Stdio::null())
            .status();
    }
}

/// The first of ten ports that nobody uses, and the lock that keeps other tests off them.
fn free_ports() -> (u16, File) {
    let folder = std::env::temp_dir().join("pointsman-test-ports");
    std::fs::create_dir_all(&folder).unwrap();
    for base in (12_000..19_990).step_by(10) {
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(folder.join(base.to_string())).unwrap();
        if file.try_lock().is_ok() && (base..base + 10).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok()) {
            return (base, file);
        }
    }
    panic!("no ten ports are free");
}
