//! Replication of MariaDB under the contract.

use std::collections::BTreeMap;
use std::rc::Rc;

use pointsman::connectors::mysql::{Promote, ReplicateFrom, StopReplica, WaitReplica};
use pointsman::connectors::{Act, Call};
use serde_json::json;

use super::{Case, Named, case, named};
use crate::bench::{Bench, CANARY};
use crate::servers::mariadb::MariaDb;

pub fn cases() -> Vec<Named> {
    vec![
        named("mysql.wait_replica", of_wait),
        named("mysql.stop_replica", of_stop),
        named("mysql.promote", of_promote),
        named("mysql.replicate_from", of_replicate),
    ]
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
    let account = format!(
        "CREATE USER pointsman@'%' IDENTIFIED BY '{CANARY}'; GRANT SLAVE MONITOR, REPLICATION SLAVE ADMIN, READ ONLY ADMIN, RELOAD,
        REPLICATION SLAVE ON *.* TO pointsman@'%'"
    );
    old.run(&account).await;
    new.follow(&old).await;
    new.run(&format!(
        "STOP SLAVE; CHANGE MASTER TO MASTER_USER='pointsman', MASTER_PASSWORD='{CANARY}', MASTER_DELAY=0, MASTER_CONNECT_RETRY=3,
        MASTER_HEARTBEAT_PERIOD=7.5, IGNORE_SERVER_IDS=(77,78); START SLAVE"
    ))
    .await;
    // A replica that has everything may still be about to connect.
    new.caught_up_with(&old).await;
    new.replicates().await;
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
            "Replicate_Ignore_Server_Ids",
        ] {
            world.insert(format!("{name} {field}"), server.replica_field(field).await.unwrap_or_default());
        }
        let variables: (String, i64, String) =
            server.one("SELECT @@global.gtid_current_pos, @@read_only, @@event_scheduler").await;
        world.insert(format!("{name} variables"), format!("{variables:?}"));
        let rows: i64 = server.one("SELECT count(*) FROM shop.orders").await;
        world.insert(format!("{name} rows"), rows.to_string());
    }
    world
}

/// A case in a pair, which is its world; what somebody else does there is a statement at one of the two.
fn of_pair(
    bench: Bench,
    pair: Rc<Pair>,
    action: impl Act + 'static,
    call: Call,
    at: &'static str,
    tampering: &'static str,
) -> Case {
    let (seen, tampered) = (pair.clone(), pair);
    case(bench, action, call)
        .tampered_by(move || {
            let pair = tampered.clone();
            async move { if at == "old" { pair.old.run(tampering).await } else { pair.new.run(tampering).await } }
        })
        .seen_by(move || {
            let pair = seen.clone();
            async move { world(&pair).await }
        })
}

async fn of_wait() -> Case {
    let (pair, bench) = pair().await;
    let fence: String = pair.old.one("SELECT @@global.gtid_binlog_pos").await;
    let call = bench.call("wait", Some("new"), json!({ "fence": fence, "within": "60s" }));
    of_pair(bench, pair, WaitReplica, call, "new", "STOP SLAVE; SET GLOBAL gtid_slave_pos = '0-1-1'")
}

async fn of_stop() -> Case {
    let (pair, bench) = pair().await;
    let call = bench.call("stop", Some("new"), json!({}));
    of_pair(bench, pair, StopReplica, call, "new", "START SLAVE SQL_THREAD")
}

async fn of_promote() -> Case {
    let (pair, bench) = pair().await;
    pair.new.run("SET GLOBAL read_only = 1").await;
    let fence: String = pair.old.one("SELECT @@global.gtid_binlog_pos").await;
    let call = bench.call("promote", Some("new"), json!({ "fence": fence, "writable": true, "password": CANARY }));
    of_pair(bench, pair, Promote, call, "new", "SET GLOBAL read_only = 1")
}

async fn of_replicate() -> Case {
    let (pair, bench) = pair().await;
    let params = json!({ "source": "new", "user": "pointsman", "password": CANARY, "within": "60s" });
    let call = bench.call("back", Some("old"), params);
    of_pair(bench, pair, ReplicateFrom, call, "old", "STOP SLAVE SQL_THREAD")
}
