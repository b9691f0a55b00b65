//! Freezing a real server, MariaDB here and MySQL in `mysql_itself`: the privileges, the sessions, the barrier and the fence, and that everything is exactly as before afterwards.

pub mod faults;
mod traps;
pub mod ways;

use std::collections::BTreeMap;

use mysql_async::Conn;
use mysql_async::prelude::Queryable as _;
use pointsman::connectors::mysql::FreezeWrites;
use pointsman::connectors::{Act as _, ActionError, Applied};
use pointsman::model::Touch;
use serde_json::{Value, json};

use crate::bench::{Bench, attempt};
use crate::servers::mariadb::MariaDb;
use crate::servers::missing;

/// A shop with an application whose rights come from every place from which they can come, and Pointsman's own account with what
/// `docs/connectors/mysql.md` says that it needs.
pub const SHOP: &str = "
    CREATE DATABASE shop; CREATE DATABASE shop_archive; CREATE DATABASE other;
    CREATE TABLE shop.orders (id INT PRIMARY KEY AUTO_INCREMENT, sku VARCHAR(20) NOT NULL DEFAULT '', note TEXT);
    CREATE TABLE shop.stock (id INT PRIMARY KEY, pieces INT NOT NULL);
    CREATE TABLE shop_archive.orders (id INT PRIMARY KEY);
    CREATE TABLE other.log (id INT PRIMARY KEY AUTO_INCREMENT, line TEXT);
    INSERT INTO shop.orders (sku) VALUES ('tea'), ('jam');
    INSERT INTO shop.stock VALUES (1, 10);
    CREATE USER app@'%' IDENTIFIED BY 'app-passw0rd';
    GRANT SELECT, INSERT, UPDATE, DELETE ON shop.* TO app@'%';";

/// The statements of the document: Pointsman's own account.
pub const POINTSMAN: &str = include_str!("../../../docs/connectors/mysql-grants.sql");
pub const PASSWORD: &str = "c4nary-s3cret-value";

pub async fn shop() -> MariaDb {
    let server = MariaDb::start().await;
    server.run(SHOP).await;
    server.run(&account()).await;
    server
}

pub fn account() -> String {
    POINTSMAN.replace("<password>", PASSWORD)
}

/// A bench with the server as the target `old`, reached on `port`.
pub fn bench(server: &MariaDb, port: u16) -> Bench {
    let mut bench = Bench::new();
    bench.target(
        "old",
        "mysql",
        json!({
            "url": format!("mysql://pointsman@127.0.0.1:{port}"), "password": PASSWORD, "connect_within": "2s",
            "identity": { "server_id": server.server_id },
        }),
    );
    bench
}

pub fn order(extra: Value) -> Value {
    let mut params = json!({
        "accounts": ["app@%"], "databases": ["shop"], "barrier_within": "60s",
        "canaries": [{ "account": "app", "password": "app-passw0rd", "table": "shop.orders" }],
    });
    params.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    params
}

/// Everything that a freeze can change on a server, by name.
pub async fn world(server: &MariaDb) -> BTreeMap<String, String> {
    let mut world = BTreeMap::new();
    let mut root = server.root().await;
    let role = if server.is_mysql() { "'N'" } else { "is_role" };
    let accounts: Vec<(String, String, String)> = root.query(format!("SELECT User, Host, {role} FROM mysql.user")).await.unwrap();
    for (user, host, role) in accounts {
        let name = if role == "Y" { user.clone() } else { format!("'{user}'@'{host}'") };
        let mut lines: Vec<String> = root.query(format!("SHOW GRANTS FOR {name}")).await.unwrap_or_default();
        // The order of privileges and columns in a line is another one after a restart; the rows below say which belongs to which.
        for line in &mut lines {
            let mut words: Vec<_> = line.split([' ', ',', '(', ')']).collect();
            words.sort_unstable();
            *line = words.join(" ");
        }
        lines.sort_unstable();
        world.insert(format!("grants {name}"), lines.join("\n"));
        if role != "Y" {
            // An account whose host is a name is none where names are not resolved.
            let made: Option<String> = root.query_first(format!("SHOW CREATE USER {name}")).await.unwrap_or_default();
            world.insert(format!("account {name}"), made.unwrap_or_default());
        }
    }
    let everywhere = [
        (
            "db",
            "CONCAT_WS('|', Host, Db, User, Select_priv, Insert_priv, Update_priv, Delete_priv, Create_priv, Drop_priv, Grant_priv)",
        ),
        ("tables_priv", "CONCAT_WS('|', Host, Db, User, Table_name, Table_priv, Column_priv)"),
        ("columns_priv", "CONCAT_WS('|', Host, Db, User, Table_name, Column_name, Column_priv)"),
        ("procs_priv", "CONCAT_WS('|', Host, Db, User, Routine_name, Routine_type, Proc_priv)"),
    ];
    let own = if server.is_mysql() {
        [
            ("role_edges", "CONCAT_WS('|', TO_HOST, TO_USER, FROM_HOST, FROM_USER, WITH_ADMIN_OPTION)"),
            ("global_grants", "CONCAT_WS('|', HOST, USER, PRIV, WITH_GRANT_OPTION)"),
        ]
    } else {
        [("roles_mapping", "CONCAT_WS('|', Host, User, Role, Admin_option)"), ("global_priv", "CONCAT_WS('|', Host, User, Priv)")]
    };
    for (table, columns) in everywhere.into_iter().chain(own) {
        let mut rows: Vec<String> = root.query(format!("SELECT {columns} FROM mysql.{table}")).await.unwrap();
        rows.sort_unstable();
        world.insert(table.to_owned(), rows.join("\n"));
    }
    for variable in ["read_only", "event_scheduler"] {
        let value: Option<String> = root.query_first(format!("SELECT @@global.{variable}")).await.unwrap();
        world.insert(variable.to_owned(), value.unwrap());
    }
    root.disconnect().await.unwrap();
    world
}

pub async fn app(server: &MariaDb) -> Conn {
    let mut app = server.session("app", "app-passw0rd").await.unwrap();
    app.query_drop("USE shop").await.unwrap();
    app
}

pub async fn fence(server: &MariaDb) -> String {
    server.logged().await
}

/// The number of the server's refusal.
pub fn code(error: &mysql_async::Error) -> u16 {
    match error {
        mysql_async::Error::Server(error) => error.code,
        other => panic!("{other}"),
    }
}

/// Freezes, does something under the freeze, undoes, and compares everything with the beginning.
pub async fn frozen_and_back(
    server: &MariaDb,
    bench: &Bench,
    params: Value,
    under: impl AsyncFnOnce(&Applied),
) -> (Applied, Value, Value) {
    let before = world(server).await;
    let call = bench.call("freeze", Some("old"), params);
    let (snapshot, applied, proof) = attempt(&FreezeWrites, &call).await.unwrap();
    assert_ne!(world(server).await, before, "nothing was taken");
    under(&applied).await;
    let undone = FreezeWrites.undo(&call, &snapshot).await.unwrap();
    assert_eq!(world(server).await, before);
    assert_eq!((&undone.facts["missing"], &undone.facts["left_over"]), (&json!(0), &json!(0)), "{}", undone.facts);
    let again = FreezeWrites.undo(&call, &snapshot).await.unwrap();
    assert_eq!(again.facts["statements"], 0, "a second undo sent something: {}", again.facts);
    (applied, proof.facts, undone.facts)
}

/// An attempt that fails for this reason.
pub async fn refused(bench: &Bench, params: Value, why: &str) -> ActionError {
    let error = attempt(&FreezeWrites, &bench.call("freeze", Some("old"), params)).await.expect_err(why);
    assert!(error.message.contains(why), "{why}: {error}");
    error
}

#[tokio::test]
async fn a_freeze_takes_writes_and_leaves_reads_and_the_way_back_is_exact() {
    if missing("mariadbd", "mariadb-server") {
        return;
    }
    let server = shop().await;
    let bench = bench(&server, server.port);
    let (applied, proof, undone) = frozen_and_back(&server, &bench, order(json!({})), async |applied| {
        let mut app = app(&server).await;
        let refused = app.query_drop("INSERT INTO orders (sku) VALUES ('rum')").await.unwrap_err();
        assert_eq!(code(&refused), 1142);
        let rows: Option<u64> = app.query_first("SELECT count(*) FROM orders").await.unwrap();
        assert_eq!(rows, Some(2), "reads go on");
        assert_eq!(applied.outputs["fence"], json!(fence(&server).await), "the freeze itself is not in the binary log");
    })
    .await;
    assert_eq!(applied.outputs["accounts"], 1);
    assert_eq!(proof["canaries"][0]["ends"]["delete"], "refused (1142)");
    assert_eq!(undone["canaries"][0]["accepted"], json!(["insert", "update", "delete"]));
    assert_eq!(applied.outputs["fence"], json!(fence(&server).await), "the thaw is not in the binary log");
    let mut app = app(&server).await;
    app.query_drop("INSERT INTO orders (sku) VALUES ('rum')").await.unwrap();
}

#[tokio::test]
async fn what_is_misspelt_or_somebody_else_is_refused_before_anything_is_sent() {
    if missing("mariadbd", "mariadb-server") {
        return;
    }
    let server = shop().await;
    let before = world(&server).await;
    let mut bench = bench(&server, server.port);
    for (params, why) in [
        (json!({ "accounts": ["shop_app@%"] }), "means no account"),
        (json!({ "databases": ["shoop"] }), "means no database"),
        (json!({ "accounts": [] }), "nothing is to be frozen"),
        (json!({ "accounts": ["pointsman@%"] }), "the account of Pointsman itself"),
        (json!({ "canaries": [{ "account": "app", "password": "wrong", "table": "shop.orders" }] }), "proves nothing"),
        (json!({ "canaries": [{ "account": "app", "password": "app-passw0rd", "table": "shop.gone" }] }), "is not there"),
        (
            json!({ "canaries": [{ "account": "app", "password": "app-passw0rd", "table": "other.log" }] }),
            "refused before the freeze",
        ),
    ] {
        let error = refused(&bench, order(params), why).await;
        assert_eq!((error.touch, error.in_doubt), (Touch::Untouched, false), "{why}");
    }
    bench.target(
        "old",
        "mysql",
        json!({ "url": format!("mysql://pointsman@127.0.0.1:{}", server.port), "password": PASSWORD, "identity": { "server_id": 7 } }),
    );
    refused(&bench, order(json!({})), "is another server: its server_id is").await;
    bench.target("old", "mysql", json!({ "url": format!("mysql://pointsman:x@127.0.0.1:{}", server.port) }));
    refused(&bench, order(json!({})), "carries a password").await;
    assert_eq!(world(&server).await, before);
}
