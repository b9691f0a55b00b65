//! Real servers for tests and benches, each started from its Debian package on a free port with a folder of its own, and ended
//! with the thread that started it. One file per server; this one is what they share.
#![allow(dead_code, reason = "each binary that includes this uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::fs::{File, OpenOptions};
use std::future::Future;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User, chown, geteuid};

pub mod certificates;
#[cfg(feature = "full")]
pub mod glewlwyd;
pub mod haproxy;
pub mod host;
#[cfg(feature = "mysql")]
pub mod mariadb;
mod missing;
#[cfg(feature = "mysql")]
pub mod mysql;
pub mod newer;
pub mod nginx;
pub mod pgbouncer;
pub mod postgres;
pub mod proxy;
pub mod rabbitmq;
pub mod redis;
pub mod sshd;
pub mod web;

pub use missing::missing;

/// A server's folder; everything it writes stays in it. Removed at the end.
pub struct Folder(tempfile::TempDir);

impl Folder {
    /// A folder that `user` owns where this process is root, and this process's own user otherwise.
    pub fn of(user: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("pointsman-server-").tempdir().unwrap();
        give(folder.path(), user);
        Self(folder)
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

/// Hands a file or folder to a user, where this process may.
pub fn give(path: &Path, user: &str) {
    if geteuid().is_root() {
        let user = User::from_name(user).unwrap().unwrap_or_else(|| panic!("the package that makes user {user} is installed"));
        chown(path, Some(user.uid), Some(user.gid)).unwrap();
    }
}

/// A running server process.
pub struct Daemon {
    name: String,
    child: Child,
    log: PathBuf,
}

/// How a server is started.
pub struct Start<'a> {
    pub name: &'a str,
    /// The user it runs as where this process is root.
    pub user: &'a str,
    pub folder: &'a Path,
    pub argv: Vec<String>,
    pub env: Vec<(String, String)>,
}

impl Daemon {
    /// Starts it; it is killed when the thread that calls this ends. What it prints is in `<name>.log` of its folder.
    pub fn start(start: Start<'_>) -> Self {
        let log = start.folder.join(format!("{}.log", start.name));
        let file = OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]);
        if geteuid().is_root() {
            command.args(["--reuid", start.user, "--regid", start.user, "--init-groups"]);
        }
        let child = command
            .arg("--")
            .args(&start.argv)
            .envs(start.env.iter().map(|(key, value)| (key, value)))
            .current_dir(start.folder)
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap_or_else(|error| panic!("{} cannot be started: {error}", start.argv[0]));
        Self { name: start.name.to_owned(), child, log }
    }

    /// Waits until `probe` answers something; fails with the end of the log when the server dies or `within` is over.
    pub async fn ready<T, F: Future<Output = Option<T>>>(&mut self, within: Duration, mut probe: impl FnMut() -> F) -> T {
        let end = Instant::now() + within;
        loop {
            if let Some(found) = probe().await {
                return found;
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("{} ended with {status}:\n{}", self.name, self.log_end());
            }
            assert!(Instant::now() < end, "{} was not ready in {within:?}:\n{}", self.name, self.log_end());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    pub fn log_end(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = text.lines().rev().take(30).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).unwrap();
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to end, and waits; after ten seconds it is killed.
    pub fn stop(&mut self, signal: Signal) {
        self.signal(signal);
        let end = Instant::now() + Duration::from_secs(10);
        while self.child.try_wait().unwrap().is_none() {
            if Instant::now() > end {
                return self.kill();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the end of the log of {}:\n{}", self.name, self.log_end());
        }
        self.kill();
    }
}

/// A certificate authority (`ca.pem`), and a certificate of it for `localhost` (`server.pem`, `server.key`) that `user` can read.
pub fn certificates(user: &str) -> Folder {
    let folder = Folder::of(user);
    certificates::certificates(folder.path(), user, "DNS:localhost");
    folder
}

/// A port that nobody uses and no other test process is handed while this one lives.
pub fn free_port() -> u16 {
    static HELD: Mutex<Vec<File>> = Mutex::new(Vec::new());
    let folder = std::env::temp_dir().join("pointsman-test-ports");
    std::fs::create_dir_all(&folder).unwrap();
    let mut held = HELD.lock().unwrap();
    let first = 20_000 + u16::try_from(std::process::id() % 500).unwrap() * 20;
    for step in 0..12_000 {
        // Below the range from which the kernel picks ports for outgoing connections.
        let port = 20_000 + (first - 20_000 + step) % 12_000;
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(folder.join(port.to_string())).unwrap();
        if file.try_lock().is_ok() && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            held.push(file);
            return port;
        }
    }
    panic!("no port is free");
}

/// Waits until `ready` answers something; fails after `within`.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, within: Duration, mut ready: impl FnMut() -> F) -> T {
    let end = Instant::now() + within;
    loop {
        if let Some(found) = ready().await {
            return found;
        }
        assert!(Instant::now() < end, "{what} did not happen in {within:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
