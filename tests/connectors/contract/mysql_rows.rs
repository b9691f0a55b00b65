//! Rows of MariaDB under the contract.

use std::collections::BTreeMap;
use std::rc::Rc;

use pointsman::connectors::mysql::{Delete, Query};
use pointsman::connectors::{Act, Call};
use serde_json::json;

use super::{Case, Named, case, named};
use crate::bench::{Bench, CANARY};
use crate::servers::mariadb::MariaDb;

pub fn cases() -> Vec<Named> {
    vec![named("mysql.query", of_query), named("mysql.delete", of_delete)]
}

/// A server with two queues' worth of rows; one row holds the secret, which is also the password of the account that acts.
async fn shop() -> (Rc<MariaDb>, Bench) {
    let server = MariaDb::start().await;
    server
        .run(&format!(
            "CREATE DATABASE shop; CREATE TABLE shop.queue (id INT PRIMARY KEY, note VARCHAR(40));
            INSERT INTO shop.queue VALUES (1, '{CANARY}'), (2, '{CANARY}'), (3, 'kept');
            CREATE USER pointsman@'%' IDENTIFIED BY '{CANARY}'; GRANT SELECT, DELETE ON shop.* TO pointsman@'%'"
        ))
        .await;
    let mut bench = Bench::new();
    bench.target("shop", "mysql", json!({ "url": format!("mysql://pointsman@127.0.0.1:{}", server.port), "password": CANARY }));
    (Rc::new(server), bench)
}

/// A case whose world is the rows.
fn of_shop(bench: Bench, server: Rc<MariaDb>, action: impl Act + 'static, call: Call) -> Case {
    case(bench, action, call).seen_by(move || {
        let server = server.clone();
        async move {
            let rows: Vec<(i64, String)> = server.rows("SELECT id, note FROM shop.queue ORDER BY id").await;
            BTreeMap::from([("rows".to_owned(), format!("{rows:?}"))])
        }
    })
}

async fn of_query() -> Case {
    let (server, bench) = shop().await;
    let sql = "SELECT id, note FROM shop.queue WHERE note = :note ORDER BY id";
    let params = json!({ "sql": sql, "bind": { "note": CANARY }, "expect": { "note": CANARY }, "rows": 2 });
    let call = bench.call("query", Some("shop"), params);
    of_shop(bench, server, Query, call)
}

async fn of_delete() -> Case {
    let (server, bench) = shop().await;
    let call = bench.call("delete", Some("shop"), json!({ "table": "shop.queue", "where": { "note": CANARY }, "rows": 2 }));
    let writer = server.clone();
    of_shop(bench, server, Delete, call).tampered_by(move || {
        let writer = writer.clone();
        async move { writer.run(&format!("INSERT INTO shop.queue VALUES (9, '{CANARY}')")).await }
    })
}
