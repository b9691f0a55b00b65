//! PostgreSQL under the contract: what can be changed is every grant, and whether the roles may log in.

use std::collections::BTreeMap;
use std::sync::Arc;

use pointsman::connectors::postgres::{AllowWrites, FreezeWrites};
use serde_json::{Value, json};

use super::{Case, Named, case, named};
use crate::bench::{Bench, CANARY};
use crate::servers::postgres::{Postgres, SUPERUSER_PASSWORD};

pub fn cases() -> Vec<Named> {
    vec![named("postgres.freeze_writes", of_freeze), named("postgres.allow_writes", of_allow)]
}

const SHOP: &str = "CREATE TABLE orders (id serial PRIMARY KEY, sku text, note text);
    CREATE TABLE stock (sku text PRIMARY KEY);
    CREATE ROLE shop_group; CREATE ROLE shop_reader LOGIN;
    GRANT SELECT ON orders TO shop_reader;";

async fn shop(more: &str) -> (Bench, Arc<Postgres>) {
    let server = Postgres::start().await;
    server.sql(&format!("{SHOP} CREATE ROLE shop_app LOGIN PASSWORD '{CANARY}' IN ROLE shop_group; {more}")).await;
    let mut bench = Bench::new();
    let url = format!("postgres://postgres@127.0.0.1:{}/postgres", server.port);
    bench.target("old", "postgres", json!({ "url": url, "password": SUPERUSER_PASSWORD }));
    (bench, Arc::new(server))
}

fn params() -> Value {
    json!({
        "roles": ["shop_app"], "canaries": [{ "user": "shop_app", "password": CANARY }],
    })
}

async fn world(server: Arc<Postgres>) -> BTreeMap<String, String> {
    let rows = server.sql(WORLD).await;
    rows.into_iter().map(|row| (row[0].clone().unwrap(), row[1].clone().unwrap())).collect()
}

const WORLD: &str = "SELECT c.relname, string_agg(x::text, ' ' ORDER BY x::text) FROM pg_class c \
    JOIN pg_namespace n ON n.oid = c.relnamespace \
    CROSS JOIN LATERAL aclexplode(coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's'::\"char\" ELSE 'r'::\"char\" END, \
    c.relowner))) x WHERE n.nspname = 'public' AND c.relkind IN ('r', 'S') GROUP BY c.relname \
    UNION ALL SELECT 'column ' || attrelid::regclass || attname, string_agg(x::text, ' ' ORDER BY x::text) FROM pg_attribute \
    CROSS JOIN LATERAL aclexplode(attacl) x WHERE attrelid IN ('orders'::regclass, 'stock'::regclass) GROUP BY 1 \
    UNION ALL SELECT 'role ' || rolname, rolcanlogin::text FROM pg_roles WHERE rolname LIKE 'shop%' \
    UNION ALL SELECT 'rows', count(*)::text FROM orders";

async fn of_freeze() -> Case {
    let grants =
        "GRANT INSERT, UPDATE ON orders TO shop_group; GRANT DELETE ON orders TO PUBLIC; GRANT INSERT ON stock TO shop_app;
        GRANT UPDATE (sku) ON stock TO shop_app WITH GRANT OPTION; GRANT USAGE ON SEQUENCE orders_id_seq TO shop_app";
    let (bench, server) = shop(grants).await;
    let call = bench.call("freeze", Some("old"), params());
    let (seen, tampered) = (server.clone(), server);
    case(bench, FreezeWrites, call).seen_by(move || world(seen.clone())).tampered_by(move || {
        let server = tampered.clone();
        async move { drop(server.sql("GRANT INSERT ON orders TO shop_app").await) }
    })
}

async fn of_allow() -> Case {
    let (bench, server) = shop("").await;
    let call = bench.call("open", Some("old"), params());
    let (seen, tampered) = (server.clone(), server);
    case(bench, AllowWrites, call).seen_by(move || world(seen.clone())).tampered_by(move || {
        let server = tampered.clone();
        async move { drop(server.sql("REVOKE UPDATE ON orders FROM shop_app").await) }
    })
}
