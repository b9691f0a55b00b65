//! Every trap that a freeze by hand falls into, shown on the server and then passed by the action.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use pointsman::connectors::Act as _;
use pointsman::connectors::Inspect as _;
use pointsman::connectors::postgres::FreezeWrites;
use pointsman::model::{Finding, Touch};
use serde_json::json;

use super::{INSERT, PASSWORD, Shop, code};
use crate::bench::attempt;
use crate::servers::{missing, until};

#[tokio::test]
async fn a_revoke_does_not_wait_and_the_barrier_does() {
    if missing("postgres", "postgresql-15") {
        return;
    }
    let shop = Shop::with("").await;
    let before = shop.world().await;
    let app = shop.app().await;
    app.simple_query(&format!("BEGIN; {INSERT}")).await.unwrap();
    // What a freeze by hand does: it is over at once, and the row arrives after it.
    shop.server.sql("REVOKE INSERT ON orders FROM shop_app").await;
    app.simple_query("COMMIT").await.unwrap();
    assert_eq!(shop.count().await, 3, "a REVOKE waits on this server");
    shop.server.sql("GRANT INSERT ON orders TO shop_app").await;
    assert_eq!(shop.world().await, before);
    // The action gives up, says who holds it, and its undo is exact.
    app.simple_query(&format!("BEGIN; {INSERT}")).await.unwrap();
    let call = shop.call(json!({ "cut": "none", "barrier_within": "300ms" }));
    let snapshot = FreezeWrites.capture(&call).await.unwrap();
    let error = FreezeWrites.apply(&call, &snapshot).await.unwrap_err();
    assert!(error.message.contains("of shop_app"), "{error}");
    assert_eq!((error.touch, error.in_doubt), (Touch::Possible, false));
    assert!(matches!(FreezeWrites.probe(&call, &snapshot).await.unwrap().finding, Finding::Partial(_)));
    // The transaction that is open commits while the barrier waits: its row is before the fence.
    let call = shop.call(json!({ "cut": "none", "barrier_within": "10s" }));
    let (freeze, commit) = tokio::join!(FreezeWrites.apply(&call, &snapshot), async {
        until("the barrier waits", Duration::from_secs(10), || async {
            let waiting = shop.server.value("SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'ShareLock'").await;
            (waiting.as_deref() == Some("1")).then_some(())
        })
        .await;
        app.simple_query("COMMIT").await
    });
    commit.unwrap();
    let fence = freeze.unwrap().outputs["fence"].as_str().unwrap().to_owned();
    let last = format!("SELECT '{fence}'::pg_lsn <= pg_current_wal_insert_lsn() AND count(*) = 4 FROM orders");
    assert_eq!(shop.server.value(&last).await.as_deref(), Some("t"));
    assert_eq!(code(&app, INSERT).await.as_deref(), Some("42501"));
    FreezeWrites.undo(&call, &snapshot).await.unwrap();
    assert_eq!(shop.world().await, before);
}

#[tokio::test]
async fn a_long_transaction_is_ended_where_the_step_says_so() {
    if missing("postgres", "postgresql-15") {
        return;
    }
    let shop = Shop::with("").await;
    let app = shop.app().await;
    app.simple_query(&format!("BEGIN; {INSERT}")).await.unwrap();
    let more = json!({ "cut": "none", "long_transactions": "terminate", "barrier_within": "200ms" });
    shop.freeze(more).await.unwrap();
    assert_eq!(code(&app, "SELECT 1").await.as_deref(), Some("lost"));
    assert_eq!(shop.count().await, 2, "what was not committed is gone");
}

#[tokio::test]
async fn nologin_and_a_read_only_default_leave_sessions_writing() {
    if missing("postgres", "postgresql-15") {
        return;
    }
    let shop = Shop::with("").await;
    let before = shop.world().await;
    let app = shop.app().await;
    shop.server.sql("ALTER ROLE shop_app NOLOGIN CONNECTION LIMIT 0").await;
    assert_eq!(code(&app, INSERT).await, None, "NOLOGIN alone is no freeze");
    shop.server.sql("ALTER ROLE shop_app LOGIN CONNECTION LIMIT -1").await;
    shop.server.sql("ALTER ROLE shop_app SET default_transaction_read_only = on").await;
    let fresh = shop.app().await;
    assert_eq!(code(&fresh, INSERT).await.as_deref(), Some("25006"));
    assert_eq!(code(&fresh, "SET default_transaction_read_only = off").await, None);
    assert_eq!(code(&fresh, INSERT).await, None, "no client overrides it");
    shop.server.sql("ALTER ROLE shop_app RESET default_transaction_read_only").await;
    let call = shop.call(json!({ "login": "deny" }));
    let (snapshot, applied, _) = attempt(&FreezeWrites, &call).await.unwrap();
    assert_eq!(applied.outputs["sessions_cut"], 2);
    assert_eq!(code(&app, INSERT).await.as_deref(), Some("lost"), "the session lives");
    assert!(shop.server.connect("shop_app", PASSWORD, "postgres").await.is_err(), "it may log in");
    FreezeWrites.undo(&call, &snapshot).await.unwrap();
    assert_eq!(shop.world().await, before);
    assert_eq!(code(&shop.app().await, INSERT).await, None);
}

#[tokio::test]
async fn transaction_ids_miss_a_writer_and_readers_are_never_stopped() {
    if missing("postgres", "postgresql-15") {
        return;
    }
    let mut shop = Shop::with("").await;
    let (writer, reader) = (shop.app().await, shop.app().await);
    reader.simple_query("BEGIN; SELECT count(*) FROM orders").await.unwrap();
    // It has asked for its first row, and has no id yet.
    let slow = tokio::spawn(async move {
        writer.simple_query("INSERT INTO orders (id, sku) SELECT 99, 'slow' FROM pg_sleep(1.5)").await.map(|_| ())
    });
    let holds = "SELECT count(*) FROM pg_locks WHERE relation = 'orders'::regclass AND mode = 'RowExclusiveLock'";
    until("the writer has its lock", Duration::from_secs(10), || async {
        (shop.server.value(holds).await.as_deref() == Some("1")).then_some(())
    })
    .await;
    let ids = "SELECT pg_snapshot_xmin(pg_current_snapshot()) = pg_snapshot_xmax(pg_current_snapshot())";
    assert_eq!(shop.server.value(ids).await.as_deref(), Some("t"), "ids show the writer");
    assert_eq!(shop.count().await, 2);
    shop.freeze(json!({ "cut": "none" })).await.unwrap();
    assert_eq!(shop.count().await, 3, "the barrier was passed before the writer ended");
    slow.await.unwrap().unwrap();
    assert_eq!(code(&reader, "SELECT count(*) FROM orders; COMMIT").await, None, "the reader was disturbed");
    assert!(!shop.bench.statements().iter().any(|sql| sql.contains("EXCLUSIVE")));
}

#[tokio::test]
async fn the_log_moves_on_a_frozen_server_and_that_proves_nothing() {
    if missing("postgres", "postgresql-15") {
        return;
    }
    let shop = Shop::with("").await;
    let call = shop.call(json!({}));
    let (snapshot, applied, _) = attempt(&FreezeWrites, &call).await.unwrap();
    let fence = applied.outputs["fence"].as_str().unwrap();
    shop.server.sql("CHECKPOINT; SELECT pg_switch_wal(); CHECKPOINT").await;
    let moved = format!("SELECT pg_current_wal_insert_lsn() > '{fence}'::pg_lsn");
    assert_eq!(shop.server.value(&moved).await.as_deref(), Some("t"));
    FreezeWrites.prove(&call, &snapshot, &applied).await.unwrap();
}

#[tokio::test]
async fn a_writer_that_reconnects_gets_nothing_acknowledged_after_the_fence() {
    if missing("postgres", "postgresql-15") {
        return;
    }
    for cut in ["all", "writers", "none"] {
        let shop = Shop::with("").await;
        let (stop, written, refused) =
            (Arc::new(AtomicBool::new(false)), Arc::new(AtomicI64::new(0)), Arc::new(AtomicI64::new(0)));
        let mut config = tokio_postgres::Config::new();
        config.host("127.0.0.1").port(shop.server.port).user("shop_app").password(PASSWORD).dbname("postgres");
        let (over, done, denied) = (stop.clone(), written.clone(), refused.clone());
        let writer = tokio::spawn(async move {
            while !over.load(Ordering::SeqCst) {
                let Ok((client, connection)) = config.connect(tokio_postgres::NoTls).await else { continue };
                tokio::spawn(connection);
                while !over.load(Ordering::SeqCst) && !client.is_closed() {
                    match client.simple_query(INSERT).await {
                        Ok(_) => done.fetch_add(1, Ordering::SeqCst),
                        Err(_) => denied.fetch_add(1, Ordering::SeqCst),
                    };
                }
            }
        });
        until("it writes", Duration::from_secs(10), || async { (written.load(Ordering::SeqCst) > 20).then_some(()) }).await;
        let call = shop.call(json!({ "cut": cut }));
        let snapshot = FreezeWrites.capture(&call).await.unwrap();
        let applied = FreezeWrites.apply(&call, &snapshot).await.unwrap();
        let (acknowledged, rows) = (written.load(Ordering::SeqCst), shop.count().await);
        FreezeWrites.prove(&call, &snapshot, &applied).await.unwrap();
        let asked = refused.load(Ordering::SeqCst);
        until("it goes on trying", Duration::from_secs(10), || async {
            (refused.load(Ordering::SeqCst) > asked + 10).then_some(())
        })
        .await;
        assert_eq!(shop.count().await, rows, "{cut}: a row came after the fence");
        // An answer may still have been under way when the freeze returned; a row may not.
        assert!(written.load(Ordering::SeqCst) - acknowledged <= 1, "{cut}");
        assert!(rows - 2 >= written.load(Ordering::SeqCst), "{cut}: an acknowledged row is lost");
        FreezeWrites.undo(&call, &snapshot).await.unwrap();
        until("it writes again", Duration::from_secs(10), || async {
            (written.load(Ordering::SeqCst) > acknowledged + 5).then_some(())
        })
        .await;
        stop.store(true, Ordering::SeqCst);
        writer.await.unwrap();
    }
}

#[tokio::test]
async fn a_prepared_transaction_stops_the_freeze() {
    if missing("postgres", "postgresql-15") {
        return;
    }
    let shop = Shop::with("").await;
    let before = shop.world().await;
    shop.app().await.simple_query(&format!("BEGIN; {INSERT}; PREPARE TRANSACTION 'left'")).await.unwrap();
    let error = shop.freeze(json!({})).await.unwrap_err();
    assert!(error.message.contains("prepared_transaction/left"), "{error}");
    assert_eq!(error.touch, Touch::Untouched);
    assert_eq!(shop.world().await, before);
    // Signed for, it still holds its locks, and the barrier says so.
    let more = json!({ "accept_bypasses": ["prepared_transaction"], "barrier_within": "200ms" });
    let error = shop.freeze(more).await.unwrap_err();
    assert!(error.message.contains("a prepared transaction"), "{error}");
    shop.server.sql("ROLLBACK PREPARED 'left'").await;
    shop.freeze(json!({})).await.unwrap();
}

#[tokio::test]
async fn two_hundred_tables_under_sixteen_writers() {
    if missing("postgres", "postgresql-15") {
        return;
    }
    let shop = Shop::with(
        "DO $$ BEGIN FOR i IN 1..200 LOOP EXECUTE format('CREATE TABLE t%s (id int); GRANT SELECT, INSERT, UPDATE, DELETE \
         ON t%s TO shop_app', i, i); END LOOP; END $$",
    )
    .await;
    let before = shop.world().await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = Vec::new();
    for number in 1..=16 {
        let (client, over) = (shop.app().await, stop.clone());
        writers.push(tokio::spawn(async move {
            while !over.load(Ordering::SeqCst) && !client.is_closed() {
                let _ = client.simple_query(&format!("INSERT INTO t{} VALUES (1)", number * 12)).await;
            }
        }));
    }
    let mut call = shop.call(json!({ "cut": "none" }));
    call.deadline += Duration::from_secs(60);
    let clock = Instant::now();
    let snapshot = FreezeWrites.capture(&call).await.unwrap();
    let captured = clock.elapsed();
    let applied = FreezeWrites.apply(&call, &snapshot).await.unwrap();
    let frozen = clock.elapsed() - captured;
    FreezeWrites.prove(&call, &snapshot, &applied).await.unwrap();
    let proven = clock.elapsed() - captured - frozen;
    stop.store(true, Ordering::SeqCst);
    let undone = Instant::now();
    FreezeWrites.undo(&call, &snapshot).await.unwrap();
    let barrier = &applied.outputs["barrier_ms"];
    eprintln!(
        "201 tables, 16 writers: capture {captured:?}, freeze {frozen:?} with a control of 603 canaries (barrier {barrier} ms), \
         proof {proven:?}, thaw with its canaries {:?}",
        undone.elapsed()
    );
    assert_eq!(applied.outputs["tables"], 201);
    assert_eq!(shop.world().await, before);
}
