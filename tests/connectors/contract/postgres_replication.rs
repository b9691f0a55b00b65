//! Replication of PostgreSQL under the contract: two servers for each case.

use std::collections::BTreeMap;
use std::sync::Arc;

use pointsman::connectors::postgres::{CarrySequences, Query, WaitSubscription};
use serde_json::json;

use super::{Case, Named, case, named};
use crate::bench::CANARY;
use crate::postgres_replication::{Pair, waiting};

pub fn cases() -> Vec<Named> {
    vec![
        named("postgres.wait_subscription", of_wait),
        named("postgres.carry_sequences", of_carry),
        named("postgres.query", of_query),
    ]
}

fn seen(pair: &Arc<Pair>) -> impl Fn() -> std::pin::Pin<Box<dyn Future<Output = BTreeMap<String, String>>>> + 'static {
    let pair = pair.clone();
    move || {
        let pair = pair.clone();
        Box::pin(async move {
            let subscriptions = pair.new.sql("SELECT subname, subenabled, subslotname FROM pg_subscription").await;
            let slots = pair.old.sql("SELECT slot_name FROM pg_replication_slots").await;
            let publications = pair.old.sql("SELECT pubname FROM pg_publication").await;
            BTreeMap::from([
                ("sequences".to_owned(), pair.sequences().await),
                ("replication".to_owned(), format!("{subscriptions:?} {slots:?} {publications:?}")),
            ])
        })
    }
}

async fn of_wait() -> Case {
    let pair = Arc::new(Pair::start().await);
    pair.old.sql("INSERT INTO orders (sku) VALUES ('x')").await;
    let (world, other) = (seen(&pair), pair.clone());
    let bench = pair.bench();
    let call = bench.call("wait", Some("new"), waiting(&pair.fence().await, json!({})));
    case(bench, WaitSubscription, call).seen_by(world).tampered_by(move || {
        let pair = other.clone();
        async move {
            pair.new.sql("ALTER SUBSCRIPTION shop DISABLE").await;
        }
    })
}

async fn of_carry() -> Case {
    let pair = Arc::new(Pair::unlinked().await);
    pair.old.sql("SELECT nextval('orders_id_seq')").await;
    let bench = pair.bench();
    let call = bench.call("carry", Some("new"), json!({ "source": "old", "margin": 5 }));
    let (world, other) = (seen(&pair), pair.clone());
    case(bench, CarrySequences, call).seen_by(world).tampered_by(move || {
        let pair = other.clone();
        async move {
            pair.new.sql("SELECT setval('orders_id_seq', 1, false)").await;
        }
    })
}

async fn of_query() -> Case {
    let pair = Arc::new(Pair::unlinked().await);
    pair.new.sql(&format!("INSERT INTO orders (sku) VALUES ('{CANARY}')")).await;
    let bench = pair.bench();
    let sql = "SELECT sku, $1 AS s FROM orders WHERE sku = $1 -- the one";
    let call = bench.call("query", Some("new"), json!({ "sql": sql, "bind": [CANARY], "expect": { "sku": CANARY } }));
    let world = seen(&pair);
    case(bench, Query, call).seen_by(world)
}
