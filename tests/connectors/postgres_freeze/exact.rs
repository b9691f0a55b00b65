//! The way back: column grants, grant options, grantors, groups, PUBLIC, owners; and the ways past that must be signed for.

use pointsman::connectors::Inspect as _;
use pointsman::connectors::postgres::{AllowWrites, FreezeWrites};
use pointsman::connectors::{Act as _, ActionError};
use pointsman::model::Touch;
use serde_json::json;

use super::{PASSWORD, Shop, code};
use crate::bench::attempt;
use crate::servers::missing;

/// Grants in every form: by column, with option, passed on, to a group, to everybody, on a partition.
const TANGLE: &str = "CREATE ROLE lead LOGIN; CREATE ROLE staff; CREATE ROLE \"odd \"\"name\" NOLOGIN; GRANT staff TO shop_app;
    CREATE TABLE stock (sku text, amount int, secret text);
    GRANT SELECT ON stock TO shop_app;
    GRANT INSERT (sku, amount), UPDATE (amount) ON stock TO shop_app;
    GRANT UPDATE (sku) ON stock TO shop_app WITH GRANT OPTION;
    GRANT INSERT, DELETE ON stock TO lead WITH GRANT OPTION;
    SET ROLE lead; GRANT DELETE ON stock TO shop_app WITH GRANT OPTION; RESET ROLE;
    SET ROLE shop_app; GRANT DELETE ON stock TO \"odd \"\"name\"; GRANT UPDATE (sku) ON stock TO \"odd \"\"name\"; RESET ROLE;
    GRANT INSERT ON orders TO PUBLIC; GRANT TRUNCATE ON orders TO staff; GRANT CREATE ON SCHEMA public TO staff;
    CREATE TABLE log (at int) PARTITION BY RANGE (at); CREATE TABLE log_1 PARTITION OF log FOR VALUES FROM (0) TO (9);
    GRANT INSERT ON log_1 TO shop_app;";

#[tokio::test]
async fn column_grants_options_and_grantors_come_back_exactly() {
    if missing("postgres", "postgresql-15") {
        return;
    }
    let shop = Shop::with(TANGLE).await;
    let before = shop.world().await;
    // By hand: a REVOKE on the table deletes the column grants, and the obvious GRANT opens every column.
    shop.server.sql("REVOKE UPDATE ON stock FROM shop_app CASCADE; GRANT UPDATE ON stock TO shop_app").await;
    assert_eq!(code(&shop.app().await, "UPDATE stock SET secret = 'x'").await, None, "the naive way back is exact");
    shop.server.sql("REVOKE UPDATE ON stock FROM shop_app").await;
    shop.server
        .sql("GRANT UPDATE (amount) ON stock TO shop_app; GRANT UPDATE (sku) ON stock TO shop_app WITH GRANT OPTION")
        .await;
    shop.server.sql("SET ROLE shop_app; GRANT UPDATE (sku) ON stock TO \"odd \"\"name\"").await;
    assert_eq!(shop.world().await, before);
    let call = shop.call(json!({ "tables": ["orders", "stock", "log"], "accept_bypasses": ["other_role"] }));
    for _ in 0..2 {
        let (snapshot, applied, _) = attempt(&FreezeWrites, &call).await.unwrap();
        assert_eq!(applied.outputs["tables"], 4);
        let app = shop.app().await;
        let tries = [
            "INSERT INTO stock (sku) VALUES ('x')",
            "UPDATE stock SET amount = 1",
            "DELETE FROM stock",
            "INSERT INTO log_1 VALUES (1)",
            "INSERT INTO orders (sku) VALUES ('x')",
            "TRUNCATE orders",
            "SELECT nextval('orders_id_seq')",
            "CREATE TABLE mine ()",
        ];
        for sql in tries {
            assert_eq!(code(&app, sql).await.as_deref(), Some("42501"), "{sql}");
        }
        assert_eq!(code(&app, "SELECT * FROM stock").await, None, "reading goes on");
        FreezeWrites.undo(&call, &snapshot).await.unwrap();
        assert_eq!(shop.world().await, before);
    }
    assert_eq!(code(&shop.app().await, "UPDATE stock SET secret = 'x'").await.as_deref(), Some("42501"));
}

#[tokio::test]
async fn a_grant_made_during_the_freeze_is_seen_and_taken_back() {
    if missing("postgres", "postgresql-15") {
        return;
    }
    let shop = Shop::with("CREATE ROLE report").await;
    let before = shop.world().await;
    let call = shop.call(json!({}));
    let (snapshot, applied, _) = attempt(&FreezeWrites, &call).await.unwrap();
    shop.server.sql("GRANT UPDATE (note) ON orders TO shop_app WITH GRANT OPTION").await;
    let error = FreezeWrites.prove(&call, &snapshot, &applied).await.unwrap_err();
    assert!(error.message.contains("UPDATE (note)"), "{error}");
    FreezeWrites.undo(&call, &snapshot).await.unwrap();
    assert_eq!(shop.world().await, before);
}

#[tokio::test]
async fn every_way_past_is_listed_and_refused_until_it_is_signed_for() {
    if missing("postgres", "postgresql-15") {
        return;
    }
    let shop = Shop::with(
        "CREATE ROLE chief SUPERUSER LOGIN; CREATE ROLE other LOGIN; GRANT INSERT ON orders TO other;
         CREATE ROLE loader LOGIN; GRANT pg_write_all_data TO loader;
         CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE child (id int REFERENCES parent ON DELETE CASCADE);
         GRANT DELETE ON parent TO shop_app;
         CREATE TABLE whole (at int) PARTITION BY RANGE (at); CREATE TABLE whole_1 PARTITION OF whole FOR VALUES FROM (0) TO (9);
         CREATE TABLE own (id int); ALTER TABLE own OWNER TO shop_app;
         CREATE SCHEMA side; CREATE VIEW side.window AS SELECT * FROM public.orders; GRANT INSERT ON side.window TO shop_app;
         CREATE FUNCTION side.add() RETURNS void LANGUAGE sql SECURITY DEFINER AS 'INSERT INTO public.orders (sku) VALUES (1)';
         ALTER DEFAULT PRIVILEGES GRANT INSERT ON TABLES TO shop_app;
         CREATE SUBSCRIPTION feed CONNECTION 'dbname=nowhere' PUBLICATION p WITH (connect = false); ALTER SUBSCRIPTION feed ENABLE",
    )
    .await;
    let before = shop.world().await;
    let more = json!({ "tables": ["orders", "child", "whole_1", "own"] });
    let blockers = FreezeWrites.inspect(&shop.call(more.clone())).await.unwrap().blockers;
    let named = |name: &str| blockers.iter().any(|blocker| blocker.what.starts_with(name));
    let all = [
        "superuser/chief",
        "other_role/other",
        "write_all/loader",
        "cascade/public.parent",
        "partition/public.whole",
        "owner/shop_app of public.own",
        "view/side.window",
        "security_definer/side.add",
        "default_privilege/postgres to shop_app",
        "subscription/feed",
    ];
    for name in all {
        assert!(named(name), "{name} is not among {blockers:#?}");
    }
    let error: ActionError = shop.freeze(more.clone()).await.unwrap_err();
    assert!(error.message.contains("cascade/public.parent"), "{error}");
    assert_eq!(error.touch, Touch::Untouched);
    assert_eq!(shop.world().await, before);
    let kinds: Vec<_> = all.iter().map(|name| name.split('/').next().unwrap()).collect();
    let mut signed = more.clone();
    signed["accept_bypasses"] = json!(kinds[1..]);
    let error = shop.freeze(signed.clone()).await.unwrap_err();
    assert!(error.message.contains("superuser/chief") && !error.message.contains("cascade"), "{error}");
    signed["accept_bypasses"] = json!([&kinds[1..], &["superuser/ch*"]].concat());
    let (snapshot, _) = shop.freeze(signed.clone()).await.unwrap();
    FreezeWrites.undo(&shop.call(signed), &snapshot).await.unwrap();
    assert_eq!(shop.world().await, before);
}

#[tokio::test]
async fn the_new_side_is_opened_and_closed_again_exactly() {
    if missing("postgres", "postgresql-15") {
        return;
    }
    let shop = Shop::with("CREATE TABLE stock (sku text, amount int); GRANT UPDATE (amount) ON stock TO shop_app").await;
    shop.server.sql("REVOKE ALL ON orders FROM shop_app; ALTER ROLE shop_app NOLOGIN").await;
    let before = shop.world().await;
    let params = json!({
        "roles": ["shop_app"], "login": "allow", "canaries": [{ "user": "shop_app", "password": PASSWORD, "table": "public.stock" }],
    });
    let call = shop.bench.call("open", Some("old"), params);
    let (snapshot, applied, _) = attempt(&AllowWrites, &call).await.unwrap();
    assert_eq!(applied.outputs["tables"], 2);
    let app = shop.app().await;
    assert_eq!(code(&app, super::INSERT).await, None);
    assert_eq!(AllowWrites.apply(&call, &snapshot).await.unwrap().outputs["granted"], 0);
    let undone = AllowWrites.undo(&shop.bench.call("open", Some("old"), json!({ "roles": ["shop_app"] })), &snapshot).await;
    undone.unwrap();
    assert_eq!(shop.world().await, before);
    assert_eq!(code(&app, super::INSERT).await.as_deref(), Some("42501"));
}
