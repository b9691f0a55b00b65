//! Logical replication between two servers: waiting is exact, what cannot get there is named, and sequences are carried by hand.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use pointsman::connectors::postgres::{CarrySequences, Query, WaitSubscription};
use pointsman::connectors::{Act, Inspect};
use pointsman::model::{Finding, Touch};
use serde_json::{Value, json};

use crate::bench::{Bench, attempt};
use crate::servers::postgres::{Encryption, Postgres, SUPERUSER, SUPERUSER_PASSWORD};
use crate::servers::proxy::{Fault, Proxy};
use crate::servers::{missing, until};

/// Two servers, the second subscribed to the first.
pub struct Pair {
    pub old: Postgres,
    pub new: Postgres,
}

const TABLES: &str =
    "CREATE TABLE orders (id bigserial PRIMARY KEY, sku text); CREATE TABLE \"odd \"\"name\" (id int PRIMARY KEY);
    CREATE SEQUENCE down INCREMENT -2 MAXVALUE 100 MINVALUE -100000 START 100; CREATE SEQUENCE \"Unused \"\"one\" START 7;
    CREATE SEQUENCE small AS smallint;";

impl Pair {
    /// Both servers with the same tables, and no subscription yet.
    pub async fn unlinked() -> Self {
        let old = Postgres::start().await;
        let new = Postgres::start_with(&[], Encryption::Off).await;
        old.sql(TABLES).await;
        new.sql(TABLES).await;
        Self { old, new }
    }

    pub async fn start() -> Self {
        let pair = Self::unlinked().await;
        pair.subscribe(pair.old.port).await;
        pair
    }

    /// Subscribes `new` to `old`, reached at `port`, and waits for the first copy.
    async fn subscribe(&self, port: u16) {
        self.old.sql("CREATE PUBLICATION shop FOR ALL TABLES").await;
        let from = format!("host=127.0.0.1 port={port} user={SUPERUSER} password={SUPERUSER_PASSWORD} dbname=postgres");
        self.new.sql(&format!("CREATE SUBSCRIPTION shop CONNECTION '{from}' PUBLICATION shop")).await;
        let copying = "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate <> 'r'";
        until("the first copy", Duration::from_secs(30), || async {
            (self.new.value(copying).await.as_deref() == Some("0")).then_some(())
        })
        .await;
    }

    pub fn bench(&self) -> Bench {
        let mut bench = Bench::new();
        for (name, server) in [("old", &self.old), ("new", &self.new)] {
            let url = format!("postgres://{SUPERUSER}@127.0.0.1:{}/postgres", server.port);
            bench.target(name, "postgres", json!({ "url": url, "password": SUPERUSER_PASSWORD }));
        }
        bench
    }

    pub async fn fence(&self) -> String {
        self.old.value("SELECT pg_current_wal_insert_lsn()").await.unwrap()
    }

    /// Every sequence of the new server with its place.
    pub async fn sequences(&self) -> String {
        let names = ["orders_id_seq", "down", "\"Unused \"\"one\"", "small"];
        let each: Vec<_> = names.iter().map(|name| format!("SELECT last_value, is_called FROM {name}")).collect();
        format!("{:?}", self.new.sql(&each.join(" UNION ALL ")).await)
    }
}

pub fn waiting(fence: &str, extra: Value) -> Value {
    let mut params = json!({ "subscription": "shop", "source": "old", "fence": fence, "within": "15s", "every": "50ms" });
    params.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    params
}

#[tokio::test]
async fn a_subscriber_is_waited_for_and_each_obstacle_is_named() {
    if missing("postgres", "postgresql-15") {
        return;
    }
    let mut pair = Pair::start().await;
    let bench = pair.bench();
    let wait = async |fence: &str, extra: Value| {
        attempt(&WaitSubscription, &bench.call("wait", Some("new"), waiting(fence, extra))).await
    };
    pair.old.sql("INSERT INTO orders (sku) SELECT 'x' FROM generate_series(1, 20000)").await;
    let fence = pair.fence().await;
    let (_, applied, evidence) = wait(&fence, json!({})).await.unwrap();
    assert_eq!(pair.new.value("SELECT count(*) FROM orders").await.as_deref(), Some("20000"), "{:?}", applied.outputs);
    assert_ne!(evidence.facts["identity"]["source"], evidence.facts["identity"]["subscriber"]);
    // An empty fence would be reached by anybody; a subscription that is not there, and a source that has no such slot, are named.
    assert!(wait("", json!({})).await.unwrap_err().message.contains("nobody read one"));
    let error = wait(&fence, json!({ "subscription": "nosuch" })).await.unwrap_err();
    assert!(error.message.contains("no subscription `nosuch`"), "{error}");
    let error = wait(&fence, json!({ "source": "new" })).await.unwrap_err();
    assert!(error.message.contains("no logical slot `shop`"), "{error}");
    // Far behind: the apply worker waits for a lock, which shows as bytes short and as standing still.
    let locker = pair.new.superuser("postgres").await;
    locker.batch_execute("BEGIN; LOCK TABLE orders IN SHARE MODE").await.unwrap();
    pair.old.sql("INSERT INTO orders (sku) VALUES ('behind')").await;
    let fence = pair.fence().await;
    let begun = Instant::now();
    let error = wait(&fence, json!({ "no_progress_for": "1500ms" })).await.unwrap_err();
    assert!(error.message.contains("bytes short") && error.message.contains("nothing moved for"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(10) && error.touch == Touch::Untouched);
    let error = wait(&fence, json!({ "within": "400ms" })).await.unwrap_err();
    assert!(error.message.contains("the time for it was up"), "{error}");
    locker.batch_execute("ROLLBACK").await.unwrap();
    wait(&fence, json!({})).await.unwrap();
    // Disabled, with everything applied up to an older fence and not up to the newer.
    pair.new.sql("ALTER SUBSCRIPTION shop DISABLE").await;
    pair.old.sql("INSERT INTO orders (sku) VALUES ('disabled')").await;
    let fence = pair.fence().await;
    let inspection = WaitSubscription.inspect(&bench.call("wait", Some("new"), waiting(&fence, json!({})))).await.unwrap();
    assert!(inspection.blockers.iter().any(|blocker| blocker.what.contains("disabled")), "{:?}", inspection.blockers);
    let error = wait(&fence, json!({})).await.unwrap_err();
    assert!(error.message.contains("the subscription `shop` is disabled"), "{error}");
    pair.new.sql("ALTER SUBSCRIPTION shop ENABLE").await;
    wait(&fence, json!({})).await.unwrap();
    // A conflict: the worker fails on the same row again and again.
    let next = pair.old.value("SELECT last_value + 1 FROM orders_id_seq").await.unwrap();
    pair.new.sql(&format!("INSERT INTO orders VALUES ({next}, 'in the way')")).await;
    pair.old.sql("INSERT INTO orders (sku) VALUES ('conflict')").await;
    let fence = pair.fence().await;
    let error = wait(&fence, json!({ "no_progress_for": "20s", "within": "18s" })).await.unwrap_err();
    assert!(error.message.contains("a conflict at the subscriber"), "{error}");
    pair.new.sql(&format!("DELETE FROM orders WHERE id = {next}")).await;
    wait(&fence, json!({})).await.unwrap();
    // The subscriber dies while it is waited for.
    let locker = pair.new.superuser("postgres").await;
    locker.batch_execute("BEGIN; LOCK TABLE orders IN SHARE MODE").await.unwrap();
    pair.old.sql("INSERT INTO orders (sku) VALUES ('killed')").await;
    let fence = pair.fence().await;
    let asked = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'pointsman/%' AND query LIKE '%subslotname%'";
    until("nobody asks", Duration::from_secs(60), || async {
        (pair.new.value(asked).await.as_deref() == Some("0")).then_some(())
    })
    .await;
    let call = bench.call("wait", Some("new"), waiting(&fence, json!({})));
    let waiting_task = tokio::spawn(async move { attempt(&WaitSubscription, &call).await });
    // The inspection asks too: the wait itself has seen something when it was asked several times.
    let began = asked.replace("count(*)", "max(query_start)::text");
    let mut times = BTreeSet::new();
    while times.len() < 5 {
        times.extend(pair.new.value(&began).await);
        assert!(!waiting_task.is_finished());
    }
    pair.new.kill();
    let error = waiting_task.await.unwrap().unwrap_err();
    assert!(error.message.contains("the subscriber cannot be asked") && error.message.contains("bytes short"), "{error}");
    pair.new.restart().await;
    wait(&fence, json!({})).await.unwrap();
}

#[tokio::test]
async fn a_network_cut_between_both_ends_is_no_progress_and_heals() {
    if missing("postgres", "postgresql-15") {
        return;
    }
    let pair = Pair::unlinked().await;
    let proxy = Proxy::before(pair.old.port).await;
    pair.subscribe(proxy.port).await;
    let bench = pair.bench();
    proxy.set(Fault::Cut);
    until("the cut", Duration::from_secs(10), || async {
        (pair.old.value("SELECT active FROM pg_replication_slots").await.as_deref() == Some("f")).then_some(())
    })
    .await;
    pair.old.sql("INSERT INTO orders (sku) VALUES ('cut')").await;
    let fence = pair.fence().await;
    let call = bench.call("wait", Some("new"), waiting(&fence, json!({ "no_progress_for": "1s" })));
    let error = attempt(&WaitSubscription, &call).await.unwrap_err();
    assert!(error.message.contains("nobody is connected to the slot") && error.message.contains("nothing moved"), "{error}");
    assert!(proxy.fired() > 0);
    proxy.set(Fault::None);
    attempt(&WaitSubscription, &bench.call("wait", Some("new"), waiting(&fence, json!({})))).await.unwrap();
}

#[tokio::test]
async fn sequences_are_carried_past_their_source_and_back_exactly() {
    if missing("postgres", "postgresql-15") {
        return;
    }
    let pair = Pair::unlinked().await;
    let mut bench = pair.bench();
    pair.old
        .sql("SELECT setval('orders_id_seq', 9007199254740993); SELECT nextval('down'), nextval('down'), nextval('down')")
        .await;
    let before = pair.sequences().await;
    let carry = |extra: Value| {
        let mut params = json!({ "source": "old" });
        params.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        params
    };
    let call = bench.call("carry", Some("new"), carry(json!({ "margin": 10 })));
    let (snapshot, applied, _) = attempt(&CarrySequences, &call).await.unwrap();
    assert_eq!(applied.outputs, json!({ "sequences": 4, "set": 4 }));
    assert_eq!(pair.new.value("SELECT nextval('orders_id_seq')").await.as_deref(), Some("9007199254741004"));
    pair.new.sql("SELECT setval('orders_id_seq', 9007199254741003)").await;
    assert_eq!(pair.new.value("SELECT last_value FROM down").await.as_deref(), Some("76"));
    CarrySequences.undo(&call, &snapshot).await.unwrap();
    assert_eq!(pair.sequences().await, before, "the way back is not exact");
    // Values that were taken since are not handed out twice.
    let (snapshot, ..) = attempt(&CarrySequences, &call).await.unwrap();
    pair.new.sql("SELECT nextval('orders_id_seq')").await;
    let error = CarrySequences.undo(&call, &snapshot).await.unwrap_err();
    assert!(error.message.contains("values were taken") && !error.manual.is_empty(), "{error}");
    // A source that goes on is seen by the proof; a second attempt carries it again.
    pair.old.sql("SELECT setval('orders_id_seq', 9007199254749999)").await;
    let error = CarrySequences.prove(&call, &snapshot, &applied).await.unwrap_err();
    assert!(error.message.contains("public.orders_id_seq is at"), "{error}");
    attempt(&CarrySequences, &call).await.unwrap();
    // What cannot be carried is named before anything is set.
    pair.old.sql("SELECT setval('small', 32767)").await;
    let now = pair.sequences().await;
    let error = attempt(&CarrySequences, &call).await.unwrap_err();
    assert!(error.message.contains("beyond its bounds") && error.touch == Touch::Untouched, "{error}");
    assert_eq!(pair.sequences().await, now);
    attempt(&CarrySequences, &bench.call("carry", Some("new"), carry(json!({ "except": ["public.small"] })))).await.unwrap();
    pair.new.sql("DROP SEQUENCE small").await;
    let error = attempt(&CarrySequences, &call).await.unwrap_err();
    assert!(error.message.contains("public.small is not at the target"), "{error}");
    let error = attempt(&CarrySequences, &bench.call("carry", Some("new"), carry(json!({ "sequences": ["nosuch.*"] })))).await;
    assert!(error.unwrap_err().message.contains("no sequence of the source is called `nosuch.*`"));
    assert_eq!(CarrySequences.probe(&call, &json!({ "behind": [] })).await.unwrap().finding, Finding::NotApplied);
    assert!(bench.statements().iter().any(|sql| sql.contains("setval(")));
}

#[tokio::test]
async fn the_least_privileges_are_enough() {
    if missing("postgres", "postgresql-15") {
        return;
    }
    let pair = Pair::start().await;
    let mut bench = pair.bench();
    for (name, server) in [("old", &pair.old), ("new", &pair.new)] {
        server
            .sql(
                "CREATE ROLE pointsman LOGIN PASSWORD 'least'; GRANT USAGE ON SCHEMA public TO pointsman;
                 GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO pointsman",
            )
            .await;
        let url = format!("postgres://pointsman@127.0.0.1:{}/postgres", server.port);
        bench.target(name, "postgres", json!({ "url": url, "password": "least" }));
    }
    pair.old.sql("INSERT INTO orders (sku) VALUES ('x')").await;
    let fence = pair.fence().await;
    attempt(&WaitSubscription, &bench.call("wait", Some("new"), waiting(&fence, json!({})))).await.unwrap();
    let call = bench.call("carry", Some("new"), json!({ "source": "old" }));
    let error = attempt(&CarrySequences, &call).await.unwrap_err();
    assert!(error.message.contains("permission denied"), "{error}");
    pair.new.sql("GRANT UPDATE ON ALL SEQUENCES IN SCHEMA public TO pointsman").await;
    let (snapshot, ..) = attempt(&CarrySequences, &call).await.unwrap();
    CarrySequences.undo(&call, &snapshot).await.unwrap();
}

#[tokio::test]
async fn a_question_changes_nothing_and_its_values_are_data() {
    if missing("postgres", "postgresql-15") {
        return;
    }
    let pair = Pair::unlinked().await;
    pair.new.sql("INSERT INTO orders (sku) VALUES ('it''s'), ('jam')").await;
    let bench = pair.bench();
    let ask = async |params: Value| attempt(&Query, &bench.call("ask", Some("new"), params)).await.map(|(_, applied, _)| applied);
    let sql = "SELECT id, sku FROM orders WHERE sku = $1 OR id = $2::bigint ORDER BY id;";
    let applied = ask(json!({ "sql": sql, "bind": ["it's", 2], "expect": { "sku": "it's" }, "rows": 2 })).await.unwrap();
    assert_eq!(applied.outputs["first"], json!({ "id": 1, "sku": "it's" }));
    assert!(ask(json!({ "sql": sql, "bind": ["it's", 2], "rows": 3 })).await.unwrap_err().message.contains("rows"));
    for (sql, why) in [
        ("DELETE FROM orders RETURNING id", "syntax error"),
        ("SELECT nextval('down')", "read-only transaction"),
        ("SELECT 1) r; DELETE FROM orders; SELECT (1", "cannot insert multiple commands"),
        ("SELECT $1", "failed"),
    ] {
        let error = ask(json!({ "sql": sql })).await.unwrap_err();
        assert!(error.message.contains(why) && error.touch == Touch::Untouched, "{sql}: {error}");
    }
    assert_eq!(pair.new.value("SELECT count(*) FROM orders").await.as_deref(), Some("2"));
}
