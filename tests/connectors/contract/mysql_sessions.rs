//! Sessions and events of MariaDB under the contract. The account that acts has the secret as its password, and no more rights than
//! documented.

use std::collections::BTreeMap;
use std::rc::Rc;

use pointsman::connectors::mysql::{Events, KillSessions};
use serde_json::json;

use super::{Case, Named, case, named};
use crate::mysql_events::{EVENTS, events};
use crate::mysql_freeze::{app, bench, shop};

pub fn cases() -> Vec<Named> {
    vec![
        named("mysql.kill_sessions", of_kill),
        named("mysql.disable_events", || of_events(Events::Disable)),
        named("mysql.enable_events", || of_events(Events::Enable)),
    ]
}

async fn of_kill() -> Case {
    let server = Rc::new(shop().await);
    let bench = bench(&server, server.port);
    let open = Rc::new([app(&server).await, app(&server).await]);
    let call = bench.call("kill", Some("old"), json!({ "users": ["app"], "within": "60s" }));
    case(bench, KillSessions, call).seen_by(move || {
        let (server, open) = (server.clone(), open.clone());
        async move {
            let sql = "SELECT ID FROM information_schema.processlist WHERE USER = 'app' ORDER BY ID";
            let sessions: Vec<u64> = server.rows(sql).await;
            BTreeMap::from([(format!("of {}", open.len()), format!("{sessions:?}"))])
        }
    })
}

async fn of_events(verb: Events) -> Case {
    let server = Rc::new(shop().await);
    server.run(EVENTS).await;
    let (switch, tampering) = match verb {
        Events::Disable => ("ON", "ALTER DEFINER = app@'%' EVENT shop.tick ENABLE"),
        Events::Enable => ("OFF", "ALTER EVENT shop.resting DISABLE"),
    };
    server.run(&format!("SET GLOBAL event_scheduler = {switch}")).await;
    let bench = bench(&server, server.port);
    let params = json!({ "events": ["shop.*"], "scheduler": true, "within": "60s" });
    let call = bench.call("events", Some("old"), params);
    let seen = server.clone();
    case(bench, verb, call)
        .tampered_by(move || {
            let server = server.clone();
            async move { server.run(tampering).await }
        })
        .seen_by(move || {
            let server = seen.clone();
            async move { events(&server).await }
        })
}
