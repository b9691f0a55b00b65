//! The freeze of PostgreSQL against the server, a test per trap.

use pointsman::connectors::postgres::FreezeWrites;
use pointsman::connectors::{ActionError, Call};
use serde_json::{Value, json};
use tokio_postgres::Client;

use crate::bench::{Bench, attempt};
use crate::servers::postgres::{Postgres, SUPERUSER_PASSWORD};

mod account;
mod exact;
mod faults;
mod traps;

pub const PASSWORD: &str = "app-passw0rd";

/// A shop with one application role that may do everything with its tables.
pub const SHOP: &str = "CREATE TABLE orders (id serial PRIMARY KEY, sku text, note text);
    INSERT INTO orders (sku) VALUES ('tea'), ('jam');
    CREATE ROLE shop_app LOGIN PASSWORD 'app-passw0rd';
    GRANT SELECT, INSERT, UPDATE, DELETE ON orders TO shop_app; GRANT USAGE ON SEQUENCE orders_id_seq TO shop_app;";

/// Every grant on tables, columns, sequences and schemas, whatever its form, and every role's login.
pub const WORLD: &str = "SELECT string_agg(line, E'\\n' ORDER BY line) FROM ( \
    SELECT c.relname || x::text AS line FROM pg_class c CROSS JOIN LATERAL aclexplode(coalesce(c.relacl, \
    acldefault(CASE c.relkind WHEN 'S' THEN 's'::\"char\" ELSE 'r'::\"char\" END, c.relowner))) x \
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'S') \
    UNION ALL SELECT attrelid::regclass || '.' || attname || x::text FROM pg_attribute \
    CROSS JOIN LATERAL aclexplode(attacl) x WHERE attacl IS NOT NULL AND attrelid::regclass::text NOT LIKE 'pg_%' \
    UNION ALL SELECT nspname || x::text FROM pg_namespace CROSS JOIN LATERAL aclexplode(nspacl) x WHERE nspname = 'public' \
    UNION ALL SELECT rolname || rolcanlogin FROM pg_roles) l";

pub struct Shop {
    pub server: Postgres,
    pub bench: Bench,
}

impl Shop {
    pub async fn with(more: &str) -> Self {
        let server = Postgres::start().await;
        server.sql(&format!("{SHOP} {more}")).await;
        let mut shop = Self { bench: Bench::new(), server };
        shop.aim(shop.server.port);
        shop
    }

    /// The target `old` is reached through this port.
    pub fn aim(&mut self, port: u16) {
        let url = format!("postgres://postgres@127.0.0.1:{port}/postgres");
        let settings = json!({ "url": url, "password": SUPERUSER_PASSWORD, "connect_within": "2s" });
        self.bench.target("old", "postgres", settings);
    }

    pub fn call(&self, more: Value) -> Call {
        let mut params = json!({ "roles": ["shop_app"], "canaries": [{ "user": "shop_app", "password": PASSWORD }] });
        for (key, value) in more.as_object().unwrap() {
            params[key] = value.clone();
        }
        self.bench.call("freeze", Some("old"), params)
    }

    pub async fn freeze(&self, more: Value) -> Result<(Value, Value), ActionError> {
        let (snapshot, applied, _) = attempt(&FreezeWrites, &self.call(more)).await?;
        Ok((snapshot, applied.outputs))
    }

    pub async fn app(&self) -> Client {
        self.server.connect("shop_app", PASSWORD, "postgres").await.unwrap()
    }

    pub async fn world(&self) -> String {
        self.server.value(WORLD).await.unwrap()
    }

    pub async fn count(&self) -> i64 {
        self.server.value("SELECT count(*) FROM orders").await.unwrap().parse().unwrap()
    }
}

pub const INSERT: &str = "INSERT INTO orders (sku) VALUES ('late')";

/// The SQLSTATE that a statement ends with, `lost` where the session was ended; none where it succeeds.
pub async fn code(client: &Client, sql: &str) -> Option<String> {
    let error = client.simple_query(sql).await.err()?;
    Some(error.code().map(|code| code.code()).filter(|code| *code != "57P01").unwrap_or("lost").to_owned())
}
