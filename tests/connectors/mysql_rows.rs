//! Rows of a real MariaDB: read under conditions by a query that cannot write, and deleted when their number is right.

use pointsman::connectors::mysql::{Delete, Query};
use pointsman::connectors::{Act as _, ActionError, Applied, Inspect as _};
use pointsman::model::{Finding, Touch};
use serde_json::{Value, json};

use crate::bench::{Bench, attempt};
use crate::servers::mariadb::MariaDb;
use crate::servers::missing;
use crate::servers::proxy::Proxy;

/// A reader that could write, so that it is not its rights that refuse.
const SHOP: &str = "CREATE DATABASE shop;
    CREATE TABLE shop.orders (id BIGINT UNSIGNED PRIMARY KEY, sku VARCHAR(40), cents DECIMAL(10,2));
    INSERT INTO shop.orders VALUES (1, 'tea', 3.50), (2, 'it''s \\\\ :sku', NULL), (3, 'tea', 1);
    CREATE USER pointsman@'%' IDENTIFIED BY 'r0ws'; GRANT ALL ON shop.* TO pointsman@'%'; GRANT FILE ON *.* TO pointsman@'%'";
const SPOIL: &str = "CREATE FUNCTION shop.spoil() RETURNS INT DETERMINISTIC MODIFIES SQL DATA
    BEGIN DELETE FROM shop.orders; RETURN 1; END";

fn bench(port: u16) -> Bench {
    let mut bench = Bench::new().with_new_sessions();
    bench.target("shop", "mysql", json!({ "url": format!("mysql://pointsman@127.0.0.1:{port}/shop"), "password": "r0ws" }));
    bench
}

async fn count(server: &MariaDb) -> i64 {
    server.one("SELECT COUNT(*) FROM shop.orders").await
}

async fn query(bench: &Bench, params: Value) -> Result<Applied, ActionError> {
    attempt(&Query, &bench.call("query", Some("shop"), params)).await.map(|(_, applied, _)| applied)
}

async fn refused(bench: &Bench, params: Value, why: &str) {
    let error = query(bench, params.clone()).await.expect_err(&params.to_string());
    assert!(error.to_string().contains(why), "{params}: {error}");
    assert_eq!((error.touch, error.in_doubt), (Touch::Untouched, false), "{error}");
}

#[tokio::test]
async fn a_query_binds_values_and_is_held_to_conditions() {
    if missing("mariadbd", "mariadb-server") {
        return;
    }
    let server = MariaDb::start().await;
    server.run(SHOP).await;
    let mut bench = bench(server.port);
    let sql = "SELECT id, sku, cents FROM orders WHERE sku = :sku ORDER BY id -- :sku";
    let found = query(&bench, json!({ "sql": sql, "bind": { "sku": "tea" }, "expect": { "id": 1 }, "rows": 2 })).await.unwrap();
    assert_eq!(found.outputs["row_count"], json!(2));
    assert_eq!(found.outputs["first"], json!({ "id": 1, "sku": "tea", "cents": "3.50" }));
    // A value is a value, whatever stands in it; the journal has the statement as it was written.
    bench.notes();
    let odd = "it's \\ :sku";
    let found = query(&bench, json!({ "sql": sql, "bind": { "sku": odd }, "expect": { "cents": null } })).await.unwrap();
    assert_eq!(found.outputs["rows"], json!([{ "id": 2, "sku": odd, "cents": null }]));
    assert!(bench.statements().contains(&sql.to_owned()));
    let none = query(&bench, json!({ "sql": sql, "bind": { "sku": "' OR 1 = 1 -- " }, "rows": 0 })).await.unwrap();
    assert_eq!(none.outputs["first"], Value::Null);
    assert!(query(&bench, json!({ "sql": "SHOW TABLES", "rows": 1 })).await.is_ok());
    let sql_of_server = "SELECT @@server_id AS server, @@read_only AS read_only, @@gtid_slave_pos <> '' AS has_position";
    let expect = json!({ "server": server.server_id, "read_only": 0, "has_position": 0 });
    query(&bench, json!({ "sql": sql_of_server, "expect": expect })).await.unwrap();
    refused(&bench, json!({ "sql": sql, "bind": { "sku": "tea" }, "rows": 3 }), "rows: ").await;
    refused(&bench, json!({ "sql": sql, "bind": { "sku": "tea" }, "expect": { "id": 2 } }), "id: ").await;
    refused(&bench, json!({ "sql": sql, "bind": {} }), ":sku has no value").await;
    refused(&bench, json!({ "sql": "SELECT 1", "bind": { "sku": 1 } }), ":sku is not in the statement").await;
    refused(&bench, json!({ "sql": "SELECT 1 FROM nosuch" }), "nosuch").await;
    // What the server repeats of a wrong statement is not said: a piece of a secret could be in it.
    let call = bench.call("query", Some("shop"), json!({ "sql": "SELECT 1 1 :sku", "bind": { "sku": "half-a-secret" } }));
    let error = Query.inspect(&call).await.unwrap_err().to_string();
    assert!(error.contains("1064") && !error.contains("half"), "{error}");
}

#[tokio::test]
async fn a_query_that_writes_is_refused_by_its_text_and_by_the_server() {
    if missing("mariadbd", "mariadb-server") {
        return;
    }
    let server = MariaDb::start().await;
    server.run(SHOP).await;
    server.run(SPOIL).await;
    server.run("CREATE SEQUENCE shop.ticket").await;
    let bench = bench(server.port);
    for (sql, why) in [
        ("DELETE FROM orders", "begins with SELECT"),
        ("SELECT 1; DELETE FROM orders", "one statement"),
        ("SELECT * FROM orders FOR UPDATE", "`UPDATE`"),
        ("SELECT id INTO OUTFILE 'rows' FROM orders", "`INTO`"),
        ("SELECT 1 /*M! INTO OUTFILE 'rows' */", "a comment that is run"),
        // Its text shows nothing.
        ("SELECT spoil()", "READ ONLY transaction"),
        ("SELECT NEXTVAL(ticket)", "READ ONLY transaction"),
    ] {
        refused(&bench, json!({ "sql": sql }), why).await;
        let call = bench.call("query", Some("shop"), json!({ "sql": sql }));
        assert!(Query.inspect(&call).await.is_err(), "{sql}");
        assert_eq!(count(&server).await, 3, "{sql}");
    }
}

fn order(rows: Value) -> Value {
    json!({ "table": "shop.orders", "where": { "sku": "tea" }, "rows": rows })
}

#[tokio::test]
async fn a_delete_takes_the_exact_number_of_rows_or_none() {
    if missing("mariadbd", "mariadb-server") {
        return;
    }
    let server = MariaDb::start().await;
    server.run(SHOP).await;
    server.run("CREATE TABLE shop.flat (id INT, sku VARCHAR(9)) ENGINE=MyISAM; INSERT INTO shop.flat VALUES (1, 'tea')").await;
    let bench = bench(server.port);
    for (params, why) in [
        (order(json!(3)), "rows that would be deleted"),
        (order(json!({ "below": 2 })), "rows that would be deleted"),
        (json!({ "table": "orders", "where": {}, "rows": 3 }), "every row would be meant"),
        // To the server `'tea' = 0` is true.
        (json!({ "table": "orders", "where": { "sku": 0 }, "rows": 3 }), "is of type varchar"),
        (json!({ "table": "orders", "where": { "nosuch": 1 }, "rows": 0 }), "there is no column"),
        (json!({ "table": "nosuch", "where": { "id": 1 }, "rows": 0 }), "there is no table"),
        (json!({ "table": "flat", "where": { "sku": "tea" }, "rows": 1 }), "cannot roll back"),
    ] {
        let error = attempt(&Delete, &bench.call("delete", Some("shop"), params.clone())).await.expect_err(why);
        assert!(error.to_string().contains(why), "{params}: {error}");
        assert_eq!((error.touch, error.in_doubt), (Touch::Untouched, false), "{error}");
        assert_eq!(count(&server).await, 3, "{params}");
    }
    assert_eq!(server.one::<i64>("SELECT COUNT(*) FROM shop.flat").await, 1);
    // What fails at the second row takes the first one back.
    server
        .run(
            "CREATE TABLE shop.log (id INT); CREATE TRIGGER shop.refuse BEFORE DELETE ON shop.orders FOR EACH ROW
        IF OLD.id = 3 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'not this one'; END IF",
        )
        .await;
    let call = bench.call("delete", Some("shop"), order(json!(2)));
    let error = attempt(&Delete, &call).await.unwrap_err();
    assert!(error.to_string().contains("not this one") && error.touch == Touch::Untouched, "{error}");
    assert_eq!(count(&server).await, 3);
    server.run("DROP TRIGGER shop.refuse").await;
    let (_, applied, evidence) = attempt(&Delete, &call).await.unwrap();
    assert_eq!((applied.outputs["rows"].clone(), evidence.facts["left"].clone()), (json!(2), json!(0)));
    assert_eq!(server.rows::<i64>("SELECT id FROM shop.orders").await, [2]);
}

#[tokio::test]
async fn a_delete_that_is_cut_off_is_in_doubt_from_the_commit_on_and_only_then() {
    if missing("mariadbd", "mariadb-server") {
        return;
    }
    const FAR: usize = 1_000_000;
    let server = MariaDb::start().await;
    server.run(SHOP).await;
    let proxy = Proxy::before(server.port).await;
    let bench = bench(proxy.port);
    let call = bench.call("delete", Some("shop"), order(json!(2)));
    let snapshot = Delete.capture(&call).await.unwrap();
    // How many bytes the server answers until the commit is done; every time as many.
    proxy.cut_after(FAR);
    Delete.apply(&call, &snapshot).await.unwrap();
    let whole = FAR - proxy.left();
    let again = "REPLACE INTO shop.orders VALUES (1, 'tea', 3.50), (3, 'tea', 1)";
    // In the middle of the last answer, that of COMMIT.
    server.run(again).await;
    proxy.cut_after(whole - 3);
    let error = Delete.apply(&call, &snapshot).await.unwrap_err();
    assert!(error.in_doubt && error.to_string().contains("nobody saw how `COMMIT` ended"), "{error}");
    assert_eq!((proxy.fired(), count(&server).await), (1, 1));
    assert_eq!(Delete.probe(&call, &snapshot).await.unwrap().finding, Finding::Applied);
    // In the answer before, that of the deletion: nothing lasts, and that is what is said.
    server.run(again).await;
    proxy.cut_after(whole - 14);
    let error = Delete.apply(&call, &snapshot).await.unwrap_err();
    assert!(!error.in_doubt && error.touch == Touch::Untouched && error.to_string().contains("not committed"), "{error}");
    assert_eq!((proxy.fired(), count(&server).await), (2, 3));
    assert_eq!(Delete.probe(&call, &snapshot).await.unwrap().finding, Finding::NotApplied);
}
