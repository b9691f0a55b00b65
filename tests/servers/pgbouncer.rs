//! pgbouncer 1.18: one or several processes in front of a server, each with a configuration file of its own.

use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};

use super::{Daemon, Folder, Start, free_port, give};

/// The system's user of the pooler where the test is root.
pub const OWNER: &str = "postgres";
/// The account of the admin console, and its password.
pub const ADMIN: &str = "pooladmin";
pub const ADMIN_PASSWORD: &str = "p00l-admin-passw0rd";

/// A pooler process.
pub struct Pgbouncer {
    pub port: u16,
    folder: Folder,
    daemon: Option<Daemon>,
}

/// How a pooler is started.
pub struct Pool<'a> {
    /// The lines of `[databases]`, such as `shop = host=127.0.0.1 port=5432`.
    pub databases: &'a [String],
    /// Accounts with their passwords, as clients and as the pooler itself use them.
    pub users: &'a [(&'a str, &'a str)],
    /// More lines of `[pgbouncer]`; `pool_mode = transaction` unless they say something else.
    pub settings: &'a [&'a str],
}

impl Pgbouncer {
    /// Starts a pooler with a configuration of its own.
    pub async fn start(pool: Pool<'_>) -> Self {
        let (folder, port) = (Folder::of(OWNER), free_port());
        let mut users = format!("\"{ADMIN}\" \"{ADMIN_PASSWORD}\"\n");
        users.extend(pool.users.iter().map(|(name, password)| format!("\"{name}\" \"{password}\"\n")));
        let users_path = folder.join("users.txt");
        let lines = [
            "[databases]".to_owned(),
            pool.databases.join("\n"),
            "[pgbouncer]".to_owned(),
            "listen_addr = 127.0.0.1".to_owned(),
            format!("listen_port = {port}"),
            "unix_socket_dir =".to_owned(),
            "auth_type = scram-sha-256".to_owned(),
            format!("auth_file = {}", users_path.display()),
            format!("admin_users = {ADMIN}"),
            "ignore_startup_parameters = extra_float_digits".to_owned(),
            "server_login_retry = 1".to_owned(),
            "pool_mode = transaction".to_owned(),
            pool.settings.join("\n"),
        ];
        for (path, text) in [(users_path, users), (folder.join("pgbouncer.ini"), lines.join("\n") + "\n")] {
            std::fs::write(&path, text).unwrap();
            give(&path, OWNER);
        }
        let mut server = Self { port, folder, daemon: None };
        server.restart().await;
        server
    }

    /// Starts it again with the configuration that its file holds now.
    pub async fn restart(&mut self) {
        self.kill();
        let argv = vec!["/usr/sbin/pgbouncer".to_owned(), self.config_path().display().to_string()];
        let start = Start { name: "pgbouncer", user: OWNER, folder: self.folder.path(), argv, env: Vec::new() };
        let mut daemon = Daemon::start(start);
        let config = self.config(ADMIN, ADMIN_PASSWORD, "pgbouncer");
        daemon
            .ready(Duration::from_secs(20), || async {
                let (client, connection) = config.connect(NoTls).await.ok()?;
                tokio::spawn(connection);
                client.simple_query("SHOW VERSION").await.ok().map(|_| ())
            })
            .await;
        self.daemon = Some(daemon);
    }

    /// Ends it as a crash would.
    pub fn kill(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.kill();
        }
    }

    /// Stops it in its tracks (`SIGSTOP`), or lets it go on.
    pub fn signal(&self, signal: Signal) {
        if let Some(daemon) = &self.daemon {
            daemon.signal(signal);
        }
    }

    /// Its configuration file.
    pub fn config_path(&self) -> PathBuf {
        self.folder.join("pgbouncer.ini")
    }

    /// What it logged last.
    pub fn log_end(&self) -> String {
        self.daemon.as_ref().map_or_else(String::new, Daemon::log_end)
    }

    /// A client's connection through the pooler.
    pub async fn connect(&self, user: &str, password: &str, database: &str) -> Result<Client, tokio_postgres::Error> {
        let (client, connection) = self.config(user, password, database).connect(NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// Sends one command to the admin console, and answers every row as texts.
    pub async fn admin(&self, command: &str) -> Result<Vec<Vec<Option<String>>>, tokio_postgres::Error> {
        let client = self.connect(ADMIN, ADMIN_PASSWORD, "pgbouncer").await?;
        let rows = client.simple_query(command).await?.into_iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect()),
            _ => None,
        });
        Ok(rows.collect())
    }

    fn config(&self, user: &str, password: &str, database: &str) -> Config {
        let mut config = Config::new();
        config.host("127.0.0.1").port(self.port).user(user).password(password).dbname(database);
        config.connect_timeout(Duration::from_secs(5));
        config
    }
}
