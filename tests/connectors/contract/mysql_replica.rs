//! Replication of MariaDB under the contract.

use std::collections::BTreeMap;
use std::rc::Rc;

use pointsman::connectors::mysql::WaitReplica;
use serde_json::json;

use super::{Case, Named, case, named};
use crate::bench::{Bench, CANARY};
use crate::servers::mariadb::MariaDb;

pub fn cases() -> Vec<Named> {
    vec![named("mysql.wait_replica", of_wait)]
}

/// A source and its replica; the account that acts has the secret as its password.
struct Pair {
    old: MariaDb,
    new: MariaDb,
}

async fn pair() -> (Rc<Pair>, Bench) {
    let (old, new) = tokio::join!(MariaDb::start(), MariaDb::start());
    old.allow_replicas().await;
    old.run("CREATE DATABASE shop; CREATE TABLE shop.orders (id INT PRIMARY KEY)").await;
    let account = format!("CREATE USER pointsman@'%' IDENTIFIED BY '{CANARY}'; GRANT ALL ON *.* TO pointsman@'%'");
    old.run(&account).await;
    new.follow(&old).await;
    new.caught_up_with(&old).await;
    let mut bench = Bench::new();
    for (name, server) in [("old", &old), ("new", &new)] {
        bench.target(name, "mysql", json!({ "url": format!("mysql://pointsman@127.0.0.1:{}", server.port), "password": CANARY }));
    }
    (Rc::new(Pair { old, new }), bench)
}

/// What an action of replication can change: the settings and threads of both, and what they let be written.
async fn world(pair: &Pair) -> BTreeMap<String, String> {
    let mut world = BTreeMap::new();
    for (name, server) in [("old", &pair.old), ("new", &pair.new)] {
        for field in [
            "Master_Host",
            "Master_Port",
            "Master_User",
            "Slave_IO_Running",
            "Slave_SQL_Running",
            "Using_Gtid",
            "Connect_Retry",
            "SQL_Delay",
            "Master_SSL_Allowed",
        ] {
            world.insert(format!("{name} {field}"), server.replica_field(field).await.unwrap_or_default());
        }
        let variables: (String, i64, String) = server.one("SELECT @@global.gtid_slave_pos, @@read_only, @@event_scheduler").await;
        world.insert(format!("{name} variables"), format!("{variables:?}"));
        let rows: i64 = server.one("SELECT count(*) FROM shop.orders").await;
        world.insert(format!("{name} rows"), rows.to_string());
    }
    world
}

async fn of_wait() -> Case {
    let (pair, bench) = pair().await;
    let fence: String = pair.old.one("SELECT @@global.gtid_binlog_pos").await;
    let call = bench.call("wait", Some("new"), json!({ "fence": fence, "within": "5s" }));
    let (seen, tampered) = (pair.clone(), pair);
    case(bench, WaitReplica, call)
        .tampered_by(move || {
            let pair = tampered.clone();
            async move { pair.new.run("STOP SLAVE; SET GLOBAL gtid_slave_pos = '0-1-1'").await }
        })
        .seen_by(move || {
            let pair = seen.clone();
            async move { world(&pair).await }
        })
}
