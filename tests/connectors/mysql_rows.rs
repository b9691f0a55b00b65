//! Rows of a real MariaDB: read under conditions by a query that cannot write.

use pointsman::connectors::mysql::Query;
use pointsman::connectors::{ActionError, Applied, Inspect as _};
use pointsman::model::Touch;
use serde_json::{Value, json};

use crate::bench::{Bench, attempt};
use crate::servers::mariadb::MariaDb;
use crate::servers::missing;

/// A reader that could write, so that it is not its rights that refuse.
const SHOP: &str = "CREATE DATABASE shop;
    CREATE TABLE shop.orders (id BIGINT UNSIGNED PRIMARY KEY, sku VARCHAR(40), cents DECIMAL(10,2));
    INSERT INTO shop.orders VALUES (1, 'tea', 3.50), (2, 'it''s \\\\ :sku', NULL), (3, 'tea', 1);
    CREATE USER pointsman@'%' IDENTIFIED BY 'r0ws'; GRANT ALL ON shop.* TO pointsman@'%'; GRANT FILE ON *.* TO pointsman@'%'";
const SPOIL: &str = "CREATE FUNCTION shop.spoil() RETURNS INT DETERMINISTIC MODIFIES SQL DATA
    BEGIN DELETE FROM shop.orders; RETURN 1; END";

fn bench(port: u16) -> Bench {
    let mut bench = Bench::new();
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
    let bench = bench(server.port);
    for (sql, why) in [
        ("DELETE FROM orders", "begins with SELECT"),
        ("SELECT 1; DELETE FROM orders", "one statement"),
        ("SELECT * FROM orders FOR UPDATE", "`UPDATE`"),
        ("SELECT id INTO OUTFILE 'rows' FROM orders", "`INTO`"),
        ("SELECT 1 /*M! INTO OUTFILE 'rows' */", "a comment that is run"),
        // Its text shows nothing.
        ("SELECT spoil()", "READ ONLY transaction"),
    ] {
        refused(&bench, json!({ "sql": sql }), why).await;
        let call = bench.call("query", Some("shop"), json!({ "sql": sql }));
        assert!(Query.inspect(&call).await.is_err(), "{sql}");
        assert_eq!(count(&server).await, 3, "{sql}");
    }
}
