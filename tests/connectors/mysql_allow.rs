//! Opening a side of MariaDB: the privileges, the sessions, the server's switch, and that everything is exactly as before afterwards.

use mysql_async::prelude::Queryable as _;
use pointsman::connectors::mysql::AllowWrites;
use pointsman::connectors::{Act as _, ActionError, Applied, Inspect as _};
use pointsman::model::{Finding, Touch};
use serde_json::{Value, json};

use crate::bench::{Bench, attempt};
use crate::mysql_freeze::faults::measured;
use crate::mysql_freeze::{app, bench, code, shop, world};
use crate::servers::mariadb::MariaDb;
use crate::servers::missing;
use crate::servers::proxy::Proxy;

const INSERT: &str = "INSERT INTO shop.orders (sku) VALUES ('rum')";

/// An application that may read and not write.
async fn closed() -> MariaDb {
    let server = shop().await;
    server.run("REVOKE INSERT, UPDATE, DELETE ON shop.* FROM app@'%'").await;
    server
}

pub fn opening(extra: Value) -> Value {
    let mut params = json!({
        "accounts": ["app@%"], "databases": ["shop"], "within": "60s",
        "canaries": [{ "account": "app", "password": "app-passw0rd", "table": "shop.orders" }],
    });
    params.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    params
}

/// Opens, does something with the open side, undoes, and compares everything with the beginning.
async fn opened_and_back(server: &MariaDb, bench: &Bench, params: Value, meanwhile: impl AsyncFnOnce(&Applied)) -> Value {
    let before = world(server).await;
    let call = bench.call("open", Some("old"), params);
    let (snapshot, applied, _) = attempt(&AllowWrites, &call).await.unwrap();
    meanwhile(&applied).await;
    let undone = AllowWrites.undo(&call, &snapshot).await.unwrap();
    assert_eq!(world(server).await, before);
    assert_eq!((&undone.facts["missing"], &undone.facts["left_over"]), (&json!(0), &json!(0)), "{}", undone.facts);
    let again = AllowWrites.undo(&call, &snapshot).await.unwrap();
    assert_eq!(again.facts["statements"], 0, "a second undo sent something: {}", again.facts);
    undone.facts
}

async fn refused(bench: &Bench, params: Value, why: &str) -> ActionError {
    let error = attempt(&AllowWrites, &bench.call("open", Some("old"), params)).await.expect_err(why);
    assert!(error.message.contains(why), "{why}: {error}");
    error
}

#[tokio::test]
async fn a_side_is_opened_with_its_sessions_and_closed_again_with_its_writers() {
    if missing("mariadbd", "mariadb-server") {
        return;
    }
    let server = closed().await;
    let bench = bench(&server, server.port);
    // A session that was opened before would stay refused until its next `USE`, and one of the open side would go on writing.
    let mut older = app(&server).await;
    assert_eq!(code(&older.query_drop(INSERT).await.unwrap_err()), 1142);
    let mut writer = None;
    let undone = opened_and_back(&server, &bench, opening(json!({})), async |applied| {
        assert_eq!(applied.outputs, json!({ "accounts": 1, "granted": 3, "sessions_cut": 1 }));
        assert!(older.query_drop("SELECT 1").await.is_err(), "the older session is gone");
        let mut session = app(&server).await;
        session.query_drop("START TRANSACTION").await.unwrap();
        session.query_drop(INSERT).await.unwrap();
        writer = Some(session);
    })
    .await;
    assert_eq!(undone["sessions_cut"], 1);
    assert!(writer.unwrap().query_drop("COMMIT").await.is_err(), "the writer was cut");
    assert_eq!(server.one::<u64>("SELECT count(*) FROM shop.orders WHERE sku = 'rum'").await, 0);
    assert_eq!(code(&app(&server).await.query_drop(INSERT).await.unwrap_err()), 1142);
    // What holds already is left alone, with everybody who works there.
    server.run("GRANT INSERT, UPDATE, DELETE ON shop.* TO app@'%'").await;
    let mut working = app(&server).await;
    opened_and_back(&server, &bench, opening(json!({})), async |applied| {
        assert_eq!(applied.outputs, json!({ "accounts": 1, "granted": 0, "sessions_cut": 0 }));
    })
    .await;
    working.query_drop(INSERT).await.unwrap();
}

#[tokio::test]
async fn a_narrow_grant_does_not_shadow_a_wide_one_and_everything_comes_back() {
    if missing("mariadbd", "mariadb-server") {
        return;
    }
    let server = closed().await;
    // What the server does by itself: the grant for `shop` takes away what the wider one gave.
    server
        .run(
            "REVOKE ALL ON shop.* FROM app@'%'; GRANT SELECT, CREATE TEMPORARY TABLES ON `sh%`.* TO app@'%';
             GRANT INSERT ON shop.* TO app@'%'",
        )
        .await;
    let mut session = server.session("app", "app-passw0rd").await.unwrap();
    assert_eq!(code(&session.query_drop("SELECT * FROM shop.orders").await.unwrap_err()), 1142);
    // The same, with more rights of its own: a column, a table, a role.
    server
        .run(
            "REVOKE INSERT ON shop.* FROM app@'%'; GRANT UPDATE (note) ON shop.orders TO app@'%' WITH GRANT OPTION;
             GRANT DELETE ON shop.stock TO app@'%'; CREATE ROLE keeper; GRANT INSERT ON shop.* TO keeper; GRANT keeper TO app@'%';
             GRANT SELECT, CREATE TEMPORARY TABLES ON shop.* TO pointsman@'%' WITH GRANT OPTION",
        )
        .await;
    let bench = bench(&server, server.port);
    opened_and_back(&server, &bench, opening(json!({})), async |applied| {
        assert_eq!(applied.outputs["granted"], 5, "three that were missing, two that would have been shadowed");
        let mut session = app(&server).await;
        for sql in [INSERT, "SELECT * FROM orders", "UPDATE stock SET pieces = 9", "CREATE TEMPORARY TABLE t (id INT)"] {
            session.query_drop(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        }
    })
    .await;
}

#[tokio::test]
async fn a_read_only_server_is_opened_where_the_step_says_so_and_closed_again() {
    if missing("mariadbd", "mariadb-server") {
        return;
    }
    let server = shop().await;
    server.run("SET GLOBAL read_only = 1").await;
    let before = world(&server).await;
    let bench = bench(&server, server.port);
    assert_eq!(refused(&bench, opening(json!({})), "the server is read-only").await.touch, Touch::Untouched);
    let inspection = AllowWrites.inspect(&bench.call("open", Some("old"), opening(json!({})))).await.unwrap();
    assert_eq!(inspection.blockers.len(), 1);
    // The server alone, no account; what is open then ends when the server closes again.
    let params = opening(json!({ "accounts": [], "databases": [], "server": true }));
    opened_and_back(&server, &bench, params, async |_| {
        let mut session = app(&server).await;
        session.query_drop(INSERT).await.unwrap();
    })
    .await;
    assert_eq!(code(&app(&server).await.query_drop(INSERT).await.unwrap_err()), 1290);
    assert_eq!(world(&server).await, before);
}

#[tokio::test]
async fn a_side_that_the_application_cannot_write_to_is_not_open() {
    if missing("mariadbd", "mariadb-server") {
        return;
    }
    let server = closed().await;
    // A name with a wildcard in it is granted on as what it is.
    server.run("GRANT INSERT, UPDATE, DELETE ON shop_archive.* TO pointsman@'%' WITH GRANT OPTION").await;
    let before = world(&server).await;
    let bench = bench(&server, server.port);
    for (params, why) in [
        (json!({ "accounts": ["shop_app@%"] }), "means no account"),
        (json!({ "databases": ["shoop"] }), "means no database"),
        (json!({ "databases": [] }), "need `databases`"),
        (json!({ "accounts": [] }), "nothing is to be opened"),
        (json!({ "accounts": ["pointsman@%"] }), "the account of Pointsman itself"),
        (json!({ "canaries": [{ "account": "app", "password": "wrong", "table": "shop.orders" }] }), "proves nothing"),
    ] {
        let error = refused(&bench, opening(params), why).await;
        assert_eq!((error.touch, error.in_doubt), (Touch::Untouched, false), "{why}");
    }
    assert_eq!(world(&server).await, before);
    // The grants are given, and the application's own write is refused: in another database, or of another kind.
    for params in [
        json!({ "canaries": [{ "account": "app", "password": "app-passw0rd", "table": "other.log" }] }),
        json!({ "accounts": ["app@%"], "databases": ["shop_archive"] }),
    ] {
        let call = bench.call("open", Some("old"), opening(params));
        let snapshot = AllowWrites.capture(&call).await.unwrap();
        let applied = AllowWrites.apply(&call, &snapshot).await.unwrap();
        let error = AllowWrites.prove(&call, &snapshot, &applied).await.unwrap_err();
        assert!(error.message.contains("insert was refused"), "{error}");
        assert_eq!(error.touch, Touch::Possible);
        AllowWrites.undo(&call, &snapshot).await.unwrap();
        assert_eq!(world(&server).await, before);
    }
}

/// In how many places the network is cut, evenly over everything that the server says.
const CUTS: usize = 16;

#[tokio::test]
async fn a_network_that_is_cut_at_any_byte_leaves_a_side_that_is_closed_again_exactly() {
    if missing("mariadbd", "mariadb-server") {
        return;
    }
    let server = closed().await;
    server.run("SET GLOBAL read_only = 1").await;
    let before = world(&server).await;
    let proxy = Proxy::before(server.port).await;
    let bench = bench(&server, proxy.port);
    let call = bench.call("open", Some("old"), opening(json!({ "canaries": [], "server": true })));
    let snapshot = AllowWrites.capture(&call).await.unwrap();
    let forth = measured(&proxy, async { drop(AllowWrites.apply(&call, &snapshot).await.unwrap()) }).await;
    let back = measured(&proxy, async { drop(AllowWrites.undo(&call, &snapshot).await.unwrap()) }).await;
    let (begun, mut failed) = (proxy.fired(), 0);
    for cut in 0..CUTS {
        let snapshot = AllowWrites.capture(&call).await.unwrap();
        proxy.cut_after(forth / CUTS * cut + 30);
        let ended = AllowWrites.apply(&call, &snapshot).await;
        proxy.cut_after(0);
        let changed = world(&server).await != before;
        if let Err(error) = &ended {
            failed += 1;
            assert!(error.touch == Touch::Possible || !changed, "cut {cut} said untouched: {error}");
        }
        match AllowWrites.probe(&call, &snapshot).await.unwrap().finding {
            Finding::NotApplied => assert!(!changed, "cut {cut}"),
            Finding::Applied | Finding::Partial(_) => assert!(changed, "cut {cut}"),
            Finding::Unknown(why) => panic!("cut {cut}: {why}"),
        }
        AllowWrites.apply(&call, &snapshot).await.unwrap();
        proxy.cut_after(back / CUTS * cut + 30);
        let ended = AllowWrites.undo(&call, &snapshot).await;
        proxy.cut_after(0);
        if let Err(error) = ended {
            failed += 1;
            for word in ["REVOKE", "SET GLOBAL read_only = ON"] {
                assert!(error.manual.iter().any(|sql| sql.starts_with(word)), "cut {cut}: {:?}", error.manual);
            }
        }
        AllowWrites.undo(&call, &snapshot).await.unwrap_or_else(|error| panic!("cut {cut}: {error}"));
        assert_eq!(world(&server).await, before, "cut {cut}");
    }
    let fired = proxy.fired() - begun;
    assert!(fired >= CUTS as u64 && failed > 0, "only {fired} of {} cuts fired", 2 * CUTS);
}
