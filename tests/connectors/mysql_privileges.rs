//! The accounts of the documents: each action of replication and of rows runs, and is undone, under exactly what its page lists for it.

use pointsman::connectors::mysql::{Delete, Promote, Query, ReplicateFrom, StopReplica, WaitReplica};
use pointsman::connectors::{Act, Call};
use serde_json::json;

use crate::bench::{Bench, attempt};
use crate::servers::mariadb::{MariaDb, REPLICATION};
use crate::servers::missing;

const REPLICATION_PAGE: &str = include_str!("../../docs/connectors/mysql-replication.md");
const ROWS_PAGE: &str = include_str!("../../docs/connectors/mysql-rows.md");
pub const PASSWORD: &str = "l3ast";

/// The account with what a page lists for an action, and nothing more; `making` begins its statement.
pub fn listed(page: &str, action: &str, making: &str) -> String {
    let listed = page.lines().filter_map(|line| {
        let (grant, actions) = line.strip_prefix("GRANT ")?.split_once(';')?;
        Some((grant, actions.trim().strip_prefix("-- ")?))
    });
    let (dialect, action) = action.split_once(": ").map_or((None, action), |(dialect, action)| (Some(dialect), action));
    let means = |actions: &str| {
        let (of, actions) = actions.split_once(": ").map_or((None, actions), |(of, actions)| (Some(of), actions));
        of == dialect && actions.split(", ").any(|named| named.trim() == action)
    };
    let grants: Vec<_> = listed.filter(|(_, actions)| means(actions)).collect();
    assert_eq!(grants.len(), 1, "the page lists {action} once");
    format!("{making} pointsman@'%' IDENTIFIED BY '{PASSWORD}'; GRANT {}", grants[0].0)
}

fn account(page: &str, action: &str) -> String {
    listed(page, action, "CREATE OR REPLACE USER")
}

fn bench(servers: &[(&str, &MariaDb)]) -> Bench {
    let mut bench = Bench::new().with_new_sessions();
    for (name, server) in servers {
        let url = format!("mysql://pointsman@127.0.0.1:{}", server.port);
        bench.target(name, "mysql", json!({ "url": url, "password": PASSWORD, "identity": { "server_id": server.server_id } }));
    }
    bench
}

/// Every verb, and the way back where there is one.
pub async fn all_verbs(action: &dyn Act, call: &Call, undo: bool) {
    let name = action.name();
    action.inspect(call).await.unwrap_or_else(|error| panic!("inspect {name}: {error}"));
    let (snapshot, ..) = attempt(action, call).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    action.probe(call, &snapshot).await.unwrap_or_else(|error| panic!("probe {name}: {error}"));
    if undo {
        action.undo(call, &snapshot).await.unwrap_or_else(|error| panic!("undo {name}: {error}"));
    }
}

#[tokio::test]
async fn replication_runs_under_the_accounts_of_its_page() {
    if missing("mariadbd", "mariadb-server") {
        return;
    }
    let (old, new) = tokio::join!(MariaDb::start(), MariaDb::start());
    old.allow_replicas().await;
    old.run("CREATE DATABASE shop; CREATE TABLE shop.orders (id INT PRIMARY KEY)").await;
    new.follow(&old).await;
    new.run("SET GLOBAL read_only = 1").await;
    new.caught_up_with(&old).await;
    let bench = bench(&[("old", &old), ("new", &new)]);
    let fence: String = old.one("SELECT @@global.gtid_binlog_pos").await;
    let (user, password) = REPLICATION;
    let wait = json!({ "fence": fence, "within": "60s" });
    let promote = json!({ "fence": fence, "writable": true, "password": password, "within": "60s" });
    let back = json!({ "source": "new", "user": user, "password": password, "within": "60s" });
    let cases: [(&dyn Act, &str, &MariaDb, serde_json::Value, bool); 4] = [
        (&WaitReplica, "new", &new, wait, false),
        (&StopReplica, "new", &new, json!({}), true),
        (&Promote, "new", &new, promote.clone(), true),
        // Once the other side follows nobody, this one can follow it.
        (&Promote, "new", &new, promote, false),
    ];
    for (action, name, server, params, undo) in cases {
        let listed = action.name().strip_prefix("mysql.").unwrap();
        server.run_unlogged(&account(REPLICATION_PAGE, listed)).await;
        all_verbs(action, &bench.call("step", Some(name), params), undo).await;
    }
    for server in [&old, &new] {
        server.run_unlogged(&account(REPLICATION_PAGE, "replicate_from")).await;
    }
    all_verbs(&ReplicateFrom, &bench.call("step", Some("old"), back), true).await;
}

#[tokio::test]
async fn rows_are_read_and_deleted_under_the_accounts_of_their_page() {
    if missing("mariadbd", "mariadb-server") {
        return;
    }
    let server = MariaDb::start().await;
    server
        .run("CREATE DATABASE shop; CREATE TABLE shop.queue (id INT PRIMARY KEY, note TEXT); INSERT INTO shop.queue VALUES (1, 'x')")
        .await;
    let bench = bench(&[("shop", &server)]);
    let query = json!({ "sql": "SELECT note FROM shop.queue", "rows": 1 });
    let delete = json!({ "table": "shop.queue", "where": { "id": 1 }, "rows": 1 });
    for (action, params) in [(&Query as &dyn Act, query), (&Delete, delete)] {
        server.run(&account(ROWS_PAGE, action.name().strip_prefix("mysql.").unwrap())).await;
        all_verbs(action, &bench.call("step", Some("shop"), params), false).await;
    }
    assert_eq!(server.one::<i64>("SELECT count(*) FROM shop.queue").await, 0);
}
