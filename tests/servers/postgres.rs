//! PostgreSQL: initialised once per machine and user, copied for every server. Each copy gets a system identifier of its own,
//! so that two servers are never taken for one. It is version 15, or the one that `POINTSMAN_TEST_POSTGRES` names.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::geteuid;
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};

use super::certificates::certificates;
use super::{Daemon, Folder, Start, free_port, give};

/// The programs of this release of Debian.
const BIN: &str = "/usr/lib/postgresql/15/bin";

/// The version under test.
pub fn version() -> String {
    std::env::var("POINTSMAN_TEST_POSTGRES").unwrap_or_else(|_| "15".to_owned())
}

/// The programs of a version that this release does not have, from a newer one.
pub fn newer_programs(version: &str) -> PathBuf {
    super::newer::folder("trixie").join(format!("usr/lib/postgresql/{version}/bin"))
}

/// The system's user of the server where the test is root.
pub const OWNER: &str = "postgres";
/// The superuser of every server, and its password.
pub const SUPERUSER: &str = "postgres";
pub const SUPERUSER_PASSWORD: &str = "super-user-passw0rd";

/// A server.
pub struct Postgres {
    pub port: u16,
    folder: Folder,
    daemon: Option<Daemon>,
    settings: BTreeMap<String, String>,
}

/// How it may be reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encryption {
    /// In plain text only.
    Off,
    /// With TLS, and in plain text too.
    Offered,
    /// With TLS only.
    Required,
}

impl Postgres {
    /// A fresh server with logical replication, prepared transactions and SCRAM passwords.
    pub async fn start() -> Self {
        Self::start_with(&[], Encryption::Off).await
    }

    /// The same with more settings.
    pub async fn start_with(settings: &[(&str, &str)], encryption: Encryption) -> Self {
        let folder = Folder::of(OWNER);
        let data = folder.join("data");
        run(&folder, "cp", &["-a", "--reflink=auto", &shown(&template()), &shown(&data)]);
        renew_identifier(&folder, &data);
        let mut server = Self::in_folder(folder, settings);
        if encryption != Encryption::Off {
            server.prepare_tls(encryption);
        }
        server.restart().await;
        server
    }

    /// A physical standby of this server, streaming from it.
    pub async fn standby(&self, settings: &[(&str, &str)]) -> Self {
        let folder = Folder::of(OWNER);
        let source = format!("host=127.0.0.1 port={} user={SUPERUSER} password={SUPERUSER_PASSWORD}", self.port);
        let data = shown(&folder.join("data"));
        run(&folder, &program("pg_basebackup"), &["-d", &source, "-D", &data, "-R", "-c", "fast", "--no-sync"]);
        let mut server = Self::in_folder(folder, settings);
        server.restart().await;
        server
    }

    fn in_folder(folder: Folder, more: &[(&str, &str)]) -> Self {
        let port = free_port();
        let sockets = shown(folder.path());
        let port_text = port.to_string();
        let fixed = [
            ("listen_addresses", "127.0.0.1"),
            ("port", port_text.as_str()),
            ("unix_socket_directories", sockets.as_str()),
            ("wal_level", "logical"),
            ("max_prepared_transactions", "10"),
            ("max_connections", "100"),
            ("max_wal_senders", "10"),
            ("max_replication_slots", "10"),
            ("max_logical_replication_workers", "8"),
            ("max_worker_processes", "16"),
            ("max_locks_per_transaction", "512"),
            ("wal_receiver_status_interval", "1s"),
            ("wal_retrieve_retry_interval", "200ms"),
            ("password_encryption", "scram-sha-256"),
            ("shared_buffers", "16MB"),
            // A killed server loses nothing by this; only a power cut would.
            ("fsync", "off"),
        ];
        let settings = fixed.iter().chain(more).map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Self { port, folder, daemon: None, settings }
    }

    fn prepare_tls(&mut self, encryption: Encryption) {
        certificates(self.folder.path(), OWNER, "DNS:localhost");
        let (cert_text, key_text) = (shown(&self.folder.join("server.pem")), shown(&self.folder.join("server.key")));
        for (name, value) in [("ssl", "on"), ("ssl_cert_file", &cert_text), ("ssl_key_file", &key_text)] {
            self.settings.insert(name.to_owned(), value.to_owned());
        }
        if encryption == Encryption::Required {
            let lines =
                "local all all scram-sha-256\nhostssl all all all scram-sha-256\nhostssl replication all all scram-sha-256\n";
            let path = self.folder.join("data").join("pg_hba.conf");
            std::fs::write(&path, lines).unwrap();
            give(&path, OWNER);
        }
    }

    /// The authority that a client trusts where the server offers TLS; the server's only name is `localhost`.
    pub fn authority(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// The server's folder, which its user may write.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts it after a stop or a kill, on the same port.
    pub async fn restart(&mut self) {
        self.stop();
        let mut argv = vec![program("postgres"), "-D".to_owned(), shown(&self.folder.join("data"))];
        argv.extend(self.settings.iter().flat_map(|(key, value)| ["-c".to_owned(), format!("{key}={value}")]));
        let start = Start { name: "postgres", user: OWNER, folder: self.folder.path(), argv, env: Vec::new() };
        let mut daemon = Daemon::start(start);
        let socket = self.local(SUPERUSER, SUPERUSER_PASSWORD, "postgres");
        daemon
            .ready(Duration::from_secs(60), || async {
                let (client, connection) = socket.connect(NoTls).await.ok()?;
                tokio::spawn(connection);
                client.simple_query("SELECT 1").await.ok().map(|_| ())
            })
            .await;
        self.daemon = Some(daemon);
    }

    /// Ends it as an administrator in a hurry would: sessions are cut, nothing is lost.
    pub fn stop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.stop(Signal::SIGINT);
        }
    }

    /// Ends it as a crash would: every process of it at once, and the next start recovers.
    pub fn kill(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.stop(Signal::SIGQUIT);
        }
    }

    /// Stops every process of the server in its tracks, or lets it go on: connections stay open and nobody answers.
    pub fn signal_all(&self, signal: Signal) {
        let Some(daemon) = &self.daemon else { return };
        let parent = daemon.pid();
        let listed = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
        let children = listed.split_whitespace().filter_map(|pid| pid.parse().ok());
        for pid in std::iter::once(parent).chain(children) {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal);
        }
    }

    /// What the server logged last.
    pub fn log_end(&self) -> String {
        self.daemon.as_ref().map_or_else(String::new, Daemon::log_end)
    }

    /// Everything that the server logged.
    pub fn whole_log(&self) -> String {
        std::fs::read_to_string(self.folder.join("postgres.log")).unwrap_or_default()
    }

    /// A connection of any account over loopback; the error is the server's refusal.
    pub async fn connect(&self, user: &str, password: &str, database: &str) -> Result<Client, tokio_postgres::Error> {
        let mut config = Config::new();
        config.host("127.0.0.1").port(self.port).user(user).password(password).dbname(database);
        let (client, connection) = config.connect(NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// A connection as superuser, over the server's own socket, so that a proxy or a TLS rule is never in its way.
    pub async fn superuser(&self, database: &str) -> Client {
        let (client, connection) = self.local(SUPERUSER, SUPERUSER_PASSWORD, database).connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    fn local(&self, user: &str, password: &str, database: &str) -> Config {
        let mut config = Config::new();
        config.host_path(self.folder.path()).port(self.port).user(user).password(password).dbname(database);
        config
    }

    /// Runs statements as superuser in the database `postgres`, and answers every row as texts.
    pub async fn sql(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        self.sql_in("postgres", sql).await
    }

    /// The same in another database.
    pub async fn sql_in(&self, database: &str, sql: &str) -> Vec<Vec<Option<String>>> {
        let client = self.superuser(database).await;
        let messages = client.simple_query(sql).await.unwrap_or_else(|error| panic!("`{sql}` failed: {error:?}"));
        let rows = messages.into_iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect()),
            _ => None,
        });
        rows.collect()
    }

    /// The first column of the first row, as superuser in the database `postgres`.
    pub async fn value(&self, sql: &str) -> Option<String> {
        self.sql(sql).await.into_iter().next()?.into_iter().next()?
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.kill();
    }
}

fn program(name: &str) -> String {
    let version = version();
    let folder = if version == "15" { PathBuf::from(BIN) } else { newer_programs(&version) };
    shown(&folder.join(name))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// Runs a program to its end as the server's user.
fn run(folder: &Folder, name: &str, args: &[&str]) {
    run_in(folder.path(), name, args);
}

fn run_in(folder: &Path, name: &str, args: &[&str]) {
    let mut command = Command::new("setpriv");
    if geteuid().is_root() {
        command.args(["--reuid", OWNER, "--regid", OWNER, "--init-groups"]);
    }
    let output = command.arg("--").arg(name).args(args).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{name} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The data folder that every server starts from; made by the first test of this machine and user, and complete once it has its name.
fn template() -> PathBuf {
    let root = std::env::temp_dir().join(format!("pointsman-test-postgres-{}-{}", version(), geteuid()));
    std::fs::create_dir_all(&root).unwrap();
    give(&root, OWNER);
    let lock = File::options().create(true).truncate(false).write(true).open(root.join("lock")).unwrap();
    lock.lock().unwrap();
    let ready = root.join("data");
    if !ready.exists() {
        let (making, password) = (root.join("making"), root.join("password"));
        let _ = std::fs::remove_dir_all(&making);
        std::fs::write(&password, SUPERUSER_PASSWORD).unwrap();
        give(&password, OWNER);
        let (making_text, password_file) = (shown(&making), format!("--pwfile={}", shown(&password)));
        let args = ["-D", making_text.as_str(), "-U", SUPERUSER, "-A", "scram-sha-256", &password_file, "-E", "UTF8"];
        let more = ["--locale=C.UTF-8", "--wal-segsize=1", "--no-sync", "--no-instructions"];
        run_in(&root, &program("initdb"), &[&args[..], &more].concat());
        std::fs::rename(&making, &ready).unwrap();
    }
    ready
}

/// Gives a copy another system identifier: the first eight bytes of the control file, under its checksum; `pg_resetwal` then
/// begins a log with the same identifier.
fn renew_identifier(folder: &Folder, data: &Path) {
    let path = data.join("global/pg_control");
    let mut bytes = std::fs::read(&path).unwrap();
    let sum_at = (8..1024).step_by(4).find(|at| crc32c::crc32c(&bytes[..*at]).to_le_bytes() == bytes[*at..at + 4]);
    let sum_at = sum_at.expect("the control file of PostgreSQL carries its checksum");
    let mut fresh = [0; 8];
    getrandom::fill(&mut fresh).unwrap();
    fresh[7] &= 0x7f;
    bytes[..8].copy_from_slice(&fresh);
    let sum = crc32c::crc32c(&bytes[..sum_at]);
    bytes[sum_at..sum_at + 4].copy_from_slice(&sum.to_le_bytes());
    std::fs::write(&path, bytes).unwrap();
    run(folder, &program("pg_resetwal"), &["-f", "-D", &shown(data)]);
}
