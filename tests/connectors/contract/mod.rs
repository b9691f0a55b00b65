//! The contract, held to every action of the registry: the same few promises, one table of cases per system.
//!
//! A system adds a file with `pub fn cases() -> Vec<Named>` and one line to [`SYSTEMS`] and to the tests below it.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;

use pointsman::connectors::guarded::Guarded;
use pointsman::connectors::{Act, Call, Registry};

use crate::bench::Bench;
use crate::servers::missing;

mod builtin;
mod canaries;
mod haproxy;
pub mod hosts;
mod http;
mod mysql;
mod mysql_replica;
mod mysql_rows;
mod mysql_sessions;
mod nginx;
mod pgbouncer;
mod postgres_replication;
mod postgres_server;
mod postgres_way_back;
mod postgres_writes;
mod promises;
mod rabbitmq;
mod redis;
mod sqlite;
mod ssh;

use promises::hold;

/// One action in a world of its own.
pub struct Case {
    pub bench: Bench,
    pub action: Box<dyn Act>,
    pub call: Call,
    /// What somebody else does to the world so that the proof must fail; none where the answer itself is the evidence.
    tampering: Option<Tampering>,
    /// Everything that an action can change there; files and SQLite databases of the bench when none.
    world: Option<World>,
}

type Later<T> = Pin<Box<dyn Future<Output = T>>>;
type Tampering = Box<dyn Fn(&Bench) -> Later<()>>;
type World = Box<dyn Fn() -> Later<BTreeMap<String, String>>>;

/// The name of an action, and how its case is made.
pub struct Named {
    name: &'static str,
    make: Box<dyn Fn() -> Later<Case>>,
}

/// A case by the name of its action. Wherever a text may stand in its parameters, a secret stands in it.
pub fn named<F: Future<Output = Case> + 'static>(name: &'static str, make: impl Fn() -> F + 'static) -> Named {
    Named { name, make: Box::new(move || Box::pin(make())) }
}

/// An action with parameters that succeed.
pub fn case(bench: Bench, action: impl Act + 'static, call: Call) -> Case {
    Case { bench, action: Box::new(Guarded(action)), call, tampering: None, world: None }
}

impl Case {
    /// With what somebody else does to the world.
    fn tampered(self, tampering: impl Fn(&Bench) + 'static) -> Self {
        let tampering: Tampering = Box::new(move |bench| {
            tampering(bench);
            Box::pin(async {})
        });
        Self { tampering: Some(tampering), ..self }
    }

    /// The same where it takes a server to do it.
    #[allow(dead_code, reason = "for systems behind a server")]
    pub fn tampered_by<F: Future<Output = ()> + 'static>(self, tampering: impl Fn() -> F + 'static) -> Self {
        Self { tampering: Some(Box::new(move |_| Box::pin(tampering()))), ..self }
    }

    /// With a world behind a server: what is there, by name.
    #[allow(dead_code, reason = "for systems behind a server")]
    pub fn seen_by<F: Future<Output = BTreeMap<String, String>> + 'static>(self, world: impl Fn() -> F + 'static) -> Self {
        Self { world: Some(Box::new(move || Box::pin(world()))), ..self }
    }

    /// Lets somebody else change the world.
    async fn tamper(&self) {
        if let Some(tampering) = &self.tampering {
            tampering(&self.bench).await;
        }
    }

    /// Everything that an action can change here: every file, and every row and trigger of every database.
    async fn world(&self) -> BTreeMap<String, String> {
        if let Some(world) = &self.world {
            return world().await;
        }
        let mut world = BTreeMap::new();
        for entry in std::fs::read_dir(self.bench.folder()).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if name.ends_with(".db") {
                let connection = rusqlite::Connection::open(&path).unwrap();
                let tables = "SELECT group_concat(type || name || coalesce(sql, '') ORDER BY name) FROM sqlite_schema";
                let rows = "SELECT (SELECT group_concat(id || sku) FROM orders), (SELECT group_concat(id || note) FROM queue)";
                let schema: String = connection.query_row(tables, [], |row| row.get(0)).unwrap();
                let rows: (Option<String>, Option<String>) =
                    connection.query_row(rows, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
                world.insert(name, format!("{schema} {rows:?}"));
            } else if !name.contains(".db-") {
                world.insert(name, String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned());
            }
        }
        world
    }
}

/// The names that each system's cases cover.
const SYSTEMS: &[fn() -> Vec<&'static str>] = &[
    || names(&builtin::cases()),
    || names(&haproxy::cases()),
    || names(&http::cases()),
    || names(&postgres_writes::cases()),
    || names(&redis::cases()),
    || names(&nginx::cases()),
    || names(&sqlite::cases()),
    || ssh::NAMES.to_vec(),
    || names(&mysql::cases()),
    || hosts::NAMES.to_vec(),
    || names(&mysql_replica::cases()),
    || names(&mysql_rows::cases()),
    || names(&mysql_sessions::cases()),
    || names(&rabbitmq::cases()),
    || names(&pgbouncer::cases()),
    || names(&postgres_replication::cases()),
    || names(&postgres_server::cases()),
    || names(&postgres_way_back::cases()),
];

fn names(cases: &[Named]) -> Vec<&'static str> {
    cases.iter().map(|case| case.name).collect()
}

#[test]
fn every_action_of_the_registry_has_a_case() {
    let mut names: Vec<_> = SYSTEMS.iter().flat_map(|system| system()).collect();
    names.sort_unstable();
    assert_eq!(names, Registry::standard().names());
}

#[tokio::test]
async fn programs_files_and_waits_keep_the_contract() {
    hold(builtin::cases()).await;
}

#[tokio::test]
async fn haproxy_keeps_the_contract() {
    if missing("haproxy", "haproxy") {
        return;
    }
    hold(haproxy::cases()).await;
}

#[tokio::test]
async fn http_keeps_the_contract() {
    hold(http::cases()).await;
}

#[tokio::test]
async fn nginx_keeps_the_contract() {
    if missing("nginx", "nginx-light") {
        return;
    }
    hold(nginx::cases()).await;
}

#[tokio::test]
async fn sqlite_keeps_the_contract() {
    hold(sqlite::cases()).await;
}

#[tokio::test]
async fn ssh_keeps_the_contract() {
    if missing("sshd", "openssh-server") {
        return;
    }
    let cases = ssh::cases().await;
    assert_eq!(names(&cases), ssh::NAMES);
    hold(cases).await;
}

#[tokio::test]
async fn freezing_mysql_keeps_the_contract() {
    if missing("mariadbd", "mariadb-server") {
        return;
    }
    hold(mysql::cases()).await;
}

#[tokio::test]
async fn replication_of_mysql_keeps_the_contract() {
    if missing("mariadbd", "mariadb-server") {
        return;
    }
    hold(mysql_replica::cases()).await;
}

#[tokio::test]
async fn rows_of_mysql_keep_the_contract() {
    if missing("mariadbd", "mariadb-server") {
        return;
    }
    hold(mysql_rows::cases()).await;
}

#[tokio::test]
async fn sessions_and_events_of_mysql_keep_the_contract() {
    if missing("mariadbd", "mariadb-server") {
        return;
    }
    hold(mysql_sessions::cases()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rabbitmq_keeps_the_contract() {
    if missing("rabbitmqctl", "rabbitmq-server") {
        return;
    }
    hold(rabbitmq::cases()).await;
}

#[tokio::test]
async fn redis_keeps_the_contract() {
    if !missing("redis-server", "redis-server") {
        hold(redis::cases()).await;
    }
}

#[tokio::test]
async fn pgbouncer_keeps_the_contract() {
    if missing("postgres", "postgresql-15") || missing("pgbouncer", "pgbouncer") {
        return;
    }
    hold(pgbouncer::cases()).await;
}

#[tokio::test]
async fn replication_of_postgres_keeps_the_contract() {
    if missing("postgres", "postgresql-15") {
        return;
    }
    hold(postgres_replication::cases()).await;
}

#[tokio::test]
async fn servers_rows_and_sessions_of_postgres_keep_the_contract() {
    if !missing("postgres", "postgresql-15") {
        hold(postgres_server::cases()).await;
    }
}

#[tokio::test]
async fn the_way_back_of_postgres_keeps_the_contract() {
    if !missing("postgres", "postgresql-15") {
        hold(postgres_way_back::cases()).await;
    }
}

#[tokio::test]
async fn writes_to_postgres_keep_the_contract() {
    if !missing("postgres", "postgresql-15") {
        hold(postgres_writes::cases()).await;
    }
}

#[tokio::test]
async fn whole_hosts_keep_the_contract() {
    if crate::servers::host::no_host() {
        return;
    }
    let cases = hosts::cases().await;
    assert_eq!(names(&cases), hosts::NAMES);
    hold(cases).await;
}
