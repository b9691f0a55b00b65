//! SQLite under the contract, and tables compared across two files.

use pointsman::connectors::sqlite::{AllowWrites, Drain, Execute, FreezeWrites, Query, WaitFence};
use pointsman::connectors::tables;
use serde_json::json;

use super::{Case, Named, case, named};
use crate::bench::{Bench, CANARY, attempt};

const SHOP: &str = "
    CREATE TABLE orders (id INTEGER PRIMARY KEY, sku TEXT NOT NULL);
    INSERT INTO orders (sku) VALUES ('tea'), ('jam');
    CREATE TABLE queue (id INTEGER PRIMARY KEY, note TEXT);
    CREATE TABLE applied (position INTEGER); INSERT INTO applied VALUES (5);";

pub fn cases() -> Vec<Named> {
    vec![
        named("check.tables", of_tables),
        named("sqlite.freeze_writes", of_freeze),
        named("sqlite.allow_writes", of_allow),
        named("sqlite.drain", of_drain),
        named("sqlite.wait_fence", of_fence),
        named("sqlite.query", of_query),
        named("sqlite.execute", of_execute),
    ]
}

async fn of_tables() -> Case {
    let mut bench = Bench::new();
    for side in ["old", "new"] {
        bench.database(side, &format!("{SHOP} INSERT INTO orders (sku) VALUES ('{CANARY}');"));
    }
    let params = json!({ "source": "old", "target": "new", "tables": ["orders"], "measures": ["count", "min(sku)", "max(sku)"] });
    let call = bench.call("check", None, params);
    case(bench, tables::CheckTables, call)
}

fn shop() -> Bench {
    let mut bench = Bench::new();
    bench.database("old", &format!("{SHOP} INSERT INTO orders (sku) VALUES ('{CANARY}');"));
    bench
}

async fn of_freeze() -> Case {
    let bench = shop();
    let call = bench.call("freeze", Some("old"), json!({ "fence": { "table": "orders", "column": "sku" } }));
    case(bench, FreezeWrites, call).tampered(|bench| {
        let connection = rusqlite::Connection::open(bench.path("old.db")).unwrap();
        connection.execute_batch("DROP TRIGGER \"pointsman/shop-20261121-abcd/freeze/insert/queue\"").unwrap();
    })
}

async fn of_allow() -> Case {
    let bench = shop();
    attempt(&FreezeWrites, &bench.call("freeze", Some("old"), json!({}))).await.unwrap();
    let call = bench.call("open", Some("old"), json!({}));
    case(bench, AllowWrites, call).tampered(|bench| {
        let connection = rusqlite::Connection::open(bench.path("old.db")).unwrap();
        let text = "pointsman: writes are frozen by run other, step x";
        let sql = format!(
            "CREATE TRIGGER \"pointsman/other/x/insert/queue\" BEFORE INSERT ON queue BEGIN SELECT RAISE(ABORT, '{text}'); END"
        );
        connection.execute_batch(&sql).unwrap();
    })
}

async fn of_drain() -> Case {
    let bench = shop();
    attempt(&FreezeWrites, &bench.call("freeze", Some("old"), json!({ "tables": ["queue"], "operations": ["insert"] })))
        .await
        .unwrap();
    let params = json!({ "table": "queue", "pending": { "note": CANARY }, "stable_for": "1ms", "every": "5ms", "within": "5s" });
    let call = bench.call("drain", Some("old"), params);
    case(bench, Drain, call).tampered(|bench| {
        let connection = rusqlite::Connection::open(bench.path("old.db")).unwrap();
        connection.execute_batch("DROP TRIGGER \"pointsman/shop-20261121-abcd/freeze/insert/queue\"").unwrap();
    })
}

async fn of_fence() -> Case {
    let bench = shop();
    let call =
        bench.call("wait", Some("old"), json!({ "table": "applied", "column": "position", "at_least": 5, "within": "500ms" }));
    case(bench, WaitFence, call).tampered(|bench| {
        let connection = rusqlite::Connection::open(bench.path("old.db")).unwrap();
        connection.execute_batch("UPDATE applied SET position = 4").unwrap();
    })
}

async fn of_query() -> Case {
    let bench = shop();
    let params =
        json!({ "sql": "SELECT sku, :s AS s FROM orders WHERE sku = :s", "bind": { "s": CANARY }, "expect": { "sku": CANARY } });
    let call = bench.call("query", Some("old"), params);
    case(bench, Query, call)
}

async fn of_execute() -> Case {
    let bench = shop();
    let look = json!({ "sql": "SELECT note FROM queue WHERE note = :s", "bind": { "s": CANARY }, "expect": { "note": CANARY } });
    let sql = "INSERT INTO queue (note) VALUES (:s)";
    let call =
        bench.call("put", Some("old"), json!({ "sql": sql, "bind": { "s": CANARY }, "rows": 1, "prove": look, "probe": look }));
    case(bench, Execute, call).tampered(|bench| {
        let connection = rusqlite::Connection::open(bench.path("old.db")).unwrap();
        connection.execute_batch("DELETE FROM queue").unwrap();
    })
}
