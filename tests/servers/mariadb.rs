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
    brand: Brand,
}

/// What differs between the servers that speak this protocol, before a word is said.
#[derive(Clone, Copy)]
pub(super) struct Brand {
    /// Whether it is MySQL.
    pub(super) mysql: bool,
    /// The data folder that every server starts from.
    pub(super) template: fn() -> PathBuf,
    /// The program and its options for a folder and a port.
    pub(super) argv: fn(&Folder, u16) -> Vec<String>,
}

const MARIADB: Brand = Brand { mysql: false, template, argv };

impl MariaDb {
    /// A server with an empty data folder. Its server id is its port.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The same with more options, such as `--read-only=1`.
    pub async fn start_with(options: &[&str]) -> Self {
        Self::of(MARIADB, options).await
    }

    /// A server of this brand.
    pub(super) async fn of(brand: Brand, options: &[&str]) -> Self {
        Self::in_folder(brand, Folder::of("mysql"), options.iter().map(|option| (*option).to_owned()).collect()).await
    }

    /// A server that speaks TLS with a certificate for `localhost` and 127.0.0.1; its authority is in [`MariaDb::authority`].
    pub async fn start_with_tls(options: &[&str]) -> Self {
        Self::of_with_tls(MARIADB, options).await
    }

    /// The same of this brand.
    pub(super) async fn of_with_tls(brand: Brand, options: &[&str]) -> Self {
        let folder = Folder::of("mysql");
        certificates(folder.path(), "mysql", "DNS:localhost,IP:127.0.0.1");
        let mut all: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
        for (option, file) in [("ssl-ca", "ca.pem"), ("ssl-cert", "server.pem"), ("ssl-key", "server.key")] {
            all.push(format!("--{option}={}", folder.join(file).display()));
        }
        Self::in_folder(brand, folder, all).await
    }

    async fn in_folder(brand: Brand, folder: Folder, options: Vec<String>) -> Self {
        copy(&(brand.template)(), &folder.join("data"));
        // Where MySQL keeps who it is; without it a copy becomes somebody else.
        let _ = std::fs::remove_file(folder.join("data/auto.cnf"));
        let port = free_port();
        let daemon = daemon(brand, &folder, port, &options);
        let mut server = Self { port, server_id: u32::from(port), daemon, folder, options, brand };
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

    /// Whether this is a MySQL.
    pub const fn is_mysql(&self) -> bool {
        self.brand.mysql
    }

    /// Everything that it has in its log.
    pub async fn logged(&self) -> String {
        let variable = if self.is_mysql() { "gtid_executed" } else { "gtid_binlog_pos" };
        self.one::<String>(&format!("SELECT @@global.{variable}")).await.replace('\n', "")
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
        self.daemon = daemon(self.brand, &self.folder, self.port, &self.options);
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

fn daemon(brand: Brand, folder: &Folder, port: u16, options: &[String]) -> Daemon {
    let at = |name: &str| folder.join(name).display().to_string();
    let mut argv = (brand.argv)(folder, port);
    argv.extend(["--bind-address=127.0.0.1", "--log-bin=bin", "--relay-log=relay", "--skip-name-resolve"].map(str::to_owned));
    argv.extend([format!("--port={port}"), format!("--server-id={port}"), format!("--datadir={}", at("data"))]);
    // A server that starts removes every temporary table from its folder for them, those of other servers too.
    argv.push(format!("--tmpdir={}", folder.path().display()));
    argv.extend([format!("--socket={}", at("mysql.sock")), format!("--pid-file={}", at("mysql.pid"))]);
    // A test kills servers and never the machine: what the kernel has is safe enough.
    argv.extend(["--sync-binlog=0", "--innodb-flush-method=nosync", "--innodb-flush-log-at-trx-commit=2"].map(str::to_owned));
    argv.extend(options.iter().cloned());
    Daemon::start(Start { name: "mysql", user: "mysql", folder: folder.path(), argv, env: Vec::new() })
}

fn argv(_: &Folder, _: u16) -> Vec<String> {
    let options = [
        "mariadbd",
        "--no-defaults",
        "--binlog-format=ROW",
        "--gtid-strict-mode=1",
        "--log-slave-updates=1",
        "--slave-net-timeout=5",
        "--sync-frm=0",
    ];
    options.into_iter().chain(SMALL).map(str::to_owned).collect()
}

/// What keeps a data folder small.
const SMALL: [&str; 2] = ["--innodb-log-file-size=8M", "--innodb-buffer-pool-size=32M"];

fn template() -> PathBuf {
    made_once("mariadb-template", |folder| {
        let mut command = Command::new("mariadb-install-db");
        command.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"]).args(SMALL);
        if geteuid().is_root() {
            command.arg("--user=root");
        }
        command.arg(format!("--datadir={}", folder.display()));
        command
    })
}

/// A data folder that a program makes, once per build folder, by whoever comes first.
pub(super) fn made_once(name: &str, program: impl FnOnce(&Path) -> Command) -> PathBuf {
    let home = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    std::fs::create_dir_all(&home).unwrap();
    let lock = std::fs::File::create(home.join(format!("{name}.lock"))).unwrap();
    lock.lock().unwrap();
    let (done, making) = (home.join(name), home.join(format!("{name}.making")));
    if done.exists() {
        return done;
    }
    let _ = std::fs::remove_dir_all(&making);
    let made = program(&making).output().unwrap();
    assert!(made.status.success(), "{name}: {}", String::from_utf8_lossy(&made.stderr));
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
