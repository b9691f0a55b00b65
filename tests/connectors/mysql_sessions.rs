//! Ending sessions of a real MariaDB: whose, and whose not.

use std::time::Duration;

use mysql_async::Conn;
use mysql_async::prelude::Queryable as _;
use pointsman::connectors::mysql::KillSessions;
use pointsman::connectors::{Act as _, Inspect as _};
use pointsman::model::{Finding, Touch};
use serde_json::{Value, json};

use crate::bench::{Bench, attempt};
use crate::mysql_freeze::{account, app, bench, shop};
use crate::servers::mariadb::MariaDb;
use crate::servers::proxy::{At, Proxy, Then};
use crate::servers::{missing, until};

/// How many sessions a step ends.
async fn cut(bench: &Bench, params: Value) -> u64 {
    let call = bench.call("kill", Some("old"), params.clone());
    let (_, applied, evidence) = attempt(&KillSessions, &call).await.unwrap_or_else(|error| panic!("{params}: {error}"));
    assert_eq!(evidence.facts["left"], 0);
    applied.outputs["sessions_cut"].as_u64().unwrap()
}

async fn works(session: &mut Conn) -> bool {
    session.query_drop("SELECT 1").await.is_ok()
}

#[tokio::test]
async fn sessions_end_by_user_host_and_database_and_nobody_elses() {
    if missing("mariadbd", "mariadb-server") {
        return;
    }
    let server = shop().await;
    server.run("CREATE USER clerk@'%' IDENTIFIED BY 'clerk'; GRANT SELECT ON other.* TO app@'%', clerk@'%'").await;
    let bench = bench(&server, server.port);
    let mut pointsman = server.session("pointsman", crate::mysql_freeze::PASSWORD).await.unwrap();
    let (mut here, mut elsewhere) = (app(&server).await, server.session("app", "app-passw0rd").await.unwrap());
    let mut clerk = server.session("clerk", "clerk").await.unwrap();
    elsewhere.query_drop("USE other").await.unwrap();
    // Nobody is meant by a name or a place that is not theirs.
    for params in [
        json!({ "users": ["App"] }),
        json!({ "users": ["app"], "hosts": ["10.*"] }),
        json!({ "databases": ["shop_archive"] }),
        json!({ "users": ["*"], "except": ["app", "clerk", "root"] }),
        json!({ "users": ["app", "clerk"], "older_than": "1h" }),
    ] {
        assert_eq!(cut(&bench, params.clone()).await, 0, "{params}");
    }
    let dry = KillSessions.inspect(&bench.call("kill", Some("old"), json!({ "users": ["app"] }))).await.unwrap();
    assert_eq!((&dry.state["sessions"], &dry.state["of"]), (&json!(2), &json!({ "app@127.0.0.1": 2 })));
    assert!(dry.statements.iter().all(|sql| sql.starts_with("KILL CONNECTION ")), "{:?}", dry.statements);
    assert_eq!(cut(&bench, json!({ "users": ["app"], "databases": ["shop"], "hosts": ["127.0.0.*"] })).await, 1);
    assert_eq!((works(&mut here).await, works(&mut elsewhere).await), (false, true));
    assert_eq!(cut(&bench, json!({ "users": ["*"], "except": ["root"] })).await, 2);
    assert_eq!((works(&mut elsewhere).await, works(&mut clerk).await), (false, false));
    assert!(works(&mut pointsman).await, "sessions of Pointsman's own account stay");
    let error = attempt(&KillSessions, &bench.call("kill", Some("old"), json!({ "idle_only": true }))).await.unwrap_err();
    assert!(error.message.contains("whose sessions") && error.touch == Touch::Untouched, "{error}");
}

#[tokio::test]
async fn idle_sessions_alone_lose_no_work() {
    if missing("mariadbd", "mariadb-server") {
        return;
    }
    let server = shop().await;
    let bench = bench(&server, server.port);
    let (mut idle, mut open, mut busy) = (app(&server).await, app(&server).await, app(&server).await);
    open.query_drop("START TRANSACTION").await.unwrap();
    open.query_drop("INSERT INTO orders (sku) VALUES ('rum')").await.unwrap();
    let number = busy.id();
    let busy = tokio::spawn(async move { busy.query_drop("DO SLEEP(600)").await });
    until("the query runs", Duration::from_secs(60), async || {
        let command: String =
            server.one(&format!("SELECT COMMAND FROM information_schema.processlist WHERE ID = {number}")).await;
        (command == "Query").then_some(())
    })
    .await;
    assert_eq!(cut(&bench, json!({ "users": ["app"], "idle_only": true })).await, 1);
    assert!(!works(&mut idle).await && !busy.is_finished());
    open.query_drop("COMMIT").await.unwrap();
    // Without it everybody goes, and a statement that runs ends with its session.
    assert_eq!(cut(&bench, json!({ "users": ["app"] })).await, 2);
    assert!(busy.await.unwrap().is_err() && !works(&mut open).await);
    assert_eq!(server.one::<u64>("SELECT count(*) FROM shop.orders WHERE sku = 'rum'").await, 1);
}

#[tokio::test]
async fn who_connects_again_is_named_or_refused() {
    if missing("mariadbd", "mariadb-server") {
        return;
    }
    let server = shop().await;
    let bench = bench(&server, server.port);
    for (reconnects, ends_well) in [("report", true), ("refuse", false)] {
        let _before = app(&server).await;
        let call = bench.call("kill", Some("old"), json!({ "users": ["app"], "reconnects": reconnects }));
        let snapshot = KillSessions.capture(&call).await.unwrap();
        let applied = KillSessions.apply(&call, &snapshot).await.unwrap();
        assert_eq!(applied.outputs["sessions_cut"], 1);
        let _pool = app(&server).await;
        match KillSessions.prove(&call, &snapshot, &applied).await {
            Ok(evidence) => assert_eq!((ends_well, &evidence.facts["connected_again"]), (true, &json!({ "app@127.0.0.1": 1 }))),
            Err(error) => assert!(!ends_well && error.message.contains("1 session connected again"), "{error}"),
        }
        assert!(KillSessions.undo(&call, &snapshot).await.unwrap().facts["undo"].as_str().unwrap().contains("stay ended"));
        assert_eq!(cut(&bench, json!({ "users": ["app"] })).await, 1);
    }
}

#[tokio::test]
async fn replication_is_nobodys_session() {
    if missing("mariadbd", "mariadb-server") {
        return;
    }
    let (old, new) = tokio::join!(MariaDb::start(), MariaDb::start());
    old.allow_replicas().await;
    new.follow(&old).await;
    let mut session = old.session("repl", "repl-passw0rd").await.unwrap();
    let dump = "SELECT ID FROM information_schema.processlist WHERE COMMAND LIKE 'Binlog Dump%'";
    let (reading, mut ended) = (old.rows::<u64>(dump).await, 0);
    assert_eq!(reading.len(), 1);
    for server in [&old, &new] {
        server.run_unlogged(&account()).await;
        ended += cut(&bench(server, server.port), json!({ "users": ["*"], "hosts": ["*"] })).await;
    }
    assert!(ended >= 1 && !works(&mut session).await, "the account's other session is one like any other");
    assert_eq!(old.rows::<u64>(dump).await, reading);
    for thread in ["Slave_IO_Running", "Slave_SQL_Running"] {
        assert_eq!(new.replica_field(thread).await.as_deref(), Some("Yes"));
    }
}

#[tokio::test]
async fn an_ending_of_sessions_that_is_cut_off_is_told_as_it_is_and_the_look_tells_who_is_left() {
    if missing("mariadbd", "mariadb-server") {
        return;
    }
    let server = shop().await;
    let proxy = Proxy::before(server.port).await;
    let (through, direct) = (bench(&server, proxy.port), bench(&server, server.port));
    let params = json!({ "users": ["app"] });
    let (call, look) = (through.call("kill", Some("old"), params.clone()), direct.call("kill", Some("old"), params));
    let some_are_left = |left: usize| Finding::Partial(format!("{left} of 3 sessions are left"));
    for (text, of, at, in_doubt, touch, finding) in [
        ("FROM information_schema.processlist ORDER", None, At::Answer, false, Touch::Untouched, Finding::NotApplied),
        ("KILL CONNECTION ", Some(0), At::Order, true, Touch::Possible, Finding::NotApplied),
        ("KILL CONNECTION ", Some(0), At::Answer, true, Touch::Possible, some_are_left(2)),
        ("KILL CONNECTION ", Some(1), At::Order, true, Touch::Possible, some_are_left(2)),
        ("KILL CONNECTION ", Some(1), At::Answer, true, Touch::Possible, some_are_left(1)),
        ("KILL CONNECTION ", Some(2), At::Answer, true, Touch::Possible, Finding::Applied),
        ("FROM information_schema.processlist WHERE", None, At::Order, false, Touch::Possible, Finding::Applied),
    ] {
        let clients = [app(&server).await, app(&server).await, app(&server).await];
        let text = of.map_or_else(|| text.to_owned(), |of: usize| format!("{text}{}", clients[of].id()));
        let moment = format!("`{text}`, {at:?}");
        let snapshot = KillSessions.capture(&look).await.unwrap();
        let fired = proxy.fired();
        proxy.trap(&text, at, Then::Cut);
        let error = KillSessions.apply(&call, &snapshot).await.unwrap_err();
        assert_eq!((error.in_doubt, error.touch, proxy.fired()), (in_doubt, touch, fired + 1), "{moment}: {error}");
        // A session that was told to end takes a moment.
        until("the look says what was done", Duration::from_secs(60), async || {
            (KillSessions.probe(&look, &snapshot).await.unwrap().finding == finding).then_some(())
        })
        .await;
        // Whatever was reached, the next attempt ends the rest.
        let applied = KillSessions.apply(&look, &snapshot).await.unwrap();
        assert_eq!(KillSessions.prove(&look, &snapshot, &applied).await.unwrap().facts["left"], 0, "{moment}");
        for mut client in clients {
            assert!(!works(&mut client).await, "{moment}");
        }
    }
}
