//! Publications and subscriptions of PostgreSQL under the contract: what can be changed is everything of replication on both sides.

use std::collections::BTreeMap;
use std::sync::Arc;

use pointsman::connectors::postgres::{CreatePublication, CreateSubscription, DropSubscription, StopSubscription};
use serde_json::json;

use super::{Case, Named, case, named};
use crate::bench::attempt;
use crate::postgres_way_back::WayBack;

pub fn cases() -> Vec<Named> {
    vec![
        named("postgres.create_publication", of_publication),
        named("postgres.create_subscription", of_subscription),
        named("postgres.drop_subscription", of_drop),
        named("postgres.stop_subscription", of_stop),
    ]
}

fn seen(way: &Arc<WayBack>) -> impl Fn() -> std::pin::Pin<Box<dyn Future<Output = BTreeMap<String, String>>>> + 'static {
    let way = way.clone();
    move || {
        let way = way.clone();
        Box::pin(async move { BTreeMap::from([("replication".to_owned(), way.world().await)]) })
    }
}

async fn of_publication() -> Case {
    let way = Arc::new(WayBack::unpublished().await);
    let (call, world, other) = (way.publishing(json!({})), seen(&way), way.clone());
    case(way.pair.bench(), CreatePublication, call).seen_by(world).tampered_by(move || {
        let way = other.clone();
        async move { drop(way.pair.new.sql("ALTER PUBLICATION back SET (publish = 'insert')").await) }
    })
}

async fn of_subscription() -> Case {
    let way = Arc::new(WayBack::published().await);
    let (call, world, other) = (way.following(json!({})), seen(&way), way.clone());
    case(way.pair.bench(), CreateSubscription, call).seen_by(world).tampered_by(move || {
        let way = other.clone();
        async move { drop(way.pair.old.sql("ALTER SUBSCRIPTION back DISABLE").await) }
    })
}

async fn of_drop() -> Case {
    let way = Arc::new(WayBack::published().await);
    attempt(&CreateSubscription, &way.following(json!({}))).await.unwrap();
    let bench = way.pair.bench();
    let call = bench.call("close", Some("old"), json!({ "subscription": "back", "source": "new" }));
    let world = seen(&way);
    case(bench, DropSubscription, call).seen_by(world)
}

async fn of_stop() -> Case {
    let way = Arc::new(WayBack::published().await);
    attempt(&CreateSubscription, &way.following(json!({}))).await.unwrap();
    let bench = way.pair.bench();
    let call = bench.call("stop", Some("old"), json!({ "subscription": "back", "source": "new" }));
    let (world, other) = (seen(&way), way.clone());
    case(bench, StopSubscription, call).seen_by(world).tampered_by(move || {
        let way = other.clone();
        async move { drop(way.pair.old.sql("ALTER SUBSCRIPTION back ENABLE").await) }
    })
}
