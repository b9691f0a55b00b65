//! Tables compared across two PostgreSQL servers: exact figures, nothing that was not measured passes, two thousand tables.

use std::time::{Duration, Instant};

use pointsman::connectors::tables::CheckTables;
use serde_json::{Value, json};

use crate::bench::{Bench, attempt};
use crate::servers::missing;
use crate::servers::postgres::{Postgres, SUPERUSER, SUPERUSER_PASSWORD};

const SHOP: &str = "CREATE SCHEMA shop; CREATE SCHEMA \"Odd.one\";
    CREATE TABLE shop.orders (id bigint PRIMARY KEY, cents bigint, price numeric(12, 4), sku text, rate float8, at timestamptz, ok bool);
    INSERT INTO shop.orders VALUES (1, 9223372036854775807, 1.50, 'a', 0.5, '2026-11-21 01:00+01', true),
      (2, 9223372036854775807, 2.25, 'B', NULL, NULL, false), (3, NULL, NULL, NULL, NULL, NULL, NULL);
    CREATE TABLE shop.log (id int, day date) PARTITION BY RANGE (id);
    CREATE TABLE shop.log_1 PARTITION OF shop.log FOR VALUES FROM (0) TO (10);
    CREATE TABLE shop.log_2 PARTITION OF shop.log FOR VALUES FROM (10) TO (20);
    INSERT INTO shop.log SELECT n, '2026-11-21' FROM generate_series(1, 15) n;
    CREATE TABLE shop.parent (id int); CREATE TABLE shop.child () INHERITS (shop.parent); INSERT INTO shop.child VALUES (1), (2);
    CREATE TABLE \"Odd.one\".\"a \"\"b\" (id int); CREATE VIEW shop.seen AS SELECT * FROM shop.parent;";

fn bench(old: &Postgres, new: &Postgres, user: &str, password: &str) -> Bench {
    let mut bench = Bench::new();
    for (name, server) in [("old", old), ("new", new)] {
        let url = format!("postgres://{user}@127.0.0.1:{}/postgres", server.port);
        bench.target(name, "postgres", json!({ "url": url, "password": password }));
    }
    bench
}

fn params(extra: Value) -> Value {
    let mut params = json!({ "source": "old", "target": "new", "tables": ["*"] });
    params.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    params
}

#[tokio::test]
async fn each_kind_of_difference_is_found_and_sums_are_exact() {
    if missing("postgres", "postgresql-15") {
        return;
    }
    let (old, new) = (Postgres::start().await, Postgres::start().await);
    old.sql(SHOP).await;
    new.sql(SHOP).await;
    let admin = bench(&old, &new, SUPERUSER, SUPERUSER_PASSWORD);
    let check = async |extra: Value| {
        attempt(&CheckTables, &admin.call("check", None, params(extra))).await.map(|(_, applied, _)| applied)
    };
    // Partitions are counted in their parent, children of an inheritance by themselves, views and the system's tables not at all.
    let applied = check(json!({})).await.unwrap();
    assert_eq!((&applied.outputs["tables"], &applied.outputs["rows"]), (&json!(5), &json!(3 + 15 + 2)), "{:?}", applied.outputs);
    let all = json!({ "tables": ["shop.orders"], "measures":
        ["count", "sum(cents)", "sum(price)", "min(sku)", "max(sku)", "max(at)", "min(ok)", "max(id)"] });
    check(all.clone()).await.unwrap();
    let mut found = 0;
    for (break_it, measure, says, mend_it) in [
        (
            "DELETE FROM shop.log WHERE id = 12",
            "count",
            "\"verdict\":\"different\"",
            "INSERT INTO shop.log VALUES (12, '2026-11-21')",
        ),
        (
            "UPDATE shop.orders SET cents = cents - 1 WHERE id = 1",
            "sum(cents)",
            "18446744073709551613",
            "UPDATE shop.orders SET cents = cents + 1 WHERE id = 1",
        ),
        ("UPDATE shop.orders SET sku = 'A' WHERE id = 2", "min(sku)", "\"B\"", "UPDATE shop.orders SET sku = 'B' WHERE id = 2"),
        ("ALTER TABLE shop.orders RENAME TO gone", "count", "\"verdict\":\"missing\"", "ALTER TABLE shop.gone RENAME TO orders"),
        ("SELECT 1", "sum(rate)", "\"verdict\":\"not verified\"", "SELECT 1"),
        ("SELECT 1", "max(nosuch)", "there is no column `nosuch`", "SELECT 1"),
    ] {
        new.sql(break_it).await;
        let tables = if break_it.contains("shop.log") { "shop.log" } else { "shop.orders" };
        let error = check(json!({ "tables": [tables], "measures": [measure] })).await.expect_err(break_it);
        assert!(error.message.contains(says), "{break_it}: {error}");
        new.sql(mend_it).await;
        found += 1;
    }
    assert_eq!(found, 6);
    // The same number with another scale is the same number.
    new.sql("ALTER TABLE shop.orders ALTER price TYPE numeric(20, 8)").await;
    check(all).await.unwrap();
    // An account that may not read a table, or that a row policy hides rows from, verifies nothing.
    for server in [&old, &new] {
        server.sql("CREATE ROLE looker LOGIN PASSWORD 'look'; GRANT USAGE ON SCHEMA shop TO looker").await;
        server.sql("GRANT SELECT ON shop.orders TO looker; ALTER TABLE shop.orders ENABLE ROW LEVEL SECURITY").await;
    }
    let looker = bench(&old, &new, "looker", "look");
    for (table, says) in [("shop.orders", "row-level security"), ("shop.log", "permission denied")] {
        let error = attempt(&CheckTables, &looker.call("check", None, params(json!({ "tables": [table] })))).await.unwrap_err();
        assert!(error.message.contains("not verified") && error.message.contains(says), "{error}");
    }
}

#[tokio::test]
async fn two_thousand_tables_are_compared() {
    if missing("postgres", "postgresql-15") {
        return;
    }
    let (old, new) = (Postgres::start().await, Postgres::start().await);
    let all: Vec<String> =
        (0..2_000).map(|n| format!("CREATE TABLE t{n} (id int PRIMARY KEY); INSERT INTO t{n} VALUES ({n})")).collect();
    for server in [&old, &new] {
        for part in all.chunks(250) {
            server.sql(&part.join(";")).await;
        }
    }
    let bench = bench(&old, &new, SUPERUSER, SUPERUSER_PASSWORD);
    let extra = json!({ "tables": ["public.*"], "measures": ["count", "max(id)"], "max_concurrent": 6 });
    let mut call = bench.call("check", None, params(extra));
    call.deadline = Instant::now() + Duration::from_secs(120);
    let begun = Instant::now();
    let (_, applied, _) = attempt(&CheckTables, &call).await.unwrap();
    println!("2000 tables compared in {:?}", begun.elapsed());
    assert_eq!(applied.outputs["tables"], json!(2_000));
    let opened = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'pointsman/%'";
    let open: u64 = new.value(opened).await.unwrap().parse().unwrap();
    assert!(open <= 6, "{open} sessions are open");
    new.sql("DELETE FROM t1234").await;
    let error = attempt(&CheckTables, &call).await.unwrap_err();
    assert!(error.message.contains("public.t1234"), "{error}");
}
