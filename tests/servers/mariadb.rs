//! MariaDB servers: each with a data folder copied from a template that is made once, a free port, and GTIDs on.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use mysql_async::prelude::{FromRow, Queryable as _};
use mysql_async::{Conn, OptsBuilder};
use nix::sys::signal::Signal;
use nix::unistd::geteuid;

use super::certificates::certificates;
use super::{Daemon, Folder, Start, free_port, until};

/// The account by which replicas read; it is replicated itself, so that both ways can be set up.
pub const REPLICATION: (&str, &str) = ("repl", "repl-passw0rd");

/// A running server.
pub struct MariaDb {
    pub port: u16,
    pub server_id: u32,
    daemon: Daemon,
    folder: Folder,
    options: Vec<String>,
}

impl MariaDb {
    /// A server with an empty data folder. Its server id is its port.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The same with more options, such as `--read-only=1`.
    pub async fn start_with(options: &[&str]) -> Self {
        Self::in_folder(Folder::of("mysql"), options.iter().map(|option| (*option).to_owned()).collect()).await
    }

    /// A server that speaks TLS with a certificate for `localhost` and 127.0.0.1; its authority is in [`MariaDb::authority`].
    pub async fn start_with_tls(options: &[&str]) -> Self {
        let folder = Folder::of("mysql");
        certificates(folder.path(), "mysql", "DNS:localhost,IP:127.0.0.1");
        let mut all: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
        for (option, file) in [("ssl-ca", "ca.pem"), ("ssl-cert", "server.pem"), ("ssl-key", "server.key")] {
            all.push(format!("--{option}={}", folder.join(file).display()));
        }
        Self::in_folder(folder, all).await
    }

    async fn in_folder(folder: Folder, options: Vec<String>) -> Self {
        copy(&template(), &folder.join("data"));
        let port = free_port();
        let daemon = daemon(&folder, port, &options);
        let mut server = Self { port, server_id: u32::from(port), daemon, folder, options };
        server.ready().await;
        server
    }

    /// A PEM file with the authority that signed the certificate of [`MariaDb::start_with_tls`].
    pub fn authority(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// The server's own socket, by which root needs no password.
    pub fn socket(&self) -> PathBuf {
        self.folder.join("mysql.sock")
    }

    /// Where its databases are, each a folder.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// A session as root over the socket.
    pub async fn root(&self) -> Conn {
        connect(&self.socket()).await.unwrap()
    }

    /// A session of an account over TCP.
    pub async fn session(&self, user: &str, password: &str) -> Result<Conn, mysql_async::Error> {
        let options = OptsBuilder::default()
            .ip_or_hostname("127.0.0.1")
            .tcp_port(self.port)
            .user(Some(user))
            .pass(Some(password))
            .prefer_socket(false);
        Conn::new(options).await
    }

    /// Runs statements as root, separated by `;`.
    pub async fn run(&self, sql: &str) {
        let mut root = self.root().await;
        root.query_drop(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        root.disconnect().await.unwrap();
    }

    /// Runs statements as root that no replica hears of, such as what differs between two servers by intent.
    pub async fn run_unlogged(&self, sql: &str) {
        self.run(&format!("SET SESSION sql_log_bin = 0; {sql}")).await;
    }

    /// What root reads.
    pub async fn rows<T: FromRow + Send + 'static>(&self, sql: &str) -> Vec<T> {
        let mut root = self.root().await;
        let rows = root.query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        root.disconnect().await.unwrap();
        rows
    }

    /// The first row that root reads.
    pub async fn one<T: FromRow + Send + 'static>(&self, sql: &str) -> T {
        self.rows(sql).await.into_iter().next().unwrap_or_else(|| panic!("{sql}: no row"))
    }

    /// A field of `SHOW SLAVE STATUS`; none where this is no replica.
    pub async fn replica_field(&self, name: &str) -> Option<String> {
        let mut root = self.root().await;
        let row: Option<mysql_async::Row> = root.query_first("SHOW SLAVE STATUS").await.unwrap();
        root.disconnect().await.unwrap();
        row.and_then(|row| row.get_opt::<Option<String>, _>(name).and_then(Result::ok).flatten())
    }

    /// Makes the account of replicas; its creation is replicated.
    pub async fn allow_replicas(&self) {
        let (user, password) = REPLICATION;
        self.run(&format!("CREATE USER {user}@'%' IDENTIFIED BY '{password}'; GRANT REPLICATION SLAVE ON *.* TO {user}@'%'"))
            .await;
    }

    /// Makes this server a replica of another one that allows replicas, from the beginning of its log, and waits until both of its
    /// threads run.
    pub async fn follow(&self, source: &Self) {
        self.follow_at(source.port).await;
    }

    /// The same through another port, such as one of a proxy.
    pub async fn follow_at(&self, port: u16) {
        let (user, password) = REPLICATION;
        self.run(&format!(
            "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={port}, MASTER_USER='{user}', MASTER_PASSWORD='{password}', \
             MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=1; START SLAVE"
        ))
        .await;
        self.replicates().await;
    }

    /// Waits until both threads of a replica run.
    pub async fn replicates(&self) {
        until("replication runs", Duration::from_secs(60), async || {
            let io = self.replica_field("Slave_IO_Running").await;
            let sql = self.replica_field("Slave_SQL_Running").await;
            (io.as_deref() == Some("Yes") && sql.as_deref() == Some("Yes")).then_some(())
        })
        .await;
    }

    /// Waits until everything that `source` has logged by now is applied here.
    pub async fn caught_up_with(&self, source: &Self) {
        let position: String = source.one("SELECT @@global.gtid_binlog_pos").await;
        let reached: i64 = self.one(&format!("SELECT MASTER_GTID_WAIT('{position}', 60)")).await;
        assert_eq!(reached, 0, "the replica did not reach {position} in 60 seconds");
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        self.daemon.kill();
    }

    /// Ends it in an orderly way.
    pub fn stop(&mut self) {
        self.daemon.stop(Signal::SIGTERM);
    }

    /// Starts it again after [`MariaDb::kill`] or [`MariaDb::stop`], on the same port with the same data.
    pub async fn start_again(&mut self) {
        self.daemon = daemon(&self.folder, self.port, &self.options);
        self.ready().await;
    }

    pub const fn daemon(&self) -> &Daemon {
        &self.daemon
    }

    async fn ready(&mut self) {
        let socket = self.folder.join("mysql.sock");
        self.daemon.ready(Duration::from_secs(60), async || connect(&socket).await.ok()).await.disconnect().await.unwrap();
    }
}

async fn connect(socket: &Path) -> Result<Conn, mysql_async::Error> {
    Conn::new(OptsBuilder::default().socket(Some(socket.display().to_string())).user(Some("root"))).await
}

fn daemon(folder: &Folder, port: u16, options: &[String]) -> Daemon {
    let at = |name: &str| folder.join(name).display().to_string();
    let mut argv: Vec<String> = ["mariadbd", "--no-defaults", "--bind-address=127.0.0.1"].map(str::to_owned).into();
    argv.extend([format!("--port={port}"), format!("--server-id={port}"), format!("--datadir={}", at("data"))]);
    // A server that starts removes every temporary table from its folder for them, those of other servers too.
    argv.push(format!("--tmpdir={}", folder.path().display()));
    argv.extend([format!("--socket={}", at("mysql.sock")), format!("--pid-file={}", at("mysql.pid"))]);
    argv.extend(
        [
            "--log-bin=bin",
            "--relay-log=relay",
            "--binlog-format=ROW",
            "--gtid-strict-mode=1",
            "--log-slave-updates=1",
            "--skip-name-resolve",
            "--slave-net-timeout=5",
            // A test kills servers and never the machine: what the kernel has is safe enough.
            "--sync-binlog=0",
            "--sync-frm=0",
            "--innodb-flush-method=nosync",
            "--innodb-flush-log-at-trx-commit=2",
        ]
        .map(str::to_owned),
    );
    argv.extend(SMALL.map(str::to_owned));
    argv.extend(options.iter().cloned());
    Daemon::start(Start { name: "mariadb", user: "mysql", folder: folder.path(), argv, env: Vec::new() })
}

/// What keeps a data folder small.
const SMALL: [&str; 2] = ["--innodb-log-file-size=8M", "--innodb-buffer-pool-size=32M"];

/// The data folder that every server starts from: made once per build folder, by whoever comes first.
fn template() -> PathBuf {
    let home = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    std::fs::create_dir_all(&home).unwrap();
    let lock = std::fs::File::create(home.join("mariadb-template.lock")).unwrap();
    lock.lock().unwrap();
    let (done, making) = (home.join("mariadb-template"), home.join("mariadb-template.making"));
    if done.exists() {
        return done;
    }
    let _ = std::fs::remove_dir_all(&making);
    let mut command = Command::new("mariadb-install-db");
    command.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"]).args(SMALL);
    if geteuid().is_root() {
        command.arg("--user=root");
    }
    let made = command.arg(format!("--datadir={}", making.display())).output().unwrap();
    assert!(made.status.success(), "mariadb-install-db: {}", String::from_utf8_lossy(&made.stderr));
    std::fs::rename(&making, &done).unwrap();
    done
}

fn copy(template: &Path, to: &Path) {
    let copied = Command::new("cp").args(["-a", "--reflink=auto"]).args([template, to]).status().unwrap();
    assert!(copied.success());
    if geteuid().is_root() {
        assert!(Command::new("chown").args(["-R", "mysql:mysql"]).arg(to).status().unwrap().success());
    }
}
