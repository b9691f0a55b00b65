//! Ways past a freeze, and rights that come from everywhere.

use mysql_async::prelude::Queryable as _;
use pointsman::connectors::Inspect as _;
use pointsman::connectors::mysql::FreezeWrites;
use pointsman::model::Touch;
use serde_json::json;

use super::{app, bench, code, frozen_and_back, order, refused, shop, world};
use crate::servers::mariadb::MariaDb;
use crate::servers::missing;

/// Rights of every kind, and those that Pointsman needs to take them where they are wider than the database.
pub const EVERYWHERE: &str = "
    CREATE ROLE keeper; GRANT SELECT, UPDATE ON shop.stock TO keeper; GRANT INSERT ON *.* TO keeper;
    GRANT keeper TO app@'%' WITH ADMIN OPTION; SET DEFAULT ROLE keeper FOR app@'%';
    GRANT SELECT, INSERT, DELETE, CREATE TEMPORARY TABLES ON `sh%`.* TO app@'%' WITH GRANT OPTION;
    GRANT UPDATE (sku, note), INSERT (sku), SELECT (sku, id) ON shop.orders TO app@'%' WITH GRANT OPTION;
    GRANT DELETE, TRIGGER ON shop.stock TO app@'%';
    GRANT FILE, UPDATE ON *.* TO app@'%';
    GRANT INSERT ON shop.* TO PUBLIC;
    CREATE PROCEDURE shop.look() SQL SECURITY INVOKER SELECT 1;
    GRANT EXECUTE, ALTER ROUTINE ON PROCEDURE shop.look TO app@'%';
    CREATE USER app@'10.%' IDENTIFIED BY 'other'; GRANT ALL ON shop.* TO app@'10.%' WITH GRANT OPTION;
    GRANT INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX, CREATE VIEW, CREATE ROUTINE, ALTER ROUTINE, DELETE HISTORY,
      TRIGGER, EVENT ON *.* TO pointsman@'%' WITH GRANT OPTION;";

#[tokio::test]
async fn column_role_wildcard_global_and_public_grants_come_back_exactly() {
    if missing("mariadbd", "mariadb-server") {
        return;
    }
    let server = shop().await;
    server.run(EVERYWHERE).await;
    let revokes = [
        "REVOKE DELETE, INSERT ON `sh%`.* FROM `app`@`%`",
        "REVOKE INSERT (`sku`), UPDATE (`note`, `sku`) ON `shop`.`orders` FROM `app`@`%`",
        "REVOKE INSERT ON *.* FROM `keeper`",
        "REVOKE INSERT ON `shop`.* FROM PUBLIC",
        "REVOKE ALTER ROUTINE ON PROCEDURE `shop`.`look` FROM `app`@`%`",
    ];
    rights_come_back(&server, &revokes).await;
}

/// Freezes accounts that hold rights of every kind: these statements are among those that are sent, nothing can be written, and
/// everything comes back.
pub async fn rights_come_back(server: &MariaDb, revokes: &[&str]) {
    let bench = bench(server, server.port);
    let params = order(json!({ "accounts": ["app@*"] }));
    let inspection = FreezeWrites.inspect(&bench.call("freeze", Some("old"), params.clone())).await.unwrap();
    assert_eq!(inspection.blockers, []);
    for sql in revokes {
        assert!(inspection.statements.iter().any(|statement| statement == sql), "{sql}: {:?}", inspection.statements);
    }
    frozen_and_back(server, &bench, params, async |_| {
        let mut app = app(server).await;
        for sql in [
            "INSERT INTO orders (sku) VALUES ('rum')",
            "UPDATE orders SET note = 'x'",
            "DELETE FROM stock",
            "UPDATE stock SET pieces = 0",
            "CREATE TABLE fresh (id INT)",
        ] {
            let refused = code(&app.query_drop(sql).await.unwrap_err());
            assert!([1142, 1143].contains(&refused), "{sql}: {refused}");
        }
        app.query_drop("SELECT sku FROM orders").await.unwrap();
    })
    .await;
    let mut app = app(server).await;
    for sql in ["INSERT INTO orders (sku) VALUES ('rum')", "UPDATE orders SET note = 'x'", "UPDATE stock SET pieces = 9"] {
        app.query_drop(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
}

#[tokio::test]
async fn every_way_past_a_freeze_is_named_and_refused_until_it_is_accepted() {
    if missing("mariadbd", "mariadb-server") {
        return;
    }
    let server = shop().await;
    server
        .run(
            "CREATE PROCEDURE shop.refill() INSERT INTO shop.orders (sku) VALUES ('by definer');
             GRANT EXECUTE ON PROCEDURE shop.refill TO app@'%';
             GRANT SELECT, INSERT, DELETE ON other.* TO app@'%';
             CREATE VIEW other.window AS SELECT id, sku FROM shop.orders;
             CREATE TRIGGER other.copy AFTER INSERT ON other.log FOR EACH ROW INSERT INTO shop.orders (sku) VALUES ('by trigger');
             CREATE TABLE other.parent (id INT PRIMARY KEY);
             CREATE TABLE shop.child (id INT, CONSTRAINT kin FOREIGN KEY (id) REFERENCES other.parent (id) ON DELETE CASCADE);
             CREATE EVENT shop.tick ON SCHEDULE EVERY 1 HOUR DO INSERT INTO shop.orders (sku) VALUES ('by event');
             SET GLOBAL event_scheduler = ON;
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
    let bench = bench(&server, server.port);
    // Each is a real one. The scheduler is stopped and comes back, the rest was accepted.
    let params = order(json!({ "accept_bypasses": names }));
    frozen_and_back(&server, &bench, params, async |_| {
        assert_eq!(server.one::<String>("SELECT @@global.event_scheduler").await, "OFF");
        let mut app = app(&server).await;
        assert_eq!(code(&app.query_drop("INSERT INTO orders (sku) VALUES ('rum')").await.unwrap_err()), 1142);
        for sql in [
            "CALL shop.refill()",
            "INSERT INTO other.window (id, sku) VALUES (77, 'by view')",
            "INSERT INTO other.log (line) VALUES ('x')",
        ] {
            app.query_drop(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        }
        assert_eq!(
            server.one::<u64>("SELECT count(*) FROM shop.orders WHERE sku IN ('by definer', 'by view', 'by trigger')").await,
            3
        );
    })
    .await;
}

/// With the scheduler left alone, exactly these ways past a freeze are named with their owners, and each refuses it until it is
/// accepted.
pub async fn named_and_refused(server: &MariaDb, names: &[&str]) {
    let before = world(server).await;
    let bench = bench(server, server.port);
    let leave = order(json!({ "events": "leave" }));
    let inspection = FreezeWrites.inspect(&bench.call("freeze", Some("old"), leave.clone())).await.unwrap();
    let mut found: Vec<_> = inspection.blockers.iter().map(|b| b.what.split(": ").next().unwrap().to_owned()).collect();
    let mut expected = names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    assert!(inspection.blockers.iter().all(|blocker| blocker.owner.is_some()));
    for missing in 0..names.len() {
        let mut accepted = names.to_vec();
        let left_out = accepted.remove(missing);
        let mut params = leave.clone();
        params["accept_bypasses"] = json!(accepted);
        assert_eq!(refused(&bench, params, left_out).await.touch, Touch::Untouched);
    }
    assert_eq!(world(server).await, before);
}

#[tokio::test]
async fn a_read_only_server_is_passed_by_who_may_and_comes_back_as_it_was() {
    if missing("mariadbd", "mariadb-server") {
        return;
    }
    let server = shop().await;
    server
        .run(
            "CREATE USER clerk@'%' IDENTIFIED BY 'clerk'; GRANT ALL ON shop.* TO clerk@'%';
             CREATE USER admin@'%' IDENTIFIED BY 'admin'; GRANT ALL ON shop.* TO admin@'%'; GRANT READ_ONLY ADMIN ON *.* TO admin@'%';",
        )
        .await;
    let bench = bench(&server, server.port);
    refused(&bench, order(json!({ "server": true, "accept_bypasses": ["account root@*"] })), "account admin@%").await;
    let accepted = json!(["account root@*", "account admin@%"]);
    let params = order(json!({ "server": true, "accept_bypasses": accepted }));
    let (_, proof, _) = frozen_and_back(&server, &bench, params, async |_| {
        let insert = "INSERT INTO shop.orders (sku) VALUES ('rum')";
        let mut clerk = server.session("clerk", "clerk").await.unwrap();
        assert_eq!(code(&clerk.query_drop(insert).await.unwrap_err()), 1290);
        server.session("admin", "admin").await.unwrap().query_drop(insert).await.unwrap();
    })
    .await;
    assert!(proof["canaries"][0]["ends"]["insert"].as_str().unwrap().starts_with("refused ("), "{proof}");
    // A server that was read-only before stays so.
    server.run("SET GLOBAL read_only = 1").await;
    let mut params = order(json!({ "server": true, "accept_bypasses": accepted, "canaries": [] }));
    params["accounts"] = json!(["app@%"]);
    frozen_and_back(&server, &bench, params, async |_| {}).await;
}
