//! HAProxy with its runtime API on a loopback port and on a socket, as master and worker, so that it can be reloaded.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Daemon, Folder, Start, free_port, give, until};

/// A running HAProxy.
pub struct HaProxy {
    pub daemon: Daemon,
    folder: Folder,
    /// Where its runtime API listens.
    pub api: u16,
    /// Where the frontend `in` listens; its default backend is the first of the configuration.
    pub port: u16,
}

impl HaProxy {
    /// Starts one. `sections` is everything behind `defaults`; `{front}` in it becomes the port of the frontend and `{folder}`
    /// the folder. A frontend `in` must be in it.
    pub async fn start(node: &str, sections: &str) -> Self {
        Self::with_files(node, sections, &[]).await
    }

    /// The same with files beside the configuration, such as maps.
    pub async fn with_files(node: &str, sections: &str, files: &[(&str, &str)]) -> Self {
        let folder = Folder::of("haproxy");
        let (api, port) = (free_port(), free_port());
        for (name, text) in files {
            std::fs::write(folder.join(name), text).unwrap();
            give(&folder.join(name), "haproxy");
        }
        let place = folder.path().display().to_string();
        let mut text = format!(
            "global\n  node {node}\n  description shop-lb\n  maxconn 500\n  hard-stop-after 2s\n  \
             stats socket {place}/admin.sock mode 600 level admin\n  \
             stats socket ipv4@127.0.0.1:{api} level admin\n  \
             stats socket {place}/looking.sock mode 600 level operator\n\
             defaults\n  mode http\n  timeout connect 2s\n  timeout client 30s\n  timeout server 30s\n  timeout queue 1s\n"
        );
        let _ = writeln!(text, "{}", sections.replace("{front}", &port.to_string()).replace("{folder}", &place));
        std::fs::write(folder.join("haproxy.cfg"), text).unwrap();
        give(&folder.join("haproxy.cfg"), "haproxy");
        let argv = ["haproxy", "-W", "-db", "-f", "haproxy.cfg"].map(str::to_owned).to_vec();
        let mut daemon = Daemon::start(Start { name: "haproxy", user: "haproxy", folder: folder.path(), argv, env: Vec::new() });
        daemon.ready(Duration::from_secs(10), || async move { ask(api, "show info").await.ok() }).await;
        Self { daemon, folder, api, port }
    }

    /// The address of the runtime API for a target.
    pub fn address(&self) -> String {
        format!("tcp://127.0.0.1:{}", self.api)
    }

    /// The same by socket.
    pub fn socket(&self) -> String {
        format!("unix://{}", self.folder.join("admin.sock").display())
    }

    /// A socket of a lower level.
    pub fn looking_socket(&self) -> String {
        format!("unix://{}", self.folder.join("looking.sock").display())
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Sends a command as somebody else would.
    pub async fn ask(&self, command: &str) -> String {
        ask(self.api, command).await.unwrap()
    }

    /// State and weight of every server of a backend, as `name=admin/weight`.
    pub async fn state(&self, backend: &str) -> Vec<String> {
        let answer = self.ask(&format!("show servers state {backend}")).await;
        let rows = answer.lines().skip(2).map(|line| line.split(' ').collect::<Vec<_>>()).filter(|row| row.len() > 8);
        rows.map(|row| format!("{}={}/{}", row[3], row[6], row[7])).collect()
    }

    /// What a frontend says of itself: `OPEN`, `PAUSED`.
    pub async fn door(&self, frontend: &str) -> String {
        let stat = self.ask(&format!("show stat {frontend} 1 -1")).await;
        stat.lines().nth(1).and_then(|row| row.split(',').nth(17)).unwrap_or_default().to_owned()
    }

    /// The process behind the runtime API.
    pub async fn pid(&self) -> String {
        let info = self.ask("show info").await;
        info.lines().find_map(|line| line.strip_prefix("Pid: ")).unwrap().to_owned()
    }

    /// Reloads, and waits until another worker answers.
    pub async fn reload(&self) {
        let old = self.pid().await;
        // A master that has just started its worker loses a signal, so it is sent until it is heeded.
        let changed = || async {
            self.daemon.signal(Signal::SIGUSR2);
            let end = Instant::now() + Duration::from_secs(1);
            while Instant::now() < end {
                let info = ask(self.api, "show info").await.unwrap_or_default();
                if info.lines().find_map(|line| line.strip_prefix("Pid: ")).is_some_and(|pid| pid != old) {
                    return Some(());
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            None
        };
        until("the reload", Duration::from_secs(10), changed).await;
    }
}

/// A connection that a stopping worker took and never answers is given up, so that the next one reaches the new worker.
async fn ask(port: u16, command: &str) -> std::io::Result<String> {
    let talk = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.write_all(format!("{command}\n").as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        if answer.is_empty() { Err(std::io::ErrorKind::UnexpectedEof.into()) } else { Ok(answer) }
    };
    tokio::time::timeout(Duration::from_secs(1), talk).await.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
}
