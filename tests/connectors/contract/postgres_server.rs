//! Promotion, sessions and rows of PostgreSQL under the contract.

use std::collections::BTreeMap;
use std::sync::Arc;

use pointsman::connectors::postgres::{Delete, KillSessions, Promote};
use serde_json::json;

use super::{Case, Named, case, named};
use crate::bench::{Bench, CANARY};
use crate::postgres_standby::Standby;
use crate::servers::postgres::{Postgres, SUPERUSER_PASSWORD};

pub fn cases() -> Vec<Named> {
    vec![named("postgres.promote", of_promote), named("postgres.kill_sessions", of_kill), named("postgres.delete", of_delete)]
}

async fn of_promote() -> Case {
    let world = Arc::new(Standby::start().await);
    let bench = world.bench(world.standby.port);
    let call = bench.call("promote", Some("copy"), json!({ "within": "15s" }));
    case(bench, Promote, call).seen_by(move || {
        let world = world.clone();
        async move { BTreeMap::from([("in recovery".to_owned(), world.in_recovery().await.to_string())]) }
    })
}

async fn server() -> (Bench, Arc<Postgres>) {
    let server = Postgres::start().await;
    server
        .sql(&format!(
            "CREATE TABLE queue (id int PRIMARY KEY, note text); INSERT INTO queue VALUES (1, '{CANARY}'), (2, '{CANARY}'), (3, 'kept');
             CREATE ROLE shop_app LOGIN PASSWORD '{CANARY}'"
        ))
        .await;
    let mut bench = Bench::new();
    let url = format!("postgres://postgres@127.0.0.1:{}/postgres", server.port);
    bench.target("old", "postgres", json!({ "url": url, "password": SUPERUSER_PASSWORD }));
    (bench, Arc::new(server))
}

async fn of_kill() -> Case {
    let (bench, server) = server().await;
    // Its own name for itself is a text that an application chooses.
    let app = server.connect("shop_app", CANARY, "postgres").await.unwrap();
    app.batch_execute(&format!("SET application_name = '{CANARY}'")).await.unwrap();
    let call = bench.call("cut", Some("old"), json!({ "roles": ["shop_app"] }));
    let app = Arc::new(app);
    case(bench, KillSessions, call).seen_by(move || {
        let (server, app) = (server.clone(), app.clone());
        async move {
            let sessions = server.value("SELECT count(*) FROM pg_stat_activity WHERE usename = 'shop_app'").await;
            drop(app);
            BTreeMap::from([("sessions".to_owned(), format!("{sessions:?}"))])
        }
    })
}

async fn of_delete() -> Case {
    let (bench, server) = server().await;
    let call = bench.call("delete", Some("old"), json!({ "table": "queue", "where": { "note": CANARY }, "rows": 2 }));
    let (seen, writer) = (server.clone(), server);
    case(bench, Delete, call)
        .seen_by(move || {
            let server = seen.clone();
            async move { BTreeMap::from([("rows".to_owned(), format!("{:?}", server.sql("SELECT * FROM queue ORDER BY id").await))]) }
        })
        .tampered_by(move || {
            let server = writer.clone();
            async move { drop(server.sql(&format!("INSERT INTO queue VALUES (9, '{CANARY}')")).await) }
        })
}
