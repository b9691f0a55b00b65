//! Comparing tables of two databases: exact figures, nothing that was not measured passes, and two thousand tables are no trouble.

use std::time::{Duration, Instant};

use pointsman::connectors::recorder::NoteKind;
use pointsman::connectors::tables::CheckTables;
use pointsman::connectors::{Act as _, Inspect as _};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::bench::{Bench, attempt};

fn pair(bench: &mut Bench, sql: &str) -> (Connection, Connection) {
    (bench.database("old", sql), bench.database("new", sql))
}

fn params(extra: Value) -> Value {
    let mut params = json!({ "source": "old", "target": "new", "tables": ["*"] });
    params.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    params
}

const SHOP: &str = "CREATE TABLE orders (id INTEGER PRIMARY KEY, cents INTEGER, at TEXT, rate REAL);
    INSERT INTO orders VALUES (1, 9007199254740993, 'a', 0.5), (2, 9007199254740993, 'b', NULL), (3, NULL, NULL, NULL);
    CREATE TABLE order_lines (id INTEGER PRIMARY KEY); CREATE TABLE empty (id INTEGER PRIMARY KEY, n INTEGER);";

#[tokio::test]
async fn equal_sides_agree_and_each_kind_of_difference_is_found() {
    let mut bench = Bench::new();
    let (_old, new) = pair(&mut bench, SHOP);
    let all = params(json!({ "tables": ["order*", "empty"], "measures": ["count", "min(id)", "max(id)"] }));
    let (_, applied, _) = attempt(&CheckTables, &bench.call("check", None, all.clone())).await.unwrap();
    assert_eq!(
        (&applied.outputs["tables"], &applied.outputs["rows"], &applied.outputs["different"]),
        (&json!(3), &json!(3), &json!(0))
    );
    let sums = params(json!({ "tables": ["orders"], "measures": ["count", "sum(cents)", "min(at)", "max(rate)"] }));
    attempt(&CheckTables, &bench.call("check", None, sums.clone())).await.unwrap();
    let mut found = 0;
    for (break_it, measures, verdict, mend_it) in [
        ("DELETE FROM orders WHERE id = 3", json!(["count"]), "different", "INSERT INTO orders (id) VALUES (3)"),
        (
            "UPDATE orders SET cents = cents + 1 WHERE id = 1",
            json!(["sum(cents)"]),
            "different",
            "UPDATE orders SET cents = cents - 1 WHERE id = 1",
        ),
        ("UPDATE orders SET at = 'c' WHERE id = 2", json!(["max(at)"]), "different", "UPDATE orders SET at = 'b' WHERE id = 2"),
        ("UPDATE orders SET at = '' WHERE id = 3", json!(["min(at)"]), "different", "UPDATE orders SET at = NULL WHERE id = 3"),
        ("ALTER TABLE orders RENAME TO old_orders", json!(["count"]), "missing", "ALTER TABLE old_orders RENAME TO orders"),
        ("SELECT 1", json!(["sum(rate)"]), "not verified", "SELECT 1"),
        ("SELECT 1", json!(["max(nosuch)"]), "not verified", "SELECT 1"),
    ] {
        new.execute_batch(break_it).unwrap();
        let call = bench.call("check", None, params(json!({ "tables": ["orders"], "measures": measures })));
        let error = attempt(&CheckTables, &call).await.expect_err(break_it);
        assert!(error.message.contains(&format!("\"verdict\":\"{verdict}\"")), "{break_it}: {error}");
        new.execute_batch(mend_it).unwrap();
        attempt(&CheckTables, &bench.call("check", None, sums.clone())).await.expect(mend_it);
        found += 1;
    }
    assert_eq!(found, 7);
    // A sum beyond 64 bits stays exact.
    for side in [&_old, &new] {
        side.execute_batch("INSERT INTO empty VALUES (1, 9223372036854775807), (2, 9223372036854775807), (3, -5)").unwrap();
    }
    let call = bench.call("check", None, params(json!({ "tables": ["empty"], "measures": ["sum(n)"] })));
    attempt(&CheckTables, &call).await.unwrap();
    new.execute_batch("UPDATE empty SET n = -6 WHERE id = 3").unwrap();
    let error = attempt(&CheckTables, &call).await.unwrap_err();
    assert!(error.message.contains("18446744073709551609") && error.message.contains("18446744073709551608"), "{error}");
}

#[tokio::test]
async fn wrong_questions_are_refused() {
    let mut bench = Bench::new();
    let _pair = pair(&mut bench, SHOP);
    for (extra, why) in [
        (json!({ "tables": ["nosuch"] }), "no table on either side is called `nosuch`"),
        (json!({ "tables": ["orders", "nosuch*"] }), "nosuch*"),
        (json!({ "measures": ["avg(id)"] }), "is no measure"),
        (json!({ "target": "elsewhere" }), "`elsewhere`"),
    ] {
        let error = attempt(&CheckTables, &bench.call("check", None, params(extra))).await.unwrap_err();
        assert!(error.message.contains(why), "{error}");
    }
    bench.target("new", "haproxy", json!({}));
    let error = attempt(&CheckTables, &bench.call("check", None, params(json!({})))).await.unwrap_err();
    assert!(error.message.contains("`haproxy`"), "{error}");
}

#[tokio::test]
async fn stable_waits_for_a_side_that_catches_up_and_gives_up_on_one_that_does_not() {
    let mut bench = Bench::new();
    let (_old, new) = pair(&mut bench, SHOP);
    new.execute_batch("DELETE FROM orders WHERE id > 1").unwrap();
    let stable = |within: &str| params(json!({ "tables": ["orders"], "until": "stable", "every": "20ms", "within": within }));
    let call = bench.call("check", None, stable("10s"));
    let waiting = tokio::spawn(async move { attempt(&CheckTables, &call).await });
    for id in [2, 3] {
        tokio::time::sleep(Duration::from_millis(80)).await;
        assert!(!waiting.is_finished());
        new.execute("INSERT INTO orders (id) VALUES (?1)", [id]).unwrap();
    }
    assert!(waiting.await.unwrap().unwrap().1.outputs["asked"].as_u64().unwrap() >= 3);
    new.execute_batch("DELETE FROM orders WHERE id > 1").unwrap();
    let begun = Instant::now();
    let error = attempt(&CheckTables, &bench.call("check", None, stable("200ms"))).await.unwrap_err();
    assert!(error.message.contains("the sides do not agree"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn the_mark_is_a_share_of_rows() {
    let mut bench = Bench::new();
    let rows = "CREATE TABLE t (id INTEGER PRIMARY KEY);
        WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 10000) INSERT INTO t SELECT x FROM n;";
    let (_old, new) = pair(&mut bench, rows);
    new.execute_batch("DELETE FROM t WHERE id = 17").unwrap();
    let with = |agree: &str| bench.call("check", None, params(json!({ "agree": agree })));
    assert!(attempt(&CheckTables, &with("100%")).await.is_err());
    assert!(attempt(&CheckTables, &with("99.995%")).await.is_err());
    let (_, applied, _) = attempt(&CheckTables, &with("99.99%")).await.unwrap();
    assert_eq!((&applied.outputs["different"], applied.outputs["findings"].as_array().unwrap().len()), (&json!(1), 1));
}

#[tokio::test]
async fn two_thousand_tables_are_compared() {
    let mut bench = Bench::new();
    let sql: String =
        (0..2_000).map(|n| format!("CREATE TABLE t{n} (id INTEGER PRIMARY KEY); INSERT INTO t{n} VALUES ({n});")).collect();
    let (_old, new) = pair(&mut bench, &format!("PRAGMA synchronous = OFF; BEGIN; {sql} COMMIT;"));
    let mut call = bench.call("check", None, params(json!({ "measures": ["count", "max(id)"] })));
    call.deadline = Instant::now() + Duration::from_secs(120);
    assert_eq!(CheckTables.inspect(&call).await.unwrap().statements.len(), 2_000);
    let begun = Instant::now();
    let (_, applied, _) = attempt(&CheckTables, &call).await.unwrap();
    println!("2000 tables compared in {:?}", begun.elapsed());
    assert_eq!(applied.outputs["tables"], json!(2_000));
    let progress = bench.notes().iter().filter(|note| matches!(note.kind, NoteKind::Progress(_))).count();
    assert!(progress >= 2_000, "{progress} progress lines");
    new.execute_batch("DELETE FROM t1234").unwrap();
    let error = attempt(&CheckTables, &call).await.unwrap_err();
    assert!(error.message.contains("t1234"), "{error}");
    call.deadline = Instant::now() + Duration::from_millis(40);
    assert!(CheckTables.apply(&call, &json!(null)).await.is_err());
}
