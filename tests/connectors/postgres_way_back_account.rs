//! The accounts of the way back: what the documentation gives is enough to publish and to be followed, and what PostgreSQL 15 keeps for
//! superusers is refused in words before anything happens.

use pointsman::connectors::postgres::{CreatePublication, CreateSubscription, DropSubscription, StopSubscription};
use pointsman::connectors::{Act, Call};
use pointsman::model::Touch;
use serde_json::{Value, json};

use crate::bench::attempt;
use crate::postgres_way_back::WayBack;
use crate::servers::missing;
use crate::servers::postgres::{Postgres, SUPERUSER, SUPERUSER_PASSWORD};

const PASSWORD: &str = "own-passw0rd";

/// The statements of a page that make the account.
fn script(page: &str) -> String {
    let block = page.split("<!-- account -->").nth(1).unwrap().split("```").nth(1).unwrap();
    block.trim_start_matches("sql").replace("DATABASE shop", "DATABASE postgres")
}

/// A shop whose tables have an owner, with the documented account.
async fn settle(server: &Postgres) {
    server
        .sql("CREATE ROLE shop_owner; ALTER TABLE orders OWNER TO shop_owner; ALTER TABLE \"odd \"\"name\" OWNER TO shop_owner")
        .await;
    server.sql(&script(include_str!("../../docs/connectors/postgres.md"))).await;
    server.sql(&script(include_str!("../../docs/connectors/postgres-way-back.md"))).await;
    server.sql(&format!("ALTER ROLE pointsman PASSWORD '{PASSWORD}'")).await;
}

fn settings(user: &str, password: &str, server: &Postgres) -> Value {
    json!({ "url": format!("postgres://{user}@127.0.0.1:{}/postgres", server.port), "password": password })
}

/// That an action is refused by inspect and by the step itself, with nothing changed.
async fn refused<A: Act>(way: &WayBack, action: &A, call: &Call, why: &str) {
    let before = way.world().await;
    let blockers = action.inspect(call).await.unwrap().blockers;
    assert!(blockers.iter().any(|blocker| blocker.what.contains(why)), "`{why}` is not said before: {blockers:?}");
    let error = attempt(action, call).await.unwrap_err();
    assert!(error.message.contains(why) && error.touch == Touch::Untouched, "{error:?}");
    assert_eq!(way.world().await, before, "{why}");
}

#[tokio::test]
async fn the_documented_account_publishes_and_is_followed_and_lacks_nothing_that_it_was_given() {
    if missing("postgres", "postgresql-15") {
        return;
    }
    let mut way = WayBack::unpublished().await;
    settle(&way.pair.new).await;
    way.bench.target("new", "postgres", settings("pointsman", PASSWORD, &way.pair.new));
    let (new, before) = (&way.pair.new, way.world().await);
    let publish = way.publishing(json!({}));
    for (take, give, why) in [
        ("REVOKE shop_owner FROM pointsman", "GRANT shop_owner TO pointsman", "does not own"),
        (
            "REVOKE CREATE ON DATABASE postgres FROM pointsman",
            "GRANT CREATE ON DATABASE postgres TO pointsman",
            "lacks CREATE on the database",
        ),
    ] {
        new.sql(take).await;
        refused(&way, &CreatePublication, &publish, why).await;
        new.sql(give).await;
    }
    let (snapshot, ..) = attempt(&CreatePublication, &publish).await.unwrap();
    CreatePublication.undo(&publish, &snapshot).await.unwrap();
    assert_eq!(way.world().await, before);
    attempt(&CreatePublication, &publish).await.unwrap();
    let follow = way.following(json!({}));
    for (take, give, why) in [
        ("ALTER ROLE pointsman NOREPLICATION", "ALTER ROLE pointsman REPLICATION", "lacks REPLICATION"),
        ("REVOKE pg_read_all_stats FROM pointsman", "GRANT pg_read_all_stats TO pointsman", "lacks pg_read_all_stats"),
    ] {
        new.sql(take).await;
        refused(&way, &CreateSubscription, &follow, why).await;
        new.sql(give).await;
    }
    let before = way.world().await;
    let (snapshot, ..) = attempt(&CreateSubscription, &follow).await.unwrap();
    CreateSubscription.undo(&follow, &snapshot).await.unwrap();
    assert_eq!(way.world().await, before);
    attempt(&CreateSubscription, &follow).await.unwrap();
    let params = json!({ "subscription": "back", "source": "new" });
    let stop = way.bench.call("stop", Some("old"), params.clone());
    let (snapshot, ..) = attempt(&StopSubscription, &stop).await.unwrap();
    StopSubscription.undo(&stop, &snapshot).await.unwrap();
    let close = way.bench.call("close", Some("old"), params);
    new.sql("ALTER ROLE pointsman NOREPLICATION").await;
    refused(&way, &DropSubscription, &close, "lacks REPLICATION").await;
    new.sql("ALTER ROLE pointsman REPLICATION").await;
    attempt(&DropSubscription, &close).await.unwrap();
    assert_eq!(way.world().await, before);
}

#[tokio::test]
async fn a_subscriber_whose_account_is_no_superuser_is_told_before_anything_happens() {
    if missing("postgres", "postgresql-15") {
        return;
    }
    let mut way = WayBack::published().await;
    settle(&way.pair.old).await;
    let own = settings("pointsman", PASSWORD, &way.pair.old);
    way.bench.target("old", "postgres", own.clone());
    refused(&way, &CreateSubscription, &way.following(json!({})), "before PostgreSQL 16 only a superuser may").await;
    // What the server says where nobody asks first.
    let account = way.pair.old.connect("pointsman", PASSWORD, "postgres").await.unwrap();
    let sql = "CREATE SUBSCRIPTION mine CONNECTION 'host=127.0.0.1' PUBLICATION back WITH (connect = false)";
    let error = account.simple_query(sql).await.unwrap_err();
    assert_eq!(error.as_db_error().map(|error| error.code().code()), Some("42501"), "{error:?}");
    // One that a superuser made.
    way.bench.target("old", "postgres", settings(SUPERUSER, SUPERUSER_PASSWORD, &way.pair.old));
    attempt(&CreateSubscription, &way.following(json!({}))).await.unwrap();
    way.bench.target("old", "postgres", own);
    let params = json!({ "subscription": "back", "source": "new" });
    let why = "neither its owner nor a superuser";
    refused(&way, &StopSubscription, &way.bench.call("stop", Some("old"), params.clone()), why).await;
    refused(&way, &DropSubscription, &way.bench.call("close", Some("old"), params), why).await;
}
