//! The traps of a freeze on MariaDB, each a test with its name.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use mysql_async::prelude::Queryable as _;
use pointsman::connectors::mysql::FreezeWrites;
use pointsman::connectors::{Act as _, Inspect as _};
use pointsman::model::Touch;
use serde_json::json;

use super::{app, bench, code, fence, frozen_and_back, order, refused, shop, world};
use crate::servers::{missing, until};

const INSERT: &str = "INSERT INTO orders (sku) VALUES ('rum')";

#[tokio::test]
async fn database_privileges_stay_in_open_sessions_until_use_so_sessions_are_cut_both_ways() {
    if missing("mariadbd", "mariadb-server") {
        return;
    }
    let server = shop().await;
    // What the server does by itself.
    let mut open = app(&server).await;
    server.run("REVOKE INSERT ON shop.* FROM app@'%'").await;
    open.query_drop(INSERT).await.unwrap();
    open.query_drop("USE shop").await.unwrap();
    assert_eq!(code(&open.query_drop(INSERT).await.unwrap_err()), 1142);
    server.run("GRANT INSERT ON shop.* TO app@'%'").await;
    assert_eq!(code(&open.query_drop(INSERT).await.unwrap_err()), 1142, "and the other way round");
    // What the freeze does about it, in both directions.
    let mut before = app(&server).await;
    let mut under = None;
    let bench = bench(&server, server.port);
    let (applied, _, undone) = frozen_and_back(&server, &bench, order(json!({})), async |_| {
        let error = before.query_drop(INSERT).await.unwrap_err();
        assert!(!matches!(error, mysql_async::Error::Server(ref e) if e.code == 1142), "cut, not refused: {error}");
        let mut session = app(&server).await;
        assert_eq!(code(&session.query_drop(INSERT).await.unwrap_err()), 1142);
        under = Some(session);
    })
    .await;
    assert!(applied.outputs["sessions_cut"].as_u64() >= Some(2), "{}", applied.outputs);
    assert!(undone["sessions_cut"].as_u64() >= Some(1), "{undone}");
    assert!(under.unwrap().query_drop(INSERT).await.is_err(), "it would have stayed refused");
    app(&server).await.query_drop(INSERT).await.unwrap();
}

#[tokio::test]
async fn an_account_lock_stops_only_new_logins_and_no_definer_code() {
    if missing("mariadbd", "mariadb-server") {
        return;
    }
    let server = shop().await;
    server
        .run(
            "CREATE DEFINER = app@'%' PROCEDURE other.put() INSERT INTO shop.orders (sku) VALUES ('by definer'); \
             CREATE USER clerk@'%' IDENTIFIED BY 'clerk'; GRANT EXECUTE ON other.* TO clerk@'%', app@'%'",
        )
        .await;
    let mut open = app(&server).await;
    server.run("ALTER USER app@'%' ACCOUNT LOCK").await;
    open.query_drop(INSERT).await.unwrap();
    assert!(server.session("app", "app-passw0rd").await.is_err());
    let mut clerk = server.session("clerk", "clerk").await.unwrap();
    clerk.query_drop("CALL other.put()").await.unwrap();
    server.run("ALTER USER app@'%' ACCOUNT UNLOCK").await;
    // The freeze takes the privileges of the definer, so its code is refused as well.
    frozen_and_back(&server, &bench(&server, server.port), order(json!({})), async |_| {
        assert_eq!(code(&clerk.query_drop("CALL other.put()").await.unwrap_err()), 1142);
    })
    .await;
    clerk.query_drop("CALL other.put()").await.unwrap();
}

#[tokio::test]
async fn the_fence_is_behind_the_transactions_that_were_open_when_the_freeze_began() {
    if missing("mariadbd", "mariadb-server") {
        return;
    }
    let server = shop().await;
    server.run("CREATE USER clerk@'%' IDENTIFIED BY 'clerk'; GRANT ALL ON shop.* TO clerk@'%'").await;
    // A transaction of the application is waited for, and one of somebody who is not frozen holds the barrier.
    let mut application = app(&server).await;
    let mut clerk = server.session("clerk", "clerk").await.unwrap();
    for session in [&mut application, &mut clerk] {
        session.query_drop("START TRANSACTION; INSERT INTO shop.orders (sku) VALUES ('late')").await.unwrap();
    }
    let bench = bench(&server, server.port);
    let call = bench.call("freeze", Some("old"), order(json!({ "transactions": "wait" })));
    let before = (world(&server).await, fence(&server).await);
    let snapshot = FreezeWrites.capture(&call).await.unwrap();
    let commit = async {
        until("the denial", Duration::from_secs(60), async || (world(&server).await != before.0).then_some(())).await;
        application.query_drop("COMMIT").await.unwrap();
        let sql = "SELECT count(*) FROM information_schema.processlist WHERE info LIKE 'LOCK TABLES%' AND state LIKE 'Waiting%'";
        until("the barrier", Duration::from_secs(60), async || (server.one::<u64>(sql).await == 1).then_some(())).await;
        clerk.query_drop("COMMIT").await.unwrap();
        fence(&server).await
    };
    let (applied, last) = tokio::join!(FreezeWrites.apply(&call, &snapshot), commit);
    let applied = applied.unwrap();
    assert_eq!(applied.outputs["fence"], json!(last));
    assert_ne!(last, before.1);
    FreezeWrites.prove(&call, &snapshot, &applied).await.unwrap();
    FreezeWrites.undo(&call, &snapshot).await.unwrap();
    assert_eq!(world(&server).await, before.0);
}

#[tokio::test]
async fn what_holds_the_barrier_is_named_with_its_owner_and_the_way_back_is_exact() {
    if missing("mariadbd", "mariadb-server") {
        return;
    }
    let server = shop().await;
    server.run("CREATE USER clerk@'%' IDENTIFIED BY 'clerk'; GRANT ALL ON shop.* TO clerk@'%'").await;
    let before = world(&server).await;
    let bench = bench(&server, server.port);
    // Somebody else holds a table; the application holds a transaction.
    for (user, password, params, named) in [
        ("clerk", "clerk", json!({ "barrier_within": "1s" }), "of clerk@127.0.0.1"),
        ("app", "app-passw0rd", json!({ "barrier_within": "1s", "transactions": "wait" }), "of app@127.0.0.1"),
        ("app", "app-passw0rd", json!({ "barrier_within": "1s", "cut_sessions": false }), "of app@127.0.0.1"),
    ] {
        let mut holder = server.session(user, password).await.unwrap();
        holder.query_drop("START TRANSACTION; INSERT INTO shop.orders (sku) VALUES ('slow')").await.unwrap();
        let call = bench.call("freeze", Some("old"), order(params));
        let snapshot = FreezeWrites.capture(&call).await.unwrap();
        let error = FreezeWrites.apply(&call, &snapshot).await.unwrap_err();
        assert!(error.message.contains(named), "{error}");
        assert_eq!((error.touch, error.in_doubt), (Touch::Possible, false));
        FreezeWrites.undo(&call, &snapshot).await.unwrap();
        assert_eq!(world(&server).await, before);
    }
}

#[tokio::test]
async fn a_writer_that_reconnects_in_a_loop_has_no_write_acknowledged_behind_the_fence() {
    if missing("mariadbd", "mariadb-server") {
        return;
    }
    let server = shop().await;
    let (done, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(BTreeSet::new())));
    let refusals = Arc::new(AtomicU64::new(0));
    let mut writers = Vec::new();
    for writer in 0..4_u64 {
        let (done, acknowledged, refusals, port) = (done.clone(), acknowledged.clone(), refusals.clone(), server.port);
        writers.push(tokio::spawn(async move {
            let options = mysql_async::OptsBuilder::default().ip_or_hostname("127.0.0.1").tcp_port(port).prefer_socket(false);
            let options = options.user(Some("app")).pass(Some("app-passw0rd")).db_name(Some("shop"));
            let mut number = writer * 1_000_000 + 100;
            while !done.load(Ordering::SeqCst) {
                let Ok(mut session) = mysql_async::Conn::new(options.clone()).await else { continue };
                while !done.load(Ordering::SeqCst) {
                    number += 1;
                    match session.query_drop(format!("INSERT INTO orders (id, sku) VALUES ({number}, 'w')")).await {
                        Ok(()) => drop(acknowledged.lock().unwrap().insert(number)),
                        Err(_) => {
                            refusals.fetch_add(1, Ordering::SeqCst);
                            break;
                        }
                    }
                }
            }
        }));
    }
    until("writing", Duration::from_secs(60), async || (acknowledged.lock().unwrap().len() > 50).then_some(())).await;
    let bench = bench(&server, server.port);
    let (applied, ..) = frozen_and_back(&server, &bench, order(json!({})), async |applied| {
        let refused = refusals.load(Ordering::SeqCst);
        until("more attempts", Duration::from_secs(60), async || (refusals.load(Ordering::SeqCst) > refused + 20).then_some(()))
            .await;
        assert_eq!(applied.outputs["fence"], json!(fence(&server).await), "nothing was written behind the fence");
        let rows: BTreeSet<u64> = server.rows("SELECT id FROM shop.orders WHERE sku = 'w'").await.into_iter().collect();
        let acknowledged = acknowledged.lock().unwrap().clone();
        assert!(acknowledged.is_subset(&rows), "an acknowledged write is gone");
        // What was committed while its session was cut was not acknowledged, and is before the fence.
        assert!(rows.len() - acknowledged.len() <= 4, "{} rows, {} acknowledged", rows.len(), acknowledged.len());
    })
    .await;
    assert!(applied.outputs["sessions_cut"].as_u64() >= Some(1));
    done.store(true, Ordering::SeqCst);
    for writer in writers {
        writer.await.unwrap();
    }
}

#[tokio::test]
async fn a_prepared_transaction_outlives_its_session_and_every_privilege() {
    if missing("mariadbd", "mariadb-server") {
        return;
    }
    let server = shop().await;
    let mut session = app(&server).await;
    for sql in ["XA START 'order-7'", INSERT, "XA END 'order-7'", "XA PREPARE 'order-7'"] {
        session.query_drop(sql).await.unwrap();
    }
    session.disconnect().await.unwrap();
    let before = (world(&server).await, fence(&server).await);
    let bench = bench(&server, server.port);
    let error = refused(&bench, order(json!({})), "xa order-7").await;
    assert_eq!(error.touch, Touch::Untouched);
    let inspection = FreezeWrites.inspect(&bench.call("freeze", Some("old"), order(json!({})))).await.unwrap();
    assert!(inspection.blockers.iter().any(|blocker| blocker.what.starts_with("xa order-7")), "{:?}", inspection.blockers);
    assert_eq!(world(&server).await, before.0);
    // Somebody without a single privilege can commit it: that is the trap.
    server.run("CREATE USER nobody@'%' IDENTIFIED BY 'nobody'").await;
    server.session("nobody", "nobody").await.unwrap().query_drop("XA COMMIT 'order-7'").await.unwrap();
    assert_ne!(fence(&server).await, before.1);
    frozen_and_back(&server, &bench, order(json!({})), async |_| {}).await;
}
