//! Rows and sessions of a real PostgreSQL: deleted when their number is right, and ended when they are the ones that are meant.

use std::time::Duration;

use pointsman::connectors::postgres::{Delete, KillSessions};
use pointsman::connectors::{Act as _, Inspect as _};
use pointsman::model::{Finding, Touch};
use serde_json::{Value, json};
use tokio_postgres::Client;

use crate::bench::{Bench, attempt};
use crate::servers::postgres::{Postgres, SUPERUSER};
use crate::servers::proxy::{At, Proxy, Then};
use crate::servers::{missing, until};

/// The account has what the page says, and no more.
const SHOP: &str = "CREATE TABLE orders (id bigint PRIMARY KEY, sku text, cents numeric);
    INSERT INTO orders VALUES (1, 'tea', 3.50), (2, E'it''s \\\\ \"x\"', NULL), (3, 'tea', 1);
    CREATE TABLE lines (id int REFERENCES orders (id)); CREATE VIEW shown AS SELECT * FROM orders;
    CREATE TABLE whole (at int) PARTITION BY RANGE (at); CREATE TABLE whole_1 PARTITION OF whole FOR VALUES FROM (0) TO (9);
    INSERT INTO whole VALUES (1), (2); CREATE TABLE old_orders () INHERITS (orders); INSERT INTO old_orders VALUES (4, 'tea', 1);
    CREATE ROLE pointsman LOGIN PASSWORD 'r0ws'; GRANT SELECT, DELETE ON orders, whole, shown TO pointsman;
    GRANT pg_signal_backend, pg_read_all_stats TO pointsman;
    CREATE ROLE shop_app LOGIN PASSWORD 'app'; CREATE ROLE report LOGIN PASSWORD 'app'";

fn bench(port: u16) -> Bench {
    let mut bench = Bench::new();
    let url = format!("postgres://pointsman@127.0.0.1:{port}/postgres");
    bench.target("shop", "postgres", json!({ "url": url, "password": "r0ws" }));
    bench
}

async fn count(server: &Postgres) -> String {
    server.value("SELECT count(*) FROM ONLY orders").await.unwrap()
}

fn order(rows: Value) -> Value {
    json!({ "table": "public.orders", "where": { "sku": "tea" }, "rows": rows })
}

#[tokio::test]
async fn a_delete_takes_the_exact_number_of_rows_or_none() {
    if missing("postgres", "postgresql-15") {
        return;
    }
    let server = Postgres::start().await;
    server.sql(SHOP).await;
    let bench = bench(server.port);
    for (params, why) in [
        (order(json!(3)), "rows that would be deleted"),
        (order(json!({ "below": 2 })), "rows that would be deleted"),
        (json!({ "table": "orders", "where": {}, "rows": 3 }), "every row would be meant"),
        (json!({ "table": "orders", "where": { "sku": 0 }, "rows": 3 }), "is of type text"),
        (json!({ "table": "orders", "where": { "id": "1 OR true" }, "rows": 3 }), "22P02"),
        (json!({ "table": "orders", "where": { "nosuch": 1 }, "rows": 0 }), "there is no column"),
        (json!({ "table": "nosuch", "where": { "id": 1 }, "rows": 0 }), "there is no table"),
        (json!({ "table": "shown", "where": { "id": 1 }, "rows": 1 }), "is no table"),
        (json!({ "table": "lines", "where": { "id": 1 }, "rows": 0 }), "42501"),
    ] {
        let error = attempt(&Delete, &bench.call("delete", Some("shop"), params.clone())).await.expect_err(why);
        assert!(error.to_string().contains(why), "{params}: {error}");
        assert_eq!((error.touch, error.in_doubt), (Touch::Untouched, false), "{error}");
        assert_eq!(count(&server).await, "3", "{params}");
    }
    // A trigger keeps a row back: fewer are deleted than were counted, and all come back.
    server
        .sql(
            "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF OLD.id = 3 THEN RETURN NULL; END IF; RETURN OLD; END';
             CREATE TRIGGER keep BEFORE DELETE ON orders FOR EACH ROW EXECUTE FUNCTION keep()",
        )
        .await;
    let call = bench.call("delete", Some("shop"), order(json!(2)));
    let error = attempt(&Delete, &call).await.unwrap_err();
    assert!(error.message.contains("rows deleted") && error.touch == Touch::Untouched, "{error}");
    assert_eq!(count(&server).await, "3");
    // A row that others point at is refused at the end of the transaction.
    server
        .sql(
            "DROP TRIGGER keep ON orders; ALTER TABLE lines ALTER CONSTRAINT lines_id_fkey DEFERRABLE INITIALLY DEFERRED;
             INSERT INTO lines VALUES (3)",
        )
        .await;
    let error = attempt(&Delete, &call).await.unwrap_err();
    assert!(error.message.contains("the commit was refused") && error.touch == Touch::Untouched, "{error}");
    assert_eq!(count(&server).await, "3");
    // A policy that hides rows from the account is an error, and not a smaller number.
    server.sql("DELETE FROM lines; ALTER TABLE orders ENABLE ROW LEVEL SECURITY").await;
    let error = attempt(&Delete, &call).await.unwrap_err();
    assert!(error.message.contains("row-level security") && error.touch == Touch::Untouched, "{error}");
    server.sql("ALTER TABLE orders DISABLE ROW LEVEL SECURITY").await;
    let (_, applied, evidence) = attempt(&Delete, &call).await.unwrap();
    assert_eq!((applied.outputs["rows"].clone(), evidence.facts["left"].clone()), (json!(2), json!(0)));
    assert_eq!(server.value("SELECT string_agg(id::text, ' ' ORDER BY id) FROM orders").await.as_deref(), Some("2 4"));
    // A value is a value, whatever stands in it; partitions are rows of their table.
    let odd = json!({ "table": "orders", "where": { "sku": "it's \\ \"x\"", "cents": null }, "rows": 1 });
    attempt(&Delete, &bench.call("delete", Some("shop"), odd)).await.unwrap();
    let parts = json!({ "table": "whole", "where": { "at": { "at_most": 2 } }, "rows": { "at_least": 1 } });
    attempt(&Delete, &bench.call("delete", Some("shop"), parts)).await.unwrap();
}

#[tokio::test]
async fn a_delete_that_is_cut_off_is_in_doubt_from_the_commit_on_and_only_then() {
    if missing("postgres", "postgresql-15") {
        return;
    }
    let server = Postgres::start().await;
    server.sql(SHOP).await;
    let proxy = Proxy::before(server.port).await;
    let (bench, direct) = (bench(proxy.port), bench(server.port));
    let call = bench.call("delete", Some("shop"), order(json!(2)));
    for (text, at, doubt, left) in
        [("DELETE FROM", At::Answer, false, "3"), ("COMMIT\0", At::Order, true, "3"), ("COMMIT\0", At::Answer, true, "1")]
    {
        let snapshot = Delete.capture(&call).await.unwrap();
        let fired = proxy.fired();
        proxy.trap(text, at, Then::Cut);
        let error = Delete.apply(&call, &snapshot).await.unwrap_err();
        assert_eq!((error.in_doubt, proxy.fired()), (doubt, fired + 1), "{text} {at:?}: {error}");
        assert!(doubt || error.touch == Touch::Untouched, "{error}");
        assert_eq!(count(&server).await, left, "{text} {at:?}");
        let finding = Delete.probe(&direct.call("delete", Some("shop"), order(json!(2))), &snapshot).await.unwrap().finding;
        assert_eq!(finding, if left == "1" { Finding::Applied } else { Finding::NotApplied });
    }
}

async fn backend(client: &Client) -> i32 {
    client.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn only_the_sessions_that_are_meant_are_ended() {
    if missing("postgres", "postgresql-15") {
        return;
    }
    let server = Postgres::start().await;
    server.sql(SHOP).await;
    server.sql("CREATE DATABASE side").await;
    let bench = bench(server.port);
    let ended =
        async |params: Value| attempt(&KillSessions, &bench.call("cut", Some("shop"), params)).await.map(|(_, a, _)| a.outputs);
    let app = async |database: &str| server.connect("shop_app", "app", database).await.unwrap();
    let (idle, open, side, report) = (
        app("postgres").await,
        app("postgres").await,
        app("side").await,
        server.connect("report", "app", "postgres").await.unwrap(),
    );
    open.batch_execute("BEGIN; SELECT 1").await.unwrap();
    for client in [&idle, &side, &report] {
        client.batch_execute("SELECT 1").await.unwrap();
    }
    let gone = async |client: &Client| {
        until("the client hears of it", Duration::from_secs(60), || async { client.is_closed().then_some(()) }).await;
    };
    // Nobody has been idle for an hour; one with a transaction open is not idle.
    assert_eq!(ended(json!({ "roles": ["shop_app"], "older_than": "1h" })).await.unwrap()["sessions_cut"], 0);
    let pid = backend(&idle).await;
    let outputs = ended(json!({ "roles": ["shop_*"], "idle_only": true })).await.unwrap();
    assert_eq!((outputs["sessions_cut"].clone(), outputs["sessions"][0]["pid"].clone()), (json!(1), json!(pid.to_string())));
    gone(&idle).await;
    assert!(!open.is_closed() && !side.is_closed() && !report.is_closed());
    // Another database, by pattern; then everything of the role here.
    assert_eq!(ended(json!({ "roles": ["shop_app"], "databases": ["si*"] })).await.unwrap()["sessions_cut"], 1);
    gone(&side).await;
    let call = bench.call("cut", Some("shop"), json!({ "roles": ["shop_app"] }));
    let snapshot = KillSessions.capture(&call).await.unwrap();
    assert_eq!(KillSessions.probe(&call, &snapshot).await.unwrap().finding, Finding::NotApplied);
    let applied = KillSessions.apply(&call, &snapshot).await.unwrap();
    assert_eq!(KillSessions.probe(&call, &snapshot).await.unwrap().finding, Finding::Applied);
    gone(&open).await;
    // A client that comes back is another session: it is counted, and no failure.
    let _back = app("postgres").await;
    let evidence = KillSessions.prove(&call, &snapshot, &applied).await.unwrap();
    assert_eq!((evidence.facts["left"].clone(), evidence.facts["new_since"].clone()), (json!(0), json!(1)));
    let refusing = bench.call("cut", Some("shop"), json!({ "roles": ["shop_app"], "reconnects": "refuse" }));
    let error = KillSessions.prove(&refusing, &snapshot, &applied).await.unwrap_err();
    assert!(error.message.contains("1 session came back") && error.touch == Touch::Possible, "{error}");
    assert_eq!(ended(json!({ "roles": ["*"], "except": ["shop_app", "report", "postgres"] })).await.unwrap()["sessions_cut"], 0);
    for (params, why) in [
        (json!({ "roles": ["nosuch"] }), "no role matches"),
        (json!({ "roles": ["shop_app"], "databases": ["nosuch"] }), "no database matches"),
    ] {
        let error = ended(params).await.unwrap_err();
        assert!(error.message.contains(why) && error.touch == Touch::Untouched, "{error}");
    }
    // A superuser's session is out of reach of `pg_signal_backend`, and the step says so.
    let _chief = server.superuser("postgres").await;
    let error = ended(json!({ "roles": [SUPERUSER] })).await.unwrap_err();
    assert!(error.message.contains("pg_terminate_backend"), "{error}");
    assert!(!report.is_closed());
}

#[tokio::test]
async fn an_ending_of_sessions_that_is_cut_off_is_told_as_it_is_and_the_look_tells_who_is_left() {
    if missing("postgres", "postgresql-15") {
        return;
    }
    let server = Postgres::start().await;
    server.sql(SHOP).await;
    let proxy = Proxy::before(server.port).await;
    let (through, direct) = (bench(proxy.port), bench(server.port));
    let params = json!({ "roles": ["shop_app"] });
    let (call, look) = (through.call("cut", Some("shop"), params.clone()), direct.call("cut", Some("shop"), params));
    for (text, at, in_doubt, touch, finding) in [
        ("pg_stat_activity WHERE usename", At::Answer, false, Touch::Untouched, Finding::NotApplied),
        ("pg_terminate_backend", At::Order, true, Touch::Possible, Finding::NotApplied),
        ("pg_terminate_backend", At::Answer, true, Touch::Possible, Finding::Applied),
        ("seconds FROM pg_catalog.pg_stat_activity WHERE pid", At::Order, false, Touch::Possible, Finding::Applied),
    ] {
        let app = async || server.connect("shop_app", "app", "postgres").await.unwrap();
        let clients = [app().await, app().await];
        let moment = format!("`{text}`, {at:?}");
        let snapshot = KillSessions.capture(&look).await.unwrap();
        let fired = proxy.fired();
        proxy.trap(text, at, Then::Cut);
        let error = KillSessions.apply(&call, &snapshot).await.unwrap_err();
        assert_eq!((error.in_doubt, error.touch, proxy.fired()), (in_doubt, touch, fired + 1), "{moment}: {error}");
        // A session that was told to end takes a moment.
        until("the look says what was done", Duration::from_secs(60), || async {
            (KillSessions.probe(&look, &snapshot).await.unwrap().finding == finding).then_some(())
        })
        .await;
        // Whatever was reached, the next attempt ends the rest.
        let applied = KillSessions.apply(&look, &snapshot).await.unwrap();
        assert_eq!(KillSessions.prove(&look, &snapshot, &applied).await.unwrap().facts["new_since"], 0, "{moment}");
        for client in &clients {
            until("the client hears of it", Duration::from_secs(60), || async { client.is_closed().then_some(()) }).await;
        }
    }
}
