//! The freeze on MySQL: nothing is left that could write, and everything comes back word by word.

use mysql_async::prelude::Queryable as _;
use pointsman::connectors::mysql::FreezeWrites;
use pointsman::connectors::{Act as _, Inspect as _};
use pointsman::model::{Finding, Touch};
use serde_json::json;

use super::{bench_of, left_out, shop};
use crate::bench::attempt;
use crate::mysql_freeze::ways::{named_and_refused, rights_come_back};
use crate::mysql_freeze::{app, code, fence, frozen_and_back, order, refused, world};

const INSERT: &str = "INSERT INTO shop.orders (sku) VALUES ('rum')";

#[tokio::test]
async fn a_freeze_takes_writes_and_leaves_reads_and_the_way_back_is_exact() {
    if left_out() {
        return;
    }
    let server = shop().await;
    let bench = bench_of(&server);
    let mut before = app(&server).await;
    let (applied, proof, undone) = frozen_and_back(&server, &bench, order(json!({})), async |applied| {
        assert!(before.query_drop(INSERT).await.is_err(), "an open session is cut");
        let mut app = app(&server).await;
        assert_eq!(code(&app.query_drop(INSERT).await.unwrap_err()), 1142);
        let rows: Option<u64> = app.query_first("SELECT count(*) FROM orders").await.unwrap();
        assert_eq!(rows, Some(2), "reads go on");
        assert_eq!(applied.outputs["fence"], json!(fence(&server).await), "the freeze itself is not in the binary log");
    })
    .await;
    assert_eq!(proof["identity"]["server_id"], json!(server.server_id));
    assert!(proof["identity"]["server_uuid"].as_str().is_some_and(|uuid| uuid.len() == 36), "{proof}");
    assert_eq!(proof["canaries"][0]["ends"]["delete"], "refused (1142)");
    assert_eq!(undone["canaries"][0]["accepted"], json!(["insert", "update", "delete"]));
    assert_eq!(applied.outputs["fence"], json!(fence(&server).await), "the thaw is not in the binary log");
    app(&server).await.query_drop(INSERT).await.unwrap();
}

/// Rights of every kind that MySQL has, and those that Pointsman needs to take them where they are wider than the database.
const EVERYWHERE: &str = "
    CREATE ROLE keeper; GRANT SELECT, UPDATE ON shop.stock TO keeper; GRANT INSERT ON *.* TO keeper;
    GRANT keeper TO app@'%' WITH ADMIN OPTION; SET DEFAULT ROLE keeper TO app@'%';
    GRANT SELECT, INSERT, DELETE, CREATE TEMPORARY TABLES ON `sh%`.* TO app@'%' WITH GRANT OPTION;
    GRANT UPDATE (sku, note), INSERT (sku), SELECT (sku, id) ON shop.orders TO app@'%' WITH GRANT OPTION;
    GRANT DELETE, TRIGGER ON shop.stock TO app@'%';
    GRANT FILE, UPDATE ON *.* TO app@'%'; GRANT BACKUP_ADMIN ON *.* TO app@'%';
    CREATE PROCEDURE shop.look() SQL SECURITY INVOKER SELECT 1;
    GRANT EXECUTE, ALTER ROUTINE ON PROCEDURE shop.look TO app@'%';
    CREATE USER app@'10.%' IDENTIFIED BY 'other'; GRANT ALL ON shop.* TO app@'10.%' WITH GRANT OPTION;
    GRANT INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX, CREATE VIEW, CREATE ROUTINE, ALTER ROUTINE, TRIGGER, EVENT
      ON *.* TO pointsman@'%' WITH GRANT OPTION;";

#[tokio::test]
async fn column_role_wildcard_and_global_grants_come_back_exactly() {
    if left_out() {
        return;
    }
    let server = shop().await;
    server.run(EVERYWHERE).await;
    let revokes = [
        "REVOKE DELETE, INSERT ON `sh%`.* FROM `app`@`%`",
        "REVOKE INSERT (`sku`), UPDATE (`note`, `sku`) ON `shop`.`orders` FROM `app`@`%`",
        "REVOKE INSERT ON *.* FROM `keeper`@`%`",
        "REVOKE ALTER ROUTINE ON PROCEDURE `shop`.`look` FROM `app`@`%`",
    ];
    rights_come_back(&server, &revokes).await;
}

#[tokio::test]
async fn a_global_grant_with_partial_revokes_comes_back_with_them() {
    if left_out() {
        return;
    }
    let server = shop().await;
    server
        .run(
            "SET GLOBAL partial_revokes = ON; CREATE DATABASE wages; CREATE TABLE wages.list (id INT PRIMARY KEY);
             REVOKE ALL ON shop.* FROM app@'%'; GRANT SELECT, INSERT, UPDATE, DELETE ON *.* TO app@'%'; REVOKE INSERT, SELECT ON wages.* FROM app@'%';
             GRANT INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX, CREATE VIEW, CREATE ROUTINE, ALTER ROUTINE, TRIGGER, EVENT
               ON *.* TO pointsman@'%' WITH GRANT OPTION",
        )
        .await;
    frozen_and_back(&server, &bench_of(&server), order(json!({})), async |_| {
        assert_eq!(code(&app(&server).await.query_drop(INSERT).await.unwrap_err()), 1142);
    })
    .await;
    let mut app = app(&server).await;
    app.query_drop(INSERT).await.unwrap();
    assert_eq!(code(&app.query_drop("INSERT INTO wages.list VALUES (1)").await.unwrap_err()), 1142, "what was taken stays taken");
}

#[tokio::test]
async fn a_whole_server_is_made_super_read_only_and_comes_back_as_it_was() {
    if left_out() {
        return;
    }
    let server = shop().await;
    server
        .run(
            "CREATE USER clerk@'%' IDENTIFIED BY 'clerk'; GRANT ALL ON shop.* TO clerk@'%';
             CREATE USER admin@'%' IDENTIFIED BY 'admin'; GRANT ALL ON shop.* TO admin@'%'; GRANT CONNECTION_ADMIN ON *.* TO admin@'%'",
        )
        .await;
    let bench = bench_of(&server);
    let params = order(json!({ "server": true }));
    let (_, proof, _) = frozen_and_back(&server, &bench, params.clone(), async |_| {
        // `super_read_only` knows no exception: neither the clerk, nor who passes `read_only`, nor root.
        for (user, password) in [("clerk", "clerk"), ("admin", "admin")] {
            let mut session = server.session(user, password).await.unwrap();
            assert_eq!(code(&session.query_drop(INSERT).await.unwrap_err()), 1290, "{user}");
        }
        assert_eq!(code(&server.root().await.query_drop(INSERT).await.unwrap_err()), 1290);
    })
    .await;
    assert!(proof["canaries"][0]["ends"]["insert"].as_str().unwrap().starts_with("refused ("), "{proof}");
    // A server that was read-only before stays so, and no more than that.
    server.run("SET GLOBAL read_only = 1").await;
    let mut params = params;
    params["canaries"] = json!([]);
    frozen_and_back(&server, &bench, params, async |_| {
        assert_eq!(server.one::<i64>("SELECT @@global.super_read_only").await, 1);
    })
    .await;
    assert_eq!(server.one::<(i64, i64)>("SELECT @@global.read_only, @@global.super_read_only").await, (1, 0));
}

#[tokio::test]
async fn a_freeze_that_died_half_way_is_seen_and_led_on_or_back() {
    if left_out() {
        return;
    }
    let server = shop().await;
    server.run("CREATE ROLE everybody; GRANT DELETE ON shop.* TO everybody; SET GLOBAL mandatory_roles = 'everybody'").await;
    let before = world(&server).await;
    let bench = bench_of(&server).with_new_sessions();
    let call = bench.call("freeze", Some("old"), order(json!({ "server": true })));
    let snapshot = FreezeWrites.capture(&call).await.unwrap();
    assert_eq!(FreezeWrites.probe(&call, &snapshot).await.unwrap().finding, Finding::NotApplied);
    server.run_unlogged("REVOKE INSERT ON shop.* FROM app@'%'").await;
    let found = FreezeWrites.probe(&call, &snapshot).await.unwrap().finding;
    assert!(matches!(&found, Finding::Partial(why) if why.contains("1 of 4")), "{found:?}");
    let applied = FreezeWrites.apply(&call, &snapshot).await.unwrap();
    FreezeWrites.prove(&call, &snapshot, &applied).await.unwrap();
    assert_eq!(FreezeWrites.probe(&call, &snapshot).await.unwrap().finding, Finding::Applied);
    FreezeWrites.undo(&call, &snapshot).await.unwrap();
    assert_eq!(world(&server).await, before);
}

#[tokio::test]
async fn every_way_past_a_freeze_is_named_and_refused_until_it_is_accepted() {
    if left_out() {
        return;
    }
    let server = shop().await;
    server
        .run(
            "CREATE PROCEDURE shop.refill() INSERT INTO shop.orders (sku) VALUES ('by definer');
             GRANT EXECUTE ON PROCEDURE shop.refill TO app@'%';
             GRANT SELECT, INSERT, DELETE ON other.* TO app@'%';
             CREATE VIEW other.`window` AS SELECT id, sku FROM shop.orders;
             CREATE TRIGGER other.copy AFTER INSERT ON other.log FOR EACH ROW INSERT INTO shop.orders (sku) VALUES ('by trigger');
             CREATE TABLE other.parent (id INT PRIMARY KEY);
             CREATE TABLE shop.child (id INT, CONSTRAINT kin FOREIGN KEY (id) REFERENCES other.parent (id) ON DELETE CASCADE);
             CREATE EVENT shop.tick ON SCHEDULE EVERY 1 HOUR DO INSERT INTO shop.orders (sku) VALUES ('by event');
             CREATE USER app@'10.%' IDENTIFIED BY 'x'; GRANT INSERT ON shop.* TO app@'10.%';
             GRANT CREATE USER ON *.* TO app@'%';",
        )
        .await;
    let names = [
        "routine shop.refill",
        "view other.window",
        "trigger other.copy",
        "foreign key shop.kin",
        "event shop.tick",
        "account app@10.%",
        "power CREATE USER of app@%",
    ];
    named_and_refused(&server, &names).await;
    let bench = bench_of(&server);
    // The scheduler, which MySQL starts by itself, is stopped and comes back; the rest was accepted.
    frozen_and_back(&server, &bench, order(json!({ "accept_bypasses": names })), async |_| {
        assert_eq!(server.one::<String>("SELECT @@global.event_scheduler").await, "OFF");
        let mut app = app(&server).await;
        assert_eq!(code(&app.query_drop(INSERT).await.unwrap_err()), 1142);
        app.query_drop("CALL shop.refill()").await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_prepared_or_open_transaction_is_named_and_nothing_of_it_is_behind_the_fence() {
    if left_out() {
        return;
    }
    let server = shop().await;
    let bench = bench_of(&server);
    let before = world(&server).await;
    let mut session = app(&server).await;
    for sql in ["XA START 'order-7'", INSERT, "XA END 'order-7'", "XA PREPARE 'order-7'"] {
        session.query_drop(sql).await.unwrap();
    }
    session.disconnect().await.unwrap();
    assert_eq!(refused(&bench, order(json!({})), "xa order-7").await.touch, Touch::Untouched);
    server.run("XA ROLLBACK 'order-7'").await;
    // Somebody's open transaction holds the barrier up, and is named.
    let mut slow = app(&server).await;
    slow.query_drop("START TRANSACTION").await.unwrap();
    slow.query_drop(INSERT).await.unwrap();
    let params = order(json!({ "barrier_within": "1s", "cut_sessions": false }));
    let call = bench.call("freeze", Some("old"), params);
    let snapshot = FreezeWrites.capture(&call).await.unwrap();
    let error = FreezeWrites.apply(&call, &snapshot).await.unwrap_err();
    assert!(error.message.contains("of app@127.0.0.1") && error.touch == Touch::Possible, "{error}");
    FreezeWrites.undo(&call, &snapshot).await.unwrap();
    assert_eq!(world(&server).await, before);
    slow.query_drop("ROLLBACK").await.unwrap();
    // One that is cut is rolled back by the server.
    let mut slow = app(&server).await;
    slow.query_drop("START TRANSACTION").await.unwrap();
    slow.query_drop(INSERT).await.unwrap();
    let call = bench.call("freeze", Some("old"), order(json!({})));
    let (snapshot, applied, _) = attempt(&FreezeWrites, &call).await.unwrap();
    assert_eq!(applied.outputs["fence"], json!(fence(&server).await));
    assert_eq!(server.one::<u64>("SELECT count(*) FROM shop.orders").await, 2);
    FreezeWrites.undo(&call, &snapshot).await.unwrap();
    assert_eq!(world(&server).await, before);
}
