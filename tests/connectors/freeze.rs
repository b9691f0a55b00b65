//! The freeze of SQLite: nothing gets through it, nothing is lost in front of it, and the thaw is exact.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pointsman::connectors::sqlite::{AllowWrites, FreezeWrites};
use pointsman::connectors::{Act, Inspect};
use pointsman::model::{Finding, RunId, Touch};
use rusqlite::Connection;
use serde_json::json;

use crate::bench::{Bench, attempt, eventually};

const SHOP: &str = "
    CREATE TABLE orders (id INTEGER PRIMARY KEY, sku TEXT NOT NULL, cents INTEGER NOT NULL);
    CREATE TABLE stock (sku TEXT PRIMARY KEY, left INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE changes (id INTEGER PRIMARY KEY AUTOINCREMENT, what TEXT NOT NULL);
    CREATE TABLE \"odd \"\"name\"\"\" (rowid TEXT, _rowid_ TEXT, x INT);
    INSERT INTO orders (sku, cents) VALUES ('tea', 100), ('jam', 250);
    INSERT INTO stock VALUES ('tea', 5), ('jam', 7);
    INSERT INTO changes (what) VALUES ('a'), ('b'), ('c');
    INSERT INTO \"odd \"\"name\"\"\" VALUES ('1', '2', 3);";

/// Every write that an application might try, with whether it stands for new, changed or removed rows.
const WRITES: [&str; 9] = [
    "INSERT INTO orders (sku, cents) VALUES ('x', 1)",
    "INSERT OR IGNORE INTO orders (sku, cents) VALUES ('x', 1)",
    "REPLACE INTO orders (id, sku, cents) VALUES (1, 'x', 1)",
    "INSERT INTO orders (id, sku, cents) VALUES (1, 'x', 1) ON CONFLICT (id) DO UPDATE SET cents = 9",
    "UPDATE orders SET cents = 0 WHERE id = 1",
    "UPDATE OR IGNORE stock SET left = 0",
    "DELETE FROM orders",
    "DELETE FROM stock WHERE sku = 'tea'",
    "INSERT INTO \"odd \"\"name\"\"\" DEFAULT VALUES",
];

fn schema(connection: &Connection) -> Vec<String> {
    let mut statement = connection.prepare("SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_schema").unwrap();
    let mut rows: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    rows.sort();
    rows
}

fn content(connection: &Connection) -> Vec<String> {
    let sql = "SELECT group_concat(id || sku || cents) FROM orders UNION ALL SELECT group_concat(sku || left) FROM stock";
    connection.prepare(sql).unwrap().query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

fn accepted(connection: &Connection) -> usize {
    let try_one = |sql: &&str| {
        connection.execute_batch("SAVEPOINT t").unwrap();
        let ok = connection.execute(sql, []).is_ok();
        connection.execute_batch("ROLLBACK TO t; RELEASE t").unwrap();
        ok
    };
    WRITES.iter().filter(|sql| try_one(sql)).count()
}

#[tokio::test]
async fn every_kind_of_write_is_refused_and_the_thaw_is_exact() {
    let mut bench = Bench::new();
    let app = bench.database("old", SHOP);
    let before = (schema(&app), content(&app));
    assert_eq!(accepted(&app), WRITES.len(), "the positive control");
    let call = bench.call("freeze-old", Some("old"), json!({ "fence": { "table": "changes", "column": "id" } }));
    let (snapshot, applied, evidence) = attempt(&FreezeWrites, &call).await.unwrap();
    assert_eq!(applied.outputs["fence"], json!(3));
    assert_eq!(applied.outputs["tables"], json!(4));
    // Two inserts, an update and a delete per table.
    assert_eq!(evidence.facts["canaries"], json!({ "accepted": 0, "refused": 16, "no_row_to_write": 0 }));
    assert_eq!(accepted(&app), 0, "a write got through");
    assert_eq!(content(&app), before.1, "a canary left something behind");
    let error = app.execute("DELETE FROM orders", []).unwrap_err().to_string();
    assert_eq!(error, "pointsman: writes are frozen by run shop-20261121-abcd, step freeze-old");
    let undone = FreezeWrites.undo(&call, &snapshot).await.unwrap();
    assert_eq!(undone.facts["canaries"]["refused"], json!(0));
    assert_eq!((schema(&app), content(&app)), before, "the thaw is not exact");
    assert_eq!(accepted(&app), WRITES.len());
    let sent = bench.statements();
    assert_eq!(sent.iter().filter(|sql| sql.starts_with("CREATE TRIGGER")).count(), 12);
    assert!(sent.iter().any(|sql| sql == "BEGIN IMMEDIATE"));
}

#[tokio::test]
async fn cascades_from_an_unfrozen_parent_are_refused_too() {
    let mut bench = Bench::new();
    let app = bench.database(
        "old",
        "CREATE TABLE parent (id INTEGER PRIMARY KEY);
         CREATE TABLE child (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES parent ON DELETE CASCADE);
         INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1, 1);",
    );
    attempt(&FreezeWrites, &bench.call("freeze", Some("old"), json!({ "tables": ["child"] }))).await.unwrap();
    app.execute_batch("PRAGMA foreign_keys = ON").unwrap();
    assert!(app.execute("DELETE FROM parent", []).is_err());
}

#[tokio::test]
async fn the_barrier_waits_for_an_open_transaction_and_the_fence_comes_after_it() {
    let mut bench = Bench::new();
    let app = bench.database("old", SHOP);
    app.execute_batch("BEGIN IMMEDIATE; INSERT INTO changes (what) VALUES ('in flight')").unwrap();
    let call = bench.call("freeze-old", Some("old"), json!({ "fence": { "table": "changes", "column": "id" } }));
    let freezing = tokio::spawn(async move { attempt(&FreezeWrites, &call).await });
    // The freeze stands at its barrier while the transaction is open.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!freezing.is_finished(), "the freeze did not wait for the open transaction");
    app.execute_batch("COMMIT").unwrap();
    let (_, applied, _) = freezing.await.unwrap().unwrap();
    assert_eq!(applied.outputs["fence"], json!(4), "the write in flight is not behind the fence");
    assert!(applied.outputs["barrier_ms"].as_u64().unwrap() >= 200);
}

#[tokio::test]
async fn a_transaction_that_never_ends_leaves_everything_untouched() {
    let mut bench = Bench::new();
    let app = bench.database("old", SHOP);
    let before = schema(&app);
    app.execute_batch("BEGIN IMMEDIATE").unwrap();
    let call = bench.call("freeze-old", Some("old"), json!({ "barrier_within": "200ms" }));
    let begun = Instant::now();
    let error = attempt(&FreezeWrites, &call).await.unwrap_err();
    assert_eq!(error.touch, Touch::Untouched);
    assert!(begun.elapsed() < Duration::from_secs(3), "it waited {:?}", begun.elapsed());
    app.execute_batch("ROLLBACK").unwrap();
    assert_eq!(schema(&app), before);
}

#[tokio::test]
async fn the_deadline_and_the_cancel_token_are_kept_while_it_waits_for_a_lock() {
    let mut bench = Bench::new();
    let app = bench.database("old", SHOP);
    app.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut call = bench.call("freeze-old", Some("old"), json!({ "barrier_within": "10m" }));
    let begun = Instant::now();
    call.deadline = begun + Duration::from_millis(600);
    assert!(FreezeWrites.apply(&call, &json!(null)).await.is_err());
    assert!(begun.elapsed() < Duration::from_millis(600), "it ended after the deadline: {:?}", begun.elapsed());
    let call = bench.call("freeze-old", Some("old"), json!({ "barrier_within": "10m" }));
    let cancel = call.cancel.clone();
    let waiting = tokio::spawn(async move { FreezeWrites.apply(&call, &json!(null)).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let begun = Instant::now();
    cancel.cancel();
    assert!(waiting.await.unwrap().is_err());
    assert!(begun.elapsed() < Duration::from_millis(500));
}

/// A writer of its own connection that acknowledges what was committed, in a loop, as the application does.
struct Writer {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
    refused: Arc<AtomicU64>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Writer {
    fn start(path: std::path::PathBuf) -> Self {
        let (stop, acknowledged, refused) =
            (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let (s, a, r) = (stop.clone(), acknowledged.clone(), refused.clone());
        let thread = std::thread::spawn(move || {
            let connection = Connection::open(path).unwrap();
            connection.execute_batch("PRAGMA synchronous = OFF").unwrap();
            connection.busy_timeout(Duration::from_secs(10)).unwrap();
            while !s.load(Ordering::SeqCst) {
                match connection.execute("INSERT INTO changes (what) VALUES ('w')", []) {
                    Ok(_) => {
                        a.store(connection.last_insert_rowid() as u64, Ordering::SeqCst);
                    }
                    Err(error) => {
                        assert!(error.to_string().starts_with("pointsman: writes are frozen"), "{error}");
                        r.fetch_add(1, Ordering::SeqCst);
                        std::thread::sleep(Duration::from_millis(1));
                    }
                }
            }
        });
        Self { stop, acknowledged, refused, thread: Some(thread) }
    }

    fn end(mut self) -> (u64, u64) {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.take().unwrap().join().unwrap();
        (self.acknowledged.load(Ordering::SeqCst), self.refused.load(Ordering::SeqCst))
    }
}

#[tokio::test]
async fn no_write_that_was_acknowledged_is_past_the_fence() {
    let mut froze_under_load = 0;
    for round in 0..10 {
        let mut bench = Bench::new();
        let app = bench.database("old", SHOP);
        let writers: Vec<_> = (0..3).map(|_| Writer::start(bench.path("old.db"))).collect();
        eventually("writing", || writers.iter().all(|w| w.acknowledged.load(Ordering::SeqCst) > 5).then_some(())).await;
        let call = bench.call("freeze-old", Some("old"), json!({ "fence": { "table": "changes", "column": "id" } }));
        let (_, applied, _) = attempt(&FreezeWrites, &call).await.unwrap();
        eventually("a refusal", || writers.iter().all(|w| w.refused.load(Ordering::SeqCst) > 0).then_some(())).await;
        let fence = applied.outputs["fence"].as_u64().unwrap();
        let acknowledged = writers.into_iter().map(|writer| writer.end().0).max().unwrap();
        assert_eq!(acknowledged, fence, "round {round}: the last acknowledged write is not the fence");
        let stored: u64 = app.query_row("SELECT max(id) FROM changes", [], |row| row.get::<_, i64>(0)).unwrap() as u64;
        assert_eq!(stored, fence, "round {round}: a write came after the fence");
        froze_under_load += 1;
    }
    assert_eq!(froze_under_load, 10);
}

#[tokio::test]
async fn a_proof_fails_when_the_freeze_was_tampered_with() {
    let mut bench = Bench::new();
    let app = bench.database("old", SHOP);
    let call = bench.call("freeze-old", Some("old"), json!({}));
    let (snapshot, applied, _) = attempt(&FreezeWrites, &call).await.unwrap();
    let mut found = 0;
    for tampering in [
        "DROP TRIGGER \"pointsman/shop-20261121-abcd/freeze-old/update/orders\"",
        "CREATE TABLE newcomer (id INTEGER PRIMARY KEY)",
        "DROP TRIGGER \"pointsman/shop-20261121-abcd/freeze-old/delete/stock\";
         CREATE TRIGGER \"pointsman/shop-20261121-abcd/freeze-old/delete/stock\" BEFORE DELETE ON stock BEGIN SELECT 1; END",
    ] {
        app.execute_batch(tampering).unwrap();
        let error = FreezeWrites.prove(&call, &snapshot, &applied).await.unwrap_err();
        assert!(error.message.contains("no trigger refuses"), "{tampering}: {error}");
        assert_eq!(error.touch, Touch::Possible);
        let probed = FreezeWrites.probe(&call, &snapshot).await.unwrap();
        assert!(matches!(probed.finding, Finding::Partial(_)), "{tampering}: {:?}", probed.finding);
        // To ensure the state again repairs it.
        attempt(&FreezeWrites, &call).await.unwrap();
        assert_eq!(accepted(&app), 0);
        found += 1;
    }
    assert_eq!(found, 3);
}

#[tokio::test]
async fn a_broken_canary_stops_the_freeze_before_anything_is_changed() {
    let mut bench = Bench::new();
    let app = bench.database("old", SHOP);
    // A trigger of the application with a function that only the application has.
    app.execute_batch("CREATE TRIGGER stamp BEFORE INSERT ON orders BEGIN SELECT shop_clock(); END").unwrap();
    let before = schema(&app);
    let error = attempt(&FreezeWrites, &bench.call("freeze-old", Some("old"), json!({}))).await.unwrap_err();
    assert!(error.message.contains("shop_clock"), "{error}");
    assert_eq!((error.touch, schema(&app)), (Touch::Untouched, before));
}

#[tokio::test]
async fn a_virtual_table_is_named_and_not_passed_over() {
    let mut bench = Bench::new();
    let app = bench.database("old", &format!("{SHOP} CREATE VIRTUAL TABLE found USING fts5(text);"));
    let call = bench.call("freeze-old", Some("old"), json!({}));
    assert!(FreezeWrites.inspect(&call).await.unwrap().blockers.iter().any(|b| b.what.contains("virtual")));
    assert!(attempt(&FreezeWrites, &call).await.is_err());
    attempt(&FreezeWrites, &bench.call("freeze-old", Some("old"), json!({ "except": ["found"] }))).await.unwrap();
    assert!(app.execute("INSERT INTO found VALUES ('x')", []).is_err(), "the tables behind a virtual table are frozen");
}

#[tokio::test]
async fn leftovers_of_another_run_are_reported_kept_and_removed_only_by_name() {
    let mut bench = Bench::new();
    let app = bench.database("old", SHOP);
    bench.run = RunId::new("earlier-20261120-zzzz");
    let earlier = bench.call("freeze", Some("old"), json!({ "tables": ["orders"] }));
    attempt(&FreezeWrites, &earlier).await.unwrap();
    let left = schema(&app);
    bench.run = RunId::new("shop-20261121-abcd");
    let call = bench.call("freeze-old", Some("old"), json!({ "tables": ["*"] }));
    let inspection = FreezeWrites.inspect(&call).await.unwrap();
    assert_eq!(inspection.blockers.len(), 1);
    assert_eq!(inspection.blockers[0].owner.as_deref(), Some("earlier-20261120-zzzz"));
    let (snapshot, ..) = attempt(&FreezeWrites, &call).await.unwrap();
    FreezeWrites.undo(&call, &snapshot).await.unwrap();
    assert_eq!(schema(&app), left, "the thaw took away what was there before");
    // Of this run only: the other freeze stays, and the proof says whose it is.
    let own = bench.call("open", Some("old"), json!({ "owner": "run" }));
    let error = attempt(&AllowWrites, &own).await.unwrap_err();
    assert!(error.message.contains("run earlier-20261120-zzzz, step freeze"), "{error}");
    attempt(&AllowWrites, &bench.call("open", Some("old"), json!({ "owner": "anybody" }))).await.unwrap();
    assert_eq!(accepted(&app), WRITES.len());
}

#[tokio::test]
async fn to_allow_writes_is_undone_word_by_word() {
    let mut bench = Bench::new();
    let app = bench.database("old", SHOP);
    attempt(&FreezeWrites, &bench.call("freeze-old", Some("old"), json!({}))).await.unwrap();
    let frozen = schema(&app);
    let call = bench.call("open", Some("old"), json!({}));
    let inspection = AllowWrites.inspect(&call).await.unwrap();
    assert_eq!(inspection.undo_statements.iter().filter(|sql| sql.starts_with("CREATE TRIGGER")).count(), 12);
    let (snapshot, applied, _) = attempt(&AllowWrites, &call).await.unwrap();
    assert_eq!(applied.outputs["removed"], json!(12));
    assert_eq!(accepted(&app), WRITES.len());
    assert_eq!(AllowWrites.probe(&call, &snapshot).await.unwrap().finding, Finding::Applied);
    AllowWrites.undo(&call, &snapshot).await.unwrap();
    assert_eq!(schema(&app), frozen);
    assert_eq!(accepted(&app), 0);
    assert_eq!(AllowWrites.probe(&call, &snapshot).await.unwrap().finding, Finding::NotApplied);
}

#[tokio::test]
async fn a_queue_can_lose_its_producers_and_keep_its_worker() {
    let mut bench = Bench::new();
    let app = bench.database("old", SHOP);
    let call = bench.call("freeze", Some("old"), json!({ "tables": ["changes"], "operations": ["insert"] }));
    attempt(&FreezeWrites, &call).await.unwrap();
    assert!(app.execute("INSERT INTO changes (what) VALUES ('x')", []).is_err());
    assert_eq!(app.execute("DELETE FROM changes WHERE id = 1", []).unwrap(), 1);
}

#[tokio::test]
async fn another_database_is_never_touched() {
    let mut bench = Bench::new();
    let app = bench.database("old", &format!("{SHOP} PRAGMA application_id = 101;"));
    let before = schema(&app);
    bench.target("old", "sqlite", json!({ "path": "old.db", "identity": { "application_id": 909 } }));
    let call = bench.call("freeze-old", Some("old"), json!({}));
    let actions: [&dyn Act; 2] = [&FreezeWrites, &AllowWrites];
    for action in actions {
        let snapshot = json!({ "triggers": { "owners": [], "altered": [] } });
        for error in [
            action.inspect(&call).await.unwrap_err(),
            action.capture(&call).await.unwrap_err(),
            action.apply(&call, &snapshot).await.unwrap_err(),
            action.undo(&call, &snapshot).await.unwrap_err(),
        ] {
            assert!(error.message.contains("application_id is 101"), "{error}");
        }
    }
    assert_eq!(schema(&app), before);
    bench.target("old", "sqlite", json!({ "path": "missing.db" }));
    assert!(FreezeWrites.inspect(&bench.call("freeze-old", Some("old"), json!({}))).await.is_err());
    assert!(!bench.path("missing.db").exists(), "a database was created");
}

#[tokio::test]
async fn five_hundred_tables_are_frozen_proven_and_thawed() {
    let mut bench = Bench::new();
    let sql: String = (0..500).map(|n| format!("CREATE TABLE t{n} (id INTEGER PRIMARY KEY, v TEXT);")).collect();
    let app = bench.database("old", &format!("BEGIN; {sql} COMMIT;"));
    let before = schema(&app);
    let mut call = bench.call("freeze-old", Some("old"), json!({}));
    call.deadline = Instant::now() + Duration::from_secs(120);
    let begun = Instant::now();
    let (snapshot, applied, _) = attempt(&FreezeWrites, &call).await.unwrap();
    println!("500 tables frozen and proven in {:?}", begun.elapsed());
    assert_eq!(applied.outputs["tables"], json!(500));
    assert!(snapshot.to_string().len() < 4_096, "the snapshot grows with the tables");
    let allow = bench.call("open", Some("old"), json!({}));
    let removed = AllowWrites.capture(&allow).await.unwrap();
    assert!(removed.to_string().len() < 125_000, "{} bytes", removed.to_string().len());
    FreezeWrites.undo(&call, &snapshot).await.unwrap();
    println!("and thawed after {:?}", begun.elapsed());
    assert_eq!(schema(&app), before);
}
