//! Tables compared across MariaDB servers, and across MariaDB and SQLite: exact figures, one name for one table, two thousand tables.

use std::time::{Duration, Instant};

use pointsman::connectors::tables::CheckTables;
use pointsman::connectors::{ActionError, Applied, Call};
use serde_json::{Value, json};

use crate::bench::{Bench, attempt};
use crate::servers::mariadb::MariaDb;
use crate::servers::{give, missing};

/// The account that compares, and nothing more.
pub const READER: &str = "CREATE USER reader@'%' IDENTIFIED BY 'r3ader'; GRANT SELECT ON *.* TO reader@'%'";

pub fn server(bench: &mut Bench, name: &str, server: &MariaDb, database: &str) {
    let url = format!("mysql://reader@127.0.0.1:{}/{database}", server.port);
    bench.target(name, "mysql", json!({ "url": url, "password": "r3ader" }));
}

async fn pair(sql: &str) -> (MariaDb, MariaDb, Bench) {
    let (old, new) = tokio::join!(MariaDb::start(), MariaDb::start());
    let mut bench = Bench::new().with_new_sessions();
    for (name, side) in [("old", &old), ("new", &new)] {
        side.run(READER).await;
        side.run(sql).await;
        server(&mut bench, name, side, "");
    }
    (old, new, bench)
}

fn call(bench: &Bench, tables: Value, measures: Value, extra: Value) -> Call {
    let mut params = json!({ "source": "old", "target": "new", "tables": tables, "measures": measures });
    params.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    let mut call = bench.call("check", None, params);
    call.deadline = Instant::now() + Duration::from_secs(120);
    call
}

async fn check(call: &Call) -> Result<Applied, ActionError> {
    attempt(&CheckTables, call).await.map(|(_, applied, _)| applied)
}

pub const SHOP: &str = "CREATE DATABASE shop; CREATE DATABASE other;
    CREATE TABLE shop.orders (id BIGINT UNSIGNED PRIMARY KEY, cents DECIMAL(20,4), rate DOUBLE, sku VARCHAR(20) COLLATE utf8mb4_general_ci,
        raw VARBINARY(8), at DATETIME(6), flags BIT(5));
    INSERT INTO shop.orders VALUES (1, 9007199254740993.0001, 0.5, 'b', x'00ff', '2026-11-21 03:00:00.5', b'101'),
        (2, 9007199254740993.0001, NULL, 'A', x'01', '2026-11-21 03:00:00', b'11'), (18446744073709551615, NULL, NULL, NULL, NULL, NULL, NULL);
    CREATE TABLE shop.`odd``name` (id INT PRIMARY KEY); CREATE VIEW shop.cheap AS SELECT * FROM shop.orders;
    CREATE TABLE other.things (id INT PRIMARY KEY)";

#[tokio::test]
async fn each_kind_of_difference_is_found_and_sums_are_exact() {
    if missing("mariadbd", "mariadb-server") {
        return;
    }
    let (_old, new, bench) = pair(SHOP).await;
    let every = json!(["count", "sum(id)", "sum(cents)", "min(sku)", "max(raw)", "max(at)", "max(flags)", "max(id)"]);
    let all = call(&bench, json!(["shop.orders", "shop.odd*", "other.*"]), json!(["count"]), json!({}));
    let applied = check(&all).await.unwrap();
    assert_eq!((&applied.outputs["tables"], &applied.outputs["rows"]), (&json!(3), &json!(3)));
    let orders = call(&bench, json!(["shop.orders"]), every, json!({}));
    check(&orders).await.unwrap();
    // Nothing of the server itself, and no view.
    let whole = call(&bench, json!(["*"]), json!(["count"]), json!({}));
    assert_eq!(check(&whole).await.unwrap().outputs["tables"], json!(3));
    for hidden in ["mysql.*", "information_schema.*", "shop.cheap"] {
        assert!(check(&call(&bench, json!([hidden]), json!(["count"]), json!({}))).await.is_err(), "{hidden}");
    }
    let mut found = 0;
    for (break_it, says, mend_it) in [
        (
            "DELETE FROM shop.orders WHERE id = 2",
            "\"target\":\"2\"",
            "INSERT INTO shop.orders VALUES (2, 9007199254740993.0001, NULL, 'A', x'01', '2026-11-21 03:00:00', b'11')",
        ),
        (
            "UPDATE shop.orders SET cents = cents + 0.0001 WHERE id = 1",
            "18014398509481986.0003",
            "UPDATE shop.orders SET cents = cents - 0.0001 WHERE id = 1",
        ),
        ("UPDATE shop.orders SET sku = 'a' WHERE id = 2", "min(sku)", "UPDATE shop.orders SET sku = 'A' WHERE id = 2"),
        ("UPDATE shop.orders SET raw = x'02' WHERE id = 2", "x'02'", "UPDATE shop.orders SET raw = x'01' WHERE id = 2"),
        (
            "UPDATE shop.orders SET at = '2026-11-21 03:00:00.6' WHERE id = 1",
            "03:00:00.6",
            "UPDATE shop.orders SET at = '2026-11-21 03:00:00.5' WHERE id = 1",
        ),
        ("RENAME TABLE shop.orders TO shop.gone", "\"verdict\":\"missing\"", "RENAME TABLE shop.gone TO shop.orders"),
    ] {
        new.run(break_it).await;
        let error = check(&orders).await.expect_err(break_it);
        assert!(error.message.contains(says), "{break_it}: {error}");
        new.run(mend_it).await;
        check(&orders).await.expect(mend_it);
        found += 1;
    }
    assert_eq!(found, 6);
    for measure in ["sum(rate)", "max(rate)", "sum(sku)", "max(nosuch)"] {
        let error = check(&call(&bench, json!(["shop.orders"]), json!([measure]), json!({}))).await.expect_err(measure);
        assert!(error.message.contains("not verified"), "{measure}: {error}");
    }
    // A table that the account may not read is not verified.
    new.run("REVOKE SELECT ON *.* FROM reader@'%'; GRANT SELECT (id) ON shop.orders TO reader@'%'").await;
    let error = check(&call(&bench, json!(["shop.orders"]), json!(["sum(cents)"]), json!({}))).await.unwrap_err();
    assert!(error.message.contains("not verified"), "{error}");
}

#[tokio::test]
async fn stable_waits_for_a_side_that_catches_up_and_the_mark_is_a_share_of_rows() {
    if missing("mariadbd", "mariadb-server") {
        return;
    }
    let rows = "CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY) ENGINE=InnoDB; INSERT INTO shop.t SELECT seq FROM shop.seq_1_to_10000";
    let (_old, new, bench) = pair(rows).await;
    new.run("DELETE FROM shop.t WHERE id > 9998").await;
    let stable = json!({ "until": "stable", "every": "50ms", "within": "20s" });
    let waiting = call(&bench, json!(["shop.*"]), json!(["count", "max(id)"]), stable);
    let waiting = tokio::spawn(async move { check(&waiting).await });
    for id in [9999, 10000] {
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(!waiting.is_finished());
        new.run(&format!("INSERT INTO shop.t VALUES ({id})")).await;
    }
    assert!(waiting.await.unwrap().unwrap().outputs["asked"].as_u64().unwrap() >= 3);
    new.run("DELETE FROM shop.t WHERE id = 17").await;
    let with = |agree: &str| call(&bench, json!(["shop.t"]), json!(["count"]), json!({ "agree": agree }));
    assert!(check(&with("100%")).await.is_err() && check(&with("99.995%")).await.is_err());
    assert_eq!(check(&with("99.99%")).await.unwrap().outputs["different"], json!(1));
}

#[tokio::test]
async fn a_database_in_the_address_makes_plain_names_that_match_those_of_other_stores() {
    if missing("mariadbd", "mariadb-server") {
        return;
    }
    let (old, new, mut bench) = pair(SHOP).await;
    old.run("CREATE DATABASE shop_before; RENAME TABLE shop.orders TO shop_before.orders").await;
    server(&mut bench, "old", &old, "shop_before");
    server(&mut bench, "new", &new, "shop");
    check(&call(&bench, json!(["orders"]), json!(["count", "sum(cents)"]), json!({}))).await.unwrap();
    // One side with a database, the other without: no name is on both sides, and that is said.
    server(&mut bench, "new", &new, "");
    let error = check(&call(&bench, json!(["*orders"]), json!(["count"]), json!({}))).await.unwrap_err();
    assert!(error.message.contains("missing"), "{error}");
    // SQLite has no databases in names.
    new.run("DELETE FROM shop.orders WHERE id > 2").await;
    let sql = "CREATE TABLE orders (id INTEGER PRIMARY KEY, cents TEXT, sku TEXT, raw BLOB);
        INSERT INTO orders VALUES (1, 1, 'b', x'00ff'), (2, 1, 'A', x'01');";
    let _file = bench.database("old", sql);
    server(&mut bench, "new", &new, "shop");
    let measures = json!(["count", "sum(id)", "min(sku)", "max(sku)", "max(raw)"]);
    check(&call(&bench, json!(["orders"]), measures, json!({}))).await.unwrap();
    let error = check(&call(&bench, json!(["*"]), json!(["count"]), json!({}))).await.unwrap_err();
    assert!(error.message.contains("odd`name"), "{error}");
}

#[tokio::test]
async fn two_thousand_tables_are_compared() {
    if missing("mariadbd", "mariadb-server") {
        return;
    }
    // Two thousand CREATE TABLEs wait for the disk two minutes long; tables of this engine are files that can be copied.
    let first = "CREATE DATABASE shop; CREATE TABLE shop.t0 (id INT PRIMARY KEY) ENGINE=MyISAM; INSERT INTO shop.t0 VALUES (1);
        FLUSH TABLES";
    let (old, new, mut bench) = pair(first).await;
    for folder in [old.data().join("shop"), new.data().join("shop")] {
        for (number, ending) in (1..2_000).flat_map(|n| ["frm", "MYD", "MYI"].map(|ending| (n, ending))) {
            let copy = folder.join(format!("t{number}.{ending}"));
            std::fs::copy(folder.join(format!("t0.{ending}")), &copy).unwrap();
            give(&copy, "mysql");
        }
    }
    new.run("FLUSH STATUS").await;
    let all = call(&bench, json!(["shop.t*"]), json!(["count", "max(id)"]), json!({ "max_concurrent": 6 }));
    let begun = Instant::now();
    let applied = check(&all).await.unwrap();
    println!("2000 tables compared in {:?}", begun.elapsed());
    assert_eq!(applied.outputs["tables"], json!(2_000));
    // Six, and the one that the test itself opens.
    let (_, used): (String, i64) = new.one("SHOW GLOBAL STATUS LIKE 'Max_used_connections'").await;
    assert!((2..=8).contains(&used), "{used} connections");
    assert!(bench.notes().len() >= 4_000);
    new.run("DELETE FROM shop.t1234; DROP TABLE shop.t77").await;
    let error = check(&all).await.unwrap_err();
    assert!(error.message.contains("3 findings"), "{error}");
}
