//! Waiting for a replica, against real pairs: one that is behind, stopped, broken, delayed, cut off, or gone.

use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable as _;
use pointsman::connectors::mysql::{ReplicateFrom, WaitReplica};
use pointsman::connectors::{Act as _, ActionError, Applied, Call, Inspect as _};
use pointsman::model::Touch;
use serde_json::{Value, json};

use crate::bench::{Bench, attempt};
use crate::servers::mariadb::MariaDb;
use crate::servers::proxy::{Fault, Proxy};
use crate::servers::{missing, until};

/// The account that waits, and nothing more.
const LOOKER: &str = "CREATE USER looker@'%' IDENTIFIED BY 'l00ker'; GRANT SLAVE MONITOR ON *.* TO looker@'%'";

async fn pair() -> (MariaDb, MariaDb) {
    let (old, new) = tokio::join!(MariaDb::start(), MariaDb::start());
    old.allow_replicas().await;
    old.run("CREATE DATABASE shop; CREATE TABLE shop.orders (id INT PRIMARY KEY)").await;
    new.run_unlogged(LOOKER).await;
    new.follow(&old).await;
    new.caught_up_with(&old).await;
    (old, new)
}

fn bench(port: u16) -> Bench {
    let mut bench = Bench::new();
    bench.target("new", "mysql", json!({ "url": format!("mysql://looker@127.0.0.1:{port}"), "password": "l00ker" }));
    bench
}

async fn fence(server: &MariaDb) -> String {
    server.one("SELECT @@global.gtid_binlog_pos").await
}

fn order(fence: &str, extra: Value) -> Value {
    let mut params = json!({ "fence": fence, "every": "20ms", "within": "100s", "no_progress_for": "100s" });
    params.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    params
}

/// A call that may take longer than any of its own times.
fn call(bench: &Bench, fence: &str, extra: Value) -> Call {
    let mut call = bench.call("wait", Some("new"), order(fence, extra));
    call.deadline = Instant::now() + Duration::from_secs(120);
    call
}

async fn wait(bench: &Bench, fence: &str, extra: Value) -> Result<Applied, ActionError> {
    attempt(&WaitReplica, &call(bench, fence, extra)).await.map(|(_, applied, _)| applied)
}

/// Waits until a server was asked twice more how its replication stands.
async fn asked(server: &MariaDb) {
    let asked = async || server.one::<(String, u64)>("SHOW GLOBAL STATUS LIKE 'Com_show_slave_status'").await.1;
    let before = asked().await;
    until("it is asked", Duration::from_secs(60), async || (asked().await >= before + 2).then_some(())).await;
}

async fn refused(bench: &Bench, fence: &str, extra: Value, why: &str) -> Duration {
    let begun = Instant::now();
    let error = wait(bench, fence, extra).await.expect_err(why);
    assert!(error.message.contains(why), "{why}: {error}");
    assert_eq!((error.touch, error.in_doubt), (Touch::Untouched, false), "{error}");
    begun.elapsed()
}

/// At once: long before any of the times of [`order`].
const AT_ONCE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_replica_that_is_behind_is_waited_for_and_one_that_cannot_move_is_told_apart() {
    if missing("mariadbd", "mariadb-server") {
        return;
    }
    let (old, new) = pair().await;
    let bench = bench(new.port);
    // A lock of somebody else holds the SQL thread up.
    let mut locking = new.root().await;
    locking.query_drop("LOCK TABLES shop.orders WRITE").await.unwrap();
    old.run("INSERT INTO shop.orders VALUES (1)").await;
    let position = fence(&old).await;
    let idle = refused(&bench, &position, json!({ "no_progress_for": "600ms" }), "nothing moved for 600ms").await;
    assert!(idle >= Duration::from_millis(600));
    refused(&bench, &position, json!({ "within": "400ms" }), "the time for it was up").await;
    let call = call(&bench, &position, json!({}));
    let found = WaitReplica.inspect(&call).await.unwrap();
    assert!(found.blockers.is_empty() && found.state["lacks"] == json!([position]), "{found:?}");
    let waiting = tokio::spawn(async move { attempt(&WaitReplica, &call).await });
    asked(&new).await;
    assert!(!waiting.is_finished());
    locking.query_drop("UNLOCK TABLES").await.unwrap();
    let (_, applied, evidence) = waiting.await.unwrap().unwrap();
    assert_eq!(applied.outputs["applied"], json!(position));
    assert_eq!(evidence.facts["identity"]["server_id"], json!(new.server_id));
    // A delay that somebody set is named.
    new.run("STOP SLAVE; CHANGE MASTER TO MASTER_DELAY=3600; START SLAVE").await;
    old.run("INSERT INTO shop.orders VALUES (2)").await;
    let position = fence(&old).await;
    refused(&bench, &position, json!({ "no_progress_for": "2s" }), "it is set to stay 3600 s behind").await;
    new.run("STOP SLAVE; CHANGE MASTER TO MASTER_DELAY=0; START SLAVE").await;
    wait(&bench, &position, json!({})).await.unwrap();
}

#[tokio::test]
async fn a_stopped_or_broken_replication_fails_at_once_in_the_servers_words() {
    if missing("mariadbd", "mariadb-server") {
        return;
    }
    let (old, new) = pair().await;
    let bench = bench(new.port);
    // What has arrived needs no reading thread.
    let mut locking = new.root().await;
    locking.query_drop("LOCK TABLES shop.orders WRITE").await.unwrap();
    old.run("INSERT INTO shop.orders VALUES (1)").await;
    let position = fence(&old).await;
    until("the event arrives", Duration::from_secs(60), async || {
        (new.replica_field("Gtid_IO_Pos").await == Some(position.clone())).then_some(())
    })
    .await;
    new.run("STOP SLAVE IO_THREAD").await;
    let waiting = call(&bench, &position, json!({}));
    let waiting = tokio::spawn(async move { attempt(&WaitReplica, &waiting).await });
    asked(&new).await;
    assert!(!waiting.is_finished());
    locking.query_drop("UNLOCK TABLES").await.unwrap();
    waiting.await.unwrap().unwrap();
    old.run("INSERT INTO shop.orders VALUES (2)").await;
    let position = fence(&old).await;
    assert!(refused(&bench, &position, json!({}), "the IO thread of the replica is stopped").await < AT_ONCE);
    new.run("STOP SLAVE; START SLAVE IO_THREAD").await;
    assert!(refused(&bench, &position, json!({}), "the SQL thread of the replica is stopped").await < AT_ONCE);
    // A row that somebody wrote at the replica, with higher numbers than the fence: it has not applied the source's.
    new.run("SET SESSION gtid_seq_no = 900; INSERT INTO shop.orders VALUES (3)").await;
    assert!(refused(&bench, &position, json!({}), "and lacks").await < AT_ONCE);
    // The source turns it away.
    new.run("STOP SLAVE; CHANGE MASTER TO MASTER_PASSWORD='wrong'; START SLAVE").await;
    assert!(refused(&bench, &position, json!({}), "turns the replica away").await < AT_ONCE);
    new.run("STOP SLAVE; CHANGE MASTER TO MASTER_PASSWORD='repl-passw0rd'; SET GLOBAL gtid_strict_mode = 0; START SLAVE").await;
    old.run("INSERT INTO shop.orders VALUES (3)").await;
    let position = fence(&old).await;
    assert!(refused(&bench, &position, json!({}), "Duplicate entry '3'").await < AT_ONCE);
    let call = call(&bench, &position, json!({}));
    assert_eq!(WaitReplica.inspect(&call).await.unwrap().blockers.len(), 1);
    // Questions that cannot be answered.
    for (wrong, why) in [("", "the fence is empty"), ("nonsense", "is no GTID of MariaDB")] {
        refused(&bench, wrong, json!({}), why).await;
    }
    refused(&bench, &position, json!({ "channel": "nosuch" }), "follows nobody on the channel `nosuch`").await;
    new.run("STOP SLAVE; RESET SLAVE ALL").await;
    refused(&bench, &position, json!({}), "the server is no replica").await;
}

#[tokio::test]
async fn a_server_that_dies_or_a_network_that_is_cut_ends_the_wait() {
    if missing("mariadbd", "mariadb-server") {
        return;
    }
    let (old, mut new) = pair().await;
    let proxy = Proxy::before(new.port).await;
    let bench = bench(proxy.port);
    let never = format!("0-{}-100000", old.server_id);
    let mut fired = 0;
    for fault in [Fault::Cut, Fault::Blackhole] {
        proxy.set(Fault::None);
        let waiting = call(&bench, &never, json!({ "within": "5s" }));
        let waiting = tokio::spawn(async move { attempt(&WaitReplica, &waiting).await });
        asked(&new).await;
        proxy.set(fault);
        let begun = Instant::now();
        let error = waiting.await.unwrap().unwrap_err();
        assert!(error.message.contains("last seen: the replica has applied"), "{error}");
        assert!(begun.elapsed() < AT_ONCE && error.touch == Touch::Untouched, "{error}");
        assert!(proxy.fired() > fired);
        fired = proxy.fired();
    }
    proxy.set(Fault::None);
    let waiting = call(&bench, &never, json!({}));
    let waiting = tokio::spawn(async move { attempt(&WaitReplica, &waiting).await });
    asked(&new).await;
    new.kill();
    let begun = Instant::now();
    assert!(waiting.await.unwrap().is_err() && begun.elapsed() < AT_ONCE);
    // It comes back, catches up, and the same order succeeds.
    old.run("INSERT INTO shop.orders VALUES (7)").await;
    let position = fence(&old).await;
    new.start_again().await;
    wait(&bench, &position, json!({})).await.unwrap();
    assert_eq!(new.one::<i64>("SELECT count(*) FROM shop.orders WHERE id = 7").await, 1);
}

#[tokio::test]
async fn a_way_back_waits_for_what_is_on_its_way_to_the_source_and_refuses_what_is_not() {
    if missing("mariadbd", "mariadb-server") {
        return;
    }
    let (old, new) = pair().await;
    let account =
        "CREATE USER turner@'%' IDENTIFIED BY 't0rner'; GRANT SLAVE MONITOR, REPLICATION SLAVE ADMIN, RELOAD, READ ONLY ADMIN,
        REPLICATION SLAVE ON *.* TO turner@'%'";
    old.run(account).await;
    new.caught_up_with(&old).await;
    new.replicates().await;
    let mut bench = Bench::new();
    for (name, server) in [("old", &old), ("new", &new)] {
        bench.target(name, "mysql", json!({ "url": format!("mysql://turner@127.0.0.1:{}", server.port), "password": "t0rner" }));
    }
    let back = |bench: &Bench| {
        let params = json!({ "source": "new", "user": "turner", "password": "t0rner", "within": "100s" });
        let mut call = bench.call("back", Some("old"), params);
        call.deadline = Instant::now() + Duration::from_secs(120);
        call
    };
    let mut locking = new.root().await;
    locking.query_drop("LOCK TABLES shop.orders WRITE").await.unwrap();
    old.run("INSERT INTO shop.orders VALUES (1)").await;
    let call = back(&bench);
    let found = ReplicateFrom.inspect(&call).await.unwrap();
    assert_eq!(found.blockers, [], "it is on its way");
    let waiting = tokio::spawn(async move { attempt(&ReplicateFrom, &call).await.map(|(snapshot, ..)| (snapshot, call)) });
    asked(&new).await;
    assert!(!waiting.is_finished() && old.replica_field("Master_Host").await.is_none(), "nothing was changed yet");
    locking.query_drop("UNLOCK TABLES").await.unwrap();
    let (snapshot, call) = waiting.await.unwrap().unwrap();
    assert_eq!(old.replica_field("Slave_SQL_Running").await.as_deref(), Some("Yes"));
    ReplicateFrom.undo(&call, &snapshot).await.unwrap();

    // Nobody carries it over any more: both have gone their own ways, and waiting would be for ever.
    new.run("STOP SLAVE SQL_THREAD").await;
    old.run("INSERT INTO shop.orders VALUES (2)").await;
    let found = ReplicateFrom.inspect(&back(&bench)).await.unwrap();
    assert!(found.blockers.iter().any(|blocker| blocker.what.contains("the source does not have")), "{:?}", found.blockers);
    let error = attempt(&ReplicateFrom, &back(&bench)).await.unwrap_err();
    assert!(error.message.contains("the source does not have") && error.touch == Touch::Untouched, "{error}");
}
