//! Rows, tables, sessions, events and TLS of MySQL.

use mysql_async::prelude::Queryable as _;
use pointsman::connectors::mysql::{AllowWrites, Delete, Events, KillSessions, Query};
use pointsman::connectors::tables::CheckTables;
use pointsman::connectors::{Act as _, Inspect as _};
use serde_json::json;

use super::{bench_of, left_out, shop};
use crate::bench::{Bench, attempt};
use crate::mysql_events::{EVENTS, events};
use crate::mysql_freeze::{PASSWORD, app, code, world};
use crate::mysql_tables;
use crate::servers::mariadb::MariaDb;
use crate::servers::missing;
use crate::servers::mysql::MySql;

#[tokio::test]
async fn tables_of_mysql_and_mariadb_are_compared_exactly() {
    if left_out() || missing("mariadbd", "mariadb-server") {
        return;
    }
    let (old, new) = tokio::join!(MariaDb::start(), MySql::start());
    let mut bench = Bench::new().with_new_sessions();
    for (name, side) in [("old", &old), ("new", &*new)] {
        side.run(mysql_tables::READER).await;
        side.run(mysql_tables::SHOP).await;
        mysql_tables::server(&mut bench, name, side, "");
    }
    let measures = json!(["count", "sum(id)", "sum(cents)", "min(sku)", "max(raw)", "max(at)", "max(flags)", "max(id)"]);
    let orders = bench.call(
        "check",
        None,
        json!({ "source": "old", "target": "new", "tables": ["shop.orders"], "measures": measures, "agree": "100%" }),
    );
    let (_, applied, _) = attempt(&CheckTables, &orders).await.unwrap();
    assert_eq!((&applied.outputs["tables"], &applied.outputs["rows"]), (&json!(1), &json!(3)));
    let all = bench.call("check", None, json!({ "source": "old", "target": "new", "tables": ["*"], "measures": ["count"] }));
    assert_eq!(attempt(&CheckTables, &all).await.unwrap().1.outputs["tables"], 3, "nothing of the server itself, and no view");
    for (broken, says, mended) in [
        (
            "UPDATE shop.orders SET cents = cents + 0.0001 WHERE id = 1",
            "18014398509481986.0003",
            "UPDATE shop.orders SET cents = cents - 0.0001 WHERE id = 1",
        ),
        ("UPDATE shop.orders SET raw = x'02' WHERE id = 2", "x'02'", "UPDATE shop.orders SET raw = x'01' WHERE id = 2"),
        ("RENAME TABLE shop.orders TO shop.gone", "\"verdict\":\"missing\"", "RENAME TABLE shop.gone TO shop.orders"),
    ] {
        new.run(broken).await;
        let error = attempt(&CheckTables, &orders).await.expect_err(broken);
        assert!(error.message.contains(says), "{broken}: {error}");
        new.run(mended).await;
        attempt(&CheckTables, &orders).await.expect(mended);
    }
}

#[tokio::test]
async fn a_side_that_is_super_read_only_is_opened_and_closed_again() {
    if left_out() {
        return;
    }
    let server = shop().await;
    server.run("REVOKE INSERT, UPDATE, DELETE ON shop.* FROM app@'%'; SET GLOBAL super_read_only = 1").await;
    let before = (world(&server).await, server.one::<i64>("SELECT @@global.super_read_only").await);
    let bench = bench_of(&server);
    let canary = json!([{ "account": "app", "password": "app-passw0rd", "table": "shop.orders" }]);
    let params = json!({ "accounts": ["app@%"], "databases": ["shop"], "server": true, "canaries": canary, "within": "30s" });
    let call = bench.call("open", Some("old"), params);
    let (snapshot, _, proof) = attempt(&AllowWrites, &call).await.unwrap();
    assert_eq!(proof.facts["canaries"][0]["accepted"], json!(["insert", "update", "delete"]));
    app(&server).await.query_drop("INSERT INTO orders (sku) VALUES ('rum')").await.unwrap();
    AllowWrites.undo(&call, &snapshot).await.unwrap();
    assert_eq!((world(&server).await, server.one::<i64>("SELECT @@global.super_read_only").await), before);
    let refused = app(&server).await.query_drop("INSERT INTO orders (sku) VALUES ('rum')").await.unwrap_err();
    assert!([1142, 1290].contains(&code(&refused)), "{refused}");
}

#[tokio::test]
async fn events_are_turned_and_come_back_with_definer_and_character_sets() {
    if left_out() {
        return;
    }
    let server = shop().await;
    server.run(&EVENTS.replace("DISABLE ON SLAVE", "DISABLE ON REPLICA")).await;
    server.run("GRANT SET_ANY_DEFINER, SYSTEM_VARIABLES_ADMIN ON *.* TO pointsman@'%'").await;
    let before = events(&server).await;
    let bench = bench_of(&server);
    let params = json!({ "events": ["shop.*"], "within": "50s" });
    let call = bench.call("off", Some("old"), params);
    let (snapshot, applied, _) = attempt(&Events::Disable, &call).await.unwrap();
    assert_eq!(applied.outputs, json!({ "events": 3, "changed": 1 }));
    assert_ne!(events(&server).await, before);
    Events::Disable.undo(&call, &snapshot).await.unwrap();
    assert_eq!(events(&server).await, before);
}

#[tokio::test]
async fn sessions_are_ended_and_rows_asked_for_and_deleted() {
    if left_out() {
        return;
    }
    let server = shop().await;
    let bench = bench_of(&server);
    let mut open = app(&server).await;
    let kill = bench.call("kill", Some("old"), json!({ "users": ["app"] }));
    assert_eq!(KillSessions.inspect(&kill).await.unwrap().state["sessions"], 1);
    let (_, applied, evidence) = attempt(&KillSessions, &kill).await.unwrap();
    assert_eq!((&applied.outputs["sessions_cut"], &evidence.facts["left"]), (&json!(1), &json!(0)));
    assert!(open.query_drop("SELECT 1").await.is_err());
    let query = bench.call("ask", Some("old"), json!({ "sql": "SELECT sku FROM shop.orders WHERE id = 1", "rows": 1 }));
    let (_, applied, _) = attempt(&Query, &query).await.unwrap();
    assert_eq!(applied.outputs["row_count"], 1, "{}", applied.outputs);
    let delete = bench.call("clean", Some("old"), json!({ "table": "shop.orders", "where": { "id": 2 }, "rows": 1 }));
    attempt(&Delete, &delete).await.unwrap();
    assert_eq!(server.rows::<String>("SELECT sku FROM shop.orders").await, ["tea"]);
}

#[tokio::test]
async fn tls_is_asked_for_and_its_certificate_verified() {
    if left_out() {
        return;
    }
    let server = MySql::start_with_tls(&[]).await;
    server.run("CREATE USER pointsman@'%' IDENTIFIED BY 'c4nary-s3cret-value' REQUIRE SSL").await;
    let mut bench = Bench::new();
    let url = format!("mysql://pointsman@127.0.0.1:{}", server.port);
    let (right, wrong) = (server.authority(), bench.path("other.pem"));
    crate::servers::certificates::certificates(bench.folder(), "root", "DNS:elsewhere");
    std::fs::rename(bench.path("ca.pem"), &wrong).unwrap();
    for (tls, ends_well) in [
        (json!({ "mode": "verify-full", "ca": right }), true),
        (json!({ "mode": "verify-full", "ca": wrong }), false),
        (json!(null), false),
    ] {
        let mut settings = json!({ "url": url, "password": PASSWORD });
        if !tls.is_null() {
            settings["tls"] = tls.clone();
        }
        bench.target("old", "mysql", settings);
        let call = bench.call("ask", Some("old"), json!({ "sql": "SELECT 1", "rows": 1 }));
        assert_eq!(attempt(&Query, &call).await.is_ok(), ends_well, "{tls}");
    }
}
