//! MySQL servers: what this release of Debian does not have comes from a newer one (`scripts/servers`), with a data folder, a port and
//! GTIDs as the servers of MariaDB have them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use mysql_async::prelude::Queryable as _;
use nix::unistd::geteuid;

use super::mariadb::{Brand, MariaDb, REPLICATION, made_once};
use super::newer::folder;
use super::{Folder, until};

/// A running server. It is spoken to as MariaDB is, and has its own words where the two differ.
pub struct MySql(MariaDb);

impl std::ops::Deref for MySql {
    type Target = MariaDb;

    fn deref(&self) -> &MariaDb {
        &self.0
    }
}

impl std::ops::DerefMut for MySql {
    fn deref_mut(&mut self) -> &mut MariaDb {
        &mut self.0
    }
}

const MYSQL: Brand = Brand { mysql: true, template, argv };

impl MySql {
    /// A server with an empty data folder. Its server id is its port.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The same with more options.
    pub async fn start_with(options: &[&str]) -> Self {
        Self(MariaDb::of(MYSQL, options).await)
    }

    /// A server that speaks TLS with a certificate for `localhost` and 127.0.0.1.
    pub async fn start_with_tls(options: &[&str]) -> Self {
        Self(MariaDb::of_with_tls(MYSQL, options).await)
    }

    /// A field of `SHOW REPLICA STATUS`; none where this is no replica.
    pub async fn replica_field(&self, name: &str) -> Option<String> {
        let mut root = self.root().await;
        let row: Option<mysql_async::Row> = root.query_first("SHOW REPLICA STATUS").await.unwrap();
        root.disconnect().await.unwrap();
        row.and_then(|row| row.get_opt::<Option<String>, _>(name).and_then(Result::ok).flatten())
    }

    /// Makes this server a replica of another one that allows replicas, and waits until both of its threads run.
    pub async fn follow(&self, source: &Self) {
        let (user, password) = REPLICATION;
        self.run(&format!(
            "CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT={}, SOURCE_USER='{user}', \
             SOURCE_PASSWORD='{password}', SOURCE_AUTO_POSITION=1, SOURCE_CONNECT_RETRY=1, GET_SOURCE_PUBLIC_KEY=1; START REPLICA",
            source.port
        ))
        .await;
        until("replication runs", Duration::from_secs(60), async || {
            let io = self.replica_field("Replica_IO_Running").await;
            let sql = self.replica_field("Replica_SQL_Running").await;
            (io.as_deref() == Some("Yes") && sql.as_deref() == Some("Yes")).then_some(())
        })
        .await;
    }

    /// Waits until everything that `source` has logged by now is applied here.
    pub async fn caught_up_with(&self, source: &Self) {
        let position = source.logged().await;
        let reached: i64 = self.one(&format!("SELECT WAIT_FOR_EXECUTED_GTID_SET('{position}', 60)")).await;
        assert_eq!(reached, 0, "the replica did not reach {position} in 60 seconds");
    }
}

fn program() -> (PathBuf, [String; 4]) {
    let root = folder("sid").join("usr");
    let at = |name: &str| root.join(name).display().to_string();
    let options = [
        "--no-defaults".to_owned(),
        format!("--basedir={}", root.display()),
        format!("--lc-messages-dir={}", at("share/mysql")),
        format!("--plugin-dir={}", at("lib/mysql/plugin")),
    ];
    (root.join("sbin/mysqld"), options)
}

/// What keeps a data folder small, and the server in it.
const SMALL: [&str; 3] = ["--innodb-redo-log-capacity=8M", "--innodb-buffer-pool-size=32M", "--secure-file-priv=NULL"];

fn argv(_: &Folder, _: u16) -> Vec<String> {
    let (program, options) = program();
    let own = ["--mysqlx=OFF", "--gtid-mode=ON", "--enforce-gtid-consistency=ON", "--replica-net-timeout=5"];
    let options = options.into_iter().chain(SMALL.map(str::to_owned)).chain(own.map(str::to_owned));
    std::iter::once(program.display().to_string()).chain(options).collect()
}

fn template() -> PathBuf {
    made_once("mysql-template", |folder: &Path| {
        let (program, options) = program();
        let mut command = Command::new(program);
        command.args(options).args(SMALL).args(["--initialize-insecure", "--log-error-verbosity=1"]);
        if geteuid().is_root() {
            command.arg("--user=root");
        }
        command.arg(format!("--datadir={}", folder.display()));
        command
    })
}
