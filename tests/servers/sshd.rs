//! An OpenSSH server of the test's own: its port, its host key, one key that may log in as the user who runs the test.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Daemon, Folder, Start, free_port};

/// A running server.
pub struct Sshd {
    pub port: u16,
    pub folder: Folder,
    daemon: Daemon,
}

/// Makes a key pair without a passphrase, or with one.
pub fn make_key(path: &std::path::Path, kind: &str, passphrase: &str) {
    let status = Command::new("ssh-keygen").args(["-q", "-t", kind, "-N", passphrase, "-C", "test", "-f"]).arg(path).status();
    assert!(status.unwrap().success());
}

impl Sshd {
    pub async fn start() -> Self {
        let folder = Folder::of(&user());
        for name in ["host", "other", "login"] {
            make_key(&folder.join(name), "ed25519", "");
        }
        make_key(&folder.join("locked"), "ed25519", "open sesame");
        make_key(&folder.join("host_rsa"), "rsa", "");
        let public = |name: &str| std::fs::read_to_string(folder.join(&format!("{name}.pub"))).unwrap();
        std::fs::write(folder.join("authorized"), public("login") + &public("locked")).unwrap();
        if nix::unistd::geteuid().is_root() {
            std::fs::create_dir_all("/run/sshd").unwrap();
        }
        let port = free_port();
        let daemon = daemon(&folder, port, "host");
        let mut server = Self { port, folder, daemon };
        server.ready().await;
        server.know("host");
        server
    }

    async fn ready(&mut self) {
        let port = self.port;
        self.daemon
            .ready(Duration::from_secs(10), || async move { tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok() })
            .await;
    }

    /// Starts the same server again with another host key.
    pub async fn restart_as(&mut self, key: &str) {
        self.daemon.kill();
        self.daemon = daemon(&self.folder, self.port, key);
        self.ready().await;
    }

    /// Writes the known hosts: this server, with this key.
    pub fn know(&self, key: &str) {
        let line = std::fs::read_to_string(self.folder.join(&format!("{key}.pub"))).unwrap();
        std::fs::write(self.folder.join("known"), format!("[127.0.0.1]:{} {line}", self.port)).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The settings of a target; `more` replaces some, and takes away what is null.
    pub fn settings(&self, more: Value) -> Value {
        let text = |name: &str| self.folder.join(name).display().to_string();
        let mut settings = json!({
            "host": "127.0.0.1", "port": self.port, "user": user(), "key": text("login"), "known_hosts": text("known"),
            "connect_within": "15s", "run_dir": text("runs"),
        });
        for (key, value) in more.as_object().unwrap() {
            settings[key] = value.clone();
        }
        settings
    }

    /// The process ids of the sessions: the server's children.
    pub fn sessions(&self) -> Vec<i32> {
        let output = Command::new("pgrep").args(["-P", &self.daemon.pid().to_string()]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).lines().filter_map(|line| line.parse().ok()).collect()
    }
}

/// The user who runs the test.
pub fn user() -> String {
    nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap().unwrap().name
}

fn daemon(folder: &Folder, port: u16, host_key: &str) -> Daemon {
    let text = |name: &str| folder.join(name).display().to_string();
    let mut argv = vec!["/usr/sbin/sshd".to_owned(), "-D".to_owned(), "-e".to_owned(), "-f".to_owned(), "/dev/null".to_owned()];
    for option in [
        format!("Port={port}"),
        "ListenAddress=127.0.0.1".to_owned(),
        format!("HostKey={}", text(host_key)),
        format!("AuthorizedKeysFile={}", text("authorized")),
        "PidFile=none".to_owned(),
        "UsePAM=no".to_owned(),
        "StrictModes=no".to_owned(),
        "PermitRootLogin=prohibit-password".to_owned(),
        "PasswordAuthentication=no".to_owned(),
        "MaxStartups=200".to_owned(),
    ] {
        argv.extend(["-o".to_owned(), option]);
    }
    Daemon::start(Start { name: "sshd", user: &user(), folder: folder.path(), argv, env: Vec::new() })
}
