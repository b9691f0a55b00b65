//! The account that Pointsman uses: the script of the documentation gives it what the actions need, and no more.

use pointsman::connectors::postgres::FreezeWrites;
use pointsman::connectors::{Act as _, Inspect as _};
use serde_json::json;

use super::{INSERT, Shop, code};
use crate::bench::attempt;
use crate::servers::missing;

#[tokio::test]
async fn the_documented_account_freezes_and_thaws_and_another_server_is_left_alone() {
    if missing("postgres", "postgresql-15") {
        return;
    }
    let shop_owner = "CREATE ROLE shop_owner; ALTER TABLE orders OWNER TO shop_owner; GRANT shop_owner TO postgres;";
    let mut shop = Shop::with(shop_owner).await;
    let page = include_str!("../../../docs/connectors/postgres.md");
    let script = page.split("<!-- account -->").nth(1).unwrap().split("```").nth(1).unwrap().trim_start_matches("sql");
    shop.server.sql(script).await;
    shop.server.sql("ALTER ROLE pointsman PASSWORD 'own-passw0rd'").await;
    let before = shop.world().await;
    let id = shop.server.value("SELECT system_identifier FROM pg_control_system()").await;
    let url = format!("postgres://pointsman@127.0.0.1:{}/postgres", shop.server.port);
    let settings = |id: &str| json!({ "url": url, "password": "own-passw0rd", "identity": { "system_identifier": id } });
    shop.bench.target("old", "postgres", settings("12345"));
    let error = FreezeWrites.capture(&shop.call(json!({}))).await.unwrap_err();
    assert!(error.message.contains("another server"), "{error}");
    shop.bench.target("old", "postgres", settings(&id.unwrap()));
    let app = shop.app().await;
    let call = shop.call(json!({ "login": "keep" }));
    let (snapshot, applied, _) = attempt(&FreezeWrites, &call).await.unwrap();
    assert_eq!(applied.outputs["sessions_cut"], 1, "the account may not end sessions");
    assert_eq!(code(&app, INSERT).await.as_deref(), Some("lost"));
    assert_eq!(code(&shop.app().await, INSERT).await.as_deref(), Some("42501"));
    FreezeWrites.undo(&call, &snapshot).await.unwrap();
    assert_eq!(shop.world().await, before);
    // Without the membership the freeze says so before it changes anything.
    shop.server.sql("REVOKE shop_owner FROM pointsman").await;
    let blockers = FreezeWrites.inspect(&shop.call(json!({}))).await.unwrap().blockers;
    assert!(blockers.iter().any(|blocker| blocker.what.contains("may not act as shop_owner")), "{blockers:?}");
}
