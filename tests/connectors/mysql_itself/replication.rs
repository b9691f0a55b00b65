//! Replication of MySQL: waited for by sets of GTIDs, promoted and led back, and the way back kept warm; each under an account with what
//! the page lists for it.

use std::time::Duration;

use mysql_async::prelude::Queryable as _;
use pointsman::connectors::mysql::{Promote, ReplicateFrom, StopReplica, WaitReplica};
use pointsman::connectors::{Act, ActionError, Call, Inspect as _};
use pointsman::model::{Finding, Touch};
use serde_json::{Value, json};

use super::left_out;
use crate::bench::{Bench, attempt};
use crate::mysql_privileges::{PASSWORD, all_verbs, listed};
use crate::servers::mariadb::REPLICATION;
use crate::servers::mysql::MySql;
use crate::servers::until;

const PAGE: &str = include_str!("../../../docs/connectors/mysql-replication.md");

async fn pair() -> (MySql, MySql, Bench) {
    let (old, new) = tokio::join!(MySql::start(), MySql::start());
    old.allow_replicas().await;
    old.run("CREATE DATABASE shop; CREATE TABLE shop.orders (id INT PRIMARY KEY)").await;
    new.follow(&old).await;
    new.caught_up_with(&old).await;
    let mut bench = Bench::new().with_new_sessions();
    for (name, server) in [("old", &old), ("new", &new)] {
        let uuid: String = server.one("SELECT @@server_uuid").await;
        let url = format!("mysql://pointsman@127.0.0.1:{}", server.port);
        let identity = json!({ "server_id": server.server_id, "server_uuid": uuid });
        bench.target(name, "mysql", json!({ "url": url, "password": PASSWORD, "identity": identity }));
    }
    (old, new, bench)
}

/// Pointsman's account with what the page lists for MySQL and these actions.
async fn account(server: &MySql, action: &str) {
    server.run_unlogged(&listed(PAGE, &format!("MySQL: {action}"), "DROP USER IF EXISTS pointsman; CREATE USER")).await;
}

fn wait(bench: &Bench, fence: &str, extra: Value) -> Call {
    let mut params = json!({ "fence": fence, "every": "20ms", "within": "50s", "no_progress_for": "50s" });
    params.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    bench.call("wait", Some("new"), params)
}

async fn refused(call: Call, why: &str) -> ActionError {
    let error = attempt(&WaitReplica, &call).await.expect_err(why);
    assert!(error.message.contains(why), "{why}: {error}");
    assert_eq!((error.touch, error.in_doubt), (Touch::Untouched, false), "{error}");
    error
}

#[tokio::test]
async fn a_replica_is_waited_for_by_its_set_of_transactions_and_one_that_cannot_move_is_told_apart() {
    if left_out() {
        return;
    }
    let (old, new, bench) = pair().await;
    account(&new, "wait_replica").await;
    let mut locking = new.root().await;
    locking.query_drop("LOCK TABLES shop.orders WRITE").await.unwrap();
    old.run("INSERT INTO shop.orders VALUES (1)").await;
    let fence = old.logged().await;
    refused(wait(&bench, &fence, json!({ "no_progress_for": "600ms" })), "nothing moved for 600ms").await;
    let waiting = wait(&bench, &fence, json!({}));
    let found = WaitReplica.inspect(&waiting).await.unwrap();
    assert!(found.blockers.is_empty() && found.state["lacks"].as_array().is_some_and(|lacks| lacks.len() == 1), "{found:?}");
    let waiting = tokio::spawn(async move { attempt(&WaitReplica, &waiting).await });
    locking.query_drop("UNLOCK TABLES").await.unwrap();
    let (_, applied, evidence) = waiting.await.unwrap().unwrap();
    assert_eq!(applied.outputs["applied"], json!(new.logged().await));
    assert_eq!(evidence.facts["identity"]["server_id"], json!(new.server_id));
    // What a stopped thread, a refused account or a duplicate row says, in the server's own words.
    let mut kept = 1;
    for (broken, why, mended) in [
        ("STOP REPLICA IO_THREAD", "the IO thread of the replica is stopped", "START REPLICA IO_THREAD"),
        ("STOP REPLICA SQL_THREAD", "the SQL thread of the replica is stopped", "START REPLICA SQL_THREAD"),
        (
            "STOP REPLICA; CHANGE REPLICATION SOURCE TO SOURCE_PASSWORD='wrong'; START REPLICA",
            "turns the replica away",
            "STOP REPLICA; CHANGE REPLICATION SOURCE TO SOURCE_PASSWORD='repl-passw0rd'; START REPLICA",
        ),
    ] {
        new.run(broken).await;
        kept += 1;
        old.run(&format!("INSERT INTO shop.orders VALUES ({kept})")).await;
        let fence = old.logged().await;
        refused(wait(&bench, &fence, json!({})), why).await;
        new.run(mended).await;
        attempt(&WaitReplica, &wait(&bench, &fence, json!({}))).await.unwrap();
    }
    new.run_unlogged("INSERT INTO shop.orders VALUES (99)").await;
    old.run("INSERT INTO shop.orders VALUES (99)").await;
    refused(wait(&bench, &old.logged().await, json!({})), "1062").await;
    for (wrong, why) in [("", "the fence is empty"), ("0-1-5", "is no GTID set")] {
        refused(wait(&bench, wrong, json!({})), why).await;
    }
    new.run("STOP REPLICA; RESET REPLICA ALL").await;
    refused(wait(&bench, &fence, json!({})), "the server is no replica").await;
}

#[tokio::test]
async fn replication_runs_under_the_accounts_of_its_page_and_comes_back_setting_by_setting() {
    if left_out() {
        return;
    }
    let (old, new, bench) = pair().await;
    new.run("SET GLOBAL super_read_only = 1").await;
    let fence = old.logged().await;
    let status = async || {
        let mut found = Vec::new();
        for field in ["Source_Host", "Source_Port", "Source_User", "Auto_Position", "Replica_IO_Running", "Replica_SQL_Running"] {
            found.push(new.replica_field(field).await);
        }
        found.push(new.one::<Option<String>>("SELECT CONCAT(@@read_only, @@super_read_only)").await);
        found
    };
    let before = status().await;
    let (user, password) = REPLICATION;
    let promote = json!({ "fence": fence, "writable": true, "password": password, "within": "50s" });
    let cases: [(&dyn Act, &str, Value, bool); 4] = [
        (&WaitReplica, "wait_replica", json!({ "fence": fence, "within": "50s" }), false),
        (&StopReplica, "stop_replica", json!({}), true),
        (&Promote, "promote", promote.clone(), true),
        (&Promote, "promote", promote, false),
    ];
    for (action, name, params, undo) in cases {
        new.run_unlogged("SET GLOBAL super_read_only = 0; SET GLOBAL read_only = 1").await;
        account(&new, name).await;
        new.run_unlogged("SET GLOBAL super_read_only = 1").await;
        all_verbs(action, &bench.call("step", Some("new"), params), undo).await;
        if undo {
            assert_eq!(status().await, before, "{name}");
        }
    }
    assert_eq!(new.one::<(i64, i64)>("SELECT @@read_only, @@super_read_only").await, (0, 0));
    // The way back, kept warm: what the new side writes arrives at the old one.
    for server in [&old, &new] {
        account(server, "replicate_from").await;
    }
    let back = bench.call("back", Some("old"), json!({ "source": "new", "user": user, "password": password, "within": "50s" }));
    all_verbs(&ReplicateFrom, &back, true).await;
    assert_eq!(old.replica_field("Source_Host").await, None);
    let (snapshot, applied, _) = attempt(&ReplicateFrom, &back).await.unwrap();
    assert!(applied.outputs["position"].as_str().is_some_and(|position| position.contains(':')), "{}", applied.outputs);
    assert_eq!(ReplicateFrom.probe(&back, &snapshot).await.unwrap().finding, Finding::Applied);
    new.run("INSERT INTO shop.orders VALUES (7)").await;
    until("the row comes back", Duration::from_secs(60), async || {
        (old.one::<i64>("SELECT count(*) FROM shop.orders WHERE id = 7").await == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_way_back_that_would_lose_what_the_old_side_wrote_is_refused() {
    if left_out() {
        return;
    }
    let (old, new, bench) = pair().await;
    new.run("STOP REPLICA; RESET REPLICA ALL").await;
    old.run("INSERT INTO shop.orders VALUES (2)").await;
    for server in [&old, &new] {
        account(server, "replicate_from").await;
    }
    let (user, password) = REPLICATION;
    let back = bench.call("back", Some("old"), json!({ "source": "new", "user": user, "password": password, "within": "20s" }));
    let error = attempt(&ReplicateFrom, &back).await.unwrap_err();
    assert!(error.message.contains("which the source does not have") && error.touch == Touch::Untouched, "{error}");
    assert_eq!(old.replica_field("Source_Host").await, None);
}
