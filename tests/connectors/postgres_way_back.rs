//! The way back by replication: a new side publishes, the old one follows, both are undone exactly, and what would go wrong is named.

use std::time::Duration;

use pointsman::connectors::postgres::{CreatePublication, CreateSubscription, DropSubscription, StopSubscription};
use pointsman::connectors::{Act as _, Call, Inspect as _};
use pointsman::model::{Finding, Touch};
use serde_json::{Value, json};

use crate::bench::{Bench, CANARY, attempt};
use crate::postgres_replication::Pair;
use crate::servers::postgres::{Postgres, SUPERUSER, version};
use crate::servers::proxy::{Fault, Proxy};
use crate::servers::{missing, until};

/// `new` publishes, `old` is to follow; nobody follows anybody yet. The account that reads has the bench's secret as password.
pub struct WayBack {
    pub pair: Pair,
    pub bench: Bench,
    /// The port at which `old` reaches `new`.
    pub port: u16,
}

const READER: &str = "CREATE ROLE reader LOGIN REPLICATION PASSWORD";

impl WayBack {
    pub async fn unpublished() -> Self {
        let pair = Pair::unlinked().await;
        pair.new.sql(&format!("{READER} '{CANARY}'")).await;
        Self { bench: pair.bench(), port: pair.new.port, pair }
    }

    pub async fn published() -> Self {
        let way = Self::unpublished().await;
        way.pair.new.sql("CREATE PUBLICATION back FOR TABLE orders, \"odd \"\"name\"").await;
        way
    }

    pub fn publishing(&self, more: Value) -> Call {
        self.bench.call("publish", Some("new"), with(json!({ "publication": "back" }), more))
    }

    pub fn following(&self, more: Value) -> Call {
        let connection = json!({ "user": "reader", "password": CANARY, "port": self.port });
        let params = json!({ "subscription": "back", "source": "new", "publication": "back", "connection": connection });
        self.bench.call("follow", Some("old"), with(params, more))
    }

    /// Everything of replication on both sides.
    pub async fn world(&self) -> String {
        let sql = "SELECT 'publication', pubname::text, obj_description(oid, 'pg_publication') FROM pg_publication UNION ALL \
                   SELECT 'subscription', subname::text, subenabled || ' ' || coalesce(subslotname, '-') FROM pg_subscription UNION ALL \
                   SELECT 'slot', slot_name::text, database::text FROM pg_replication_slots UNION ALL \
                   SELECT 'origins', count(*)::text, '' FROM pg_replication_origin ORDER BY 1, 2";
        format!("{:?} {:?}", self.pair.old.sql(sql).await, self.pair.new.sql(sql).await)
    }

    async fn arrives(&self, sku: &str) {
        self.pair.new.sql(&format!("INSERT INTO orders (id, sku) VALUES ((random() * 1e9)::int, '{sku}')")).await;
        let sql = format!("SELECT count(*) FROM orders WHERE sku = '{sku}'");
        until("a row of the new side is on the old one", Duration::from_secs(60), || async {
            (self.pair.old.value(&sql).await.as_deref() == Some("1")).then_some(())
        })
        .await;
    }
}

fn with(mut params: Value, more: Value) -> Value {
    params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    params
}

#[tokio::test]
async fn a_publication_is_made_only_where_updates_stay_possible_and_goes_exactly() {
    if missing("postgres", "postgresql-15") {
        return;
    }
    let way = WayBack::unpublished().await;
    let new = &way.pair.new;
    new.sql(
        "CREATE TABLE bare (id int); CREATE TABLE log (at int PRIMARY KEY) PARTITION BY RANGE (at);
         CREATE TABLE log_1 PARTITION OF log FOR VALUES FROM (0) TO (9); CREATE UNLOGGED TABLE fleeting (id int PRIMARY KEY)",
    )
    .await;
    let before = way.world().await;
    let error = attempt(&CreatePublication, &way.publishing(json!({ "except": ["fleeting"] }))).await.unwrap_err();
    assert!(
        error.message.contains("updates and deletes of public.bare would fail") && error.touch == Touch::Untouched,
        "{error}"
    );
    let error = attempt(&CreatePublication, &way.publishing(json!({ "except": ["bare"] }))).await.unwrap_err();
    assert!(error.message.contains("public.fleeting cannot be published"), "{error}");
    // What the server does where nobody looks: the application's update fails.
    new.sql("INSERT INTO bare VALUES (1); CREATE PUBLICATION careless FOR TABLE bare").await;
    let app = new.superuser("postgres").await;
    let refused = app.simple_query("UPDATE bare SET id = 2").await.unwrap_err();
    assert_eq!(refused.as_db_error().map(|error| error.code().code()), Some("55000"), "{refused:?}");
    new.sql("DROP PUBLICATION careless").await;
    assert_eq!(way.world().await, before);
    // Inserts alone need no identity.
    let inserts = way.publishing(json!({ "tables": ["bare"], "operations": ["insert"] }));
    let (snapshot, ..) = attempt(&CreatePublication, &inserts).await.unwrap();
    CreatePublication.undo(&inserts, &snapshot).await.unwrap();
    let call = way.publishing(json!({ "except": ["bare", "fleeting"] }));
    let (snapshot, applied, _) = attempt(&CreatePublication, &call).await.unwrap();
    assert_eq!(applied.outputs["tables"], 3, "two tables and one partition");
    assert!(way.world().await.contains(&way.bench.run.to_string()), "it does not say whose it is");
    new.sql("ALTER PUBLICATION back DROP TABLE orders").await;
    let error = CreatePublication.prove(&call, &snapshot, &applied).await.unwrap_err();
    assert!(error.message.contains("tables missing [public.orders]"), "{error}");
    assert!(matches!(CreatePublication.probe(&call, &snapshot).await.unwrap().finding, Finding::Partial(_)));
    CreatePublication.undo(&call, &snapshot).await.unwrap();
    assert_eq!(way.world().await, before);
    // One of somebody else is left alone: as it is where it does, and refused where it does not.
    new.sql("CREATE PUBLICATION back FOR TABLE orders").await;
    let error = attempt(&CreatePublication, &call).await.unwrap_err();
    assert!(error.message.contains("is another"), "{error}");
    let error = CreatePublication.undo(&call, &snapshot).await.unwrap_err();
    assert!(error.message.contains("was not made by this step") && !error.manual.is_empty(), "{error}");
    let same = way.publishing(json!({ "tables": ["orders"] }));
    let (snapshot, ..) = attempt(&CreatePublication, &same).await.unwrap();
    CreatePublication.undo(&same, &snapshot).await.unwrap();
    assert_eq!(new.value("SELECT count(*) FROM pg_publication").await.as_deref(), Some("1"));
}

#[tokio::test]
async fn the_old_side_follows_and_every_half_state_is_found_and_undone() {
    if missing("postgres", "postgresql-15") {
        return;
    }
    let mut way = WayBack::published().await;
    let before = way.world().await;
    let call = way.following(json!({}));
    let (snapshot, applied, evidence) = attempt(&CreateSubscription, &call).await.unwrap();
    let slot = applied.outputs["slot"].as_str().unwrap().to_owned();
    assert!(slot.starts_with("pointsman_shop_20261121_abcd_follow_"), "{slot}");
    assert_eq!(evidence.facts["ends"]["slot"]["state"], "streaming");
    way.arrives("first").await;
    let finding = async |way: &WayBack| CreateSubscription.probe(&way.following(json!({})), &snapshot).await.unwrap().finding;
    assert_eq!(finding(&way).await, Finding::Applied);
    // Disabled, as a person or `disable_on_error` leaves it: seen by the proof, and enabled again by the next attempt.
    way.pair.old.sql("ALTER SUBSCRIPTION back DISABLE").await;
    assert!(matches!(finding(&way).await, Finding::Partial(what) if what.contains("disabled")));
    way.pair.new.sql("INSERT INTO orders (sku) VALUES ('while disabled')").await;
    attempt(&CreateSubscription, &call).await.unwrap();
    way.arrives("second").await;
    // The publication is there, the slot too, and no subscription: as a crash between the two leaves it.
    CreateSubscription.undo(&call, &snapshot).await.unwrap();
    assert_eq!(way.world().await, before);
    way.pair.new.sql(&format!("SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput')")).await;
    let what = finding(&way).await;
    assert!(matches!(&what, Finding::Partial(what) if what.contains("the publication is there, the slot")), "{what:?}");
    way.pair.new.sql("INSERT INTO orders (id, sku) VALUES (-1, 'kept by the slot')").await;
    attempt(&CreateSubscription, &call).await.unwrap();
    assert_eq!(way.pair.old.value("SELECT sku FROM orders WHERE id = -1").await.as_deref(), Some("kept by the slot"));
    // A subscription whose slot is gone lost changes: it is not quietly given a new one.
    way.pair.old.sql("ALTER SUBSCRIPTION back DISABLE").await;
    let drop_slot =
        format!("SELECT pg_drop_replication_slot('{slot}') FROM pg_replication_slots WHERE slot_name = '{slot}' AND NOT active");
    until("the slot is dropped", Duration::from_secs(60), || async {
        let client = way.pair.new.superuser("postgres").await;
        let _ = client.simple_query(&drop_slot).await;
        (way.pair.new.value("SELECT count(*) FROM pg_replication_slots").await.as_deref() == Some("0")).then_some(())
    })
    .await;
    assert!(matches!(finding(&way).await, Finding::Partial(what) if what.contains("is not at the source")));
    let error = attempt(&CreateSubscription, &call).await.unwrap_err();
    assert!(error.message.contains("its slot") && error.touch == Touch::Untouched, "{error}");
    CreateSubscription.undo(&call, &snapshot).await.unwrap();
    assert_eq!(way.world().await, before);
    // Refused by the server after the slot was made: the slot goes again, and the password is not in the subscriber's log.
    way.pair.new.sql("ALTER ROLE reader NOLOGIN").await;
    way.bench.notes();
    let error = attempt(&CreateSubscription, &call).await.unwrap_err();
    assert!(error.message.contains("could not connect to the publisher"), "{error}");
    assert_eq!(error.touch, Touch::Untouched);
    assert_eq!(way.world().await, before);
    let (log, said) = (way.pair.old.whole_log(), format!("{:?}", way.bench.notes()));
    assert!(!log.contains(CANARY), "the subscriber logged the password: {log}");
    assert!(said.contains("password=…") && !said.contains(CANARY), "{said}");
}

#[tokio::test]
async fn from_16_on_both_ways_are_open_and_nothing_goes_round() {
    if version() == "15" {
        return;
    }
    let way = WayBack::published().await;
    let (old, new) = (&way.pair.old, &way.pair.new);
    old.sql(&format!("{READER} '{CANARY}'; CREATE PUBLICATION forth FOR TABLE orders")).await;
    let from = format!("host=127.0.0.1 port={} user=reader password={CANARY} dbname=postgres", old.port);
    let options = "copy_data = false, origin = none";
    new.sql(&format!("CREATE SUBSCRIPTION forth CONNECTION '{from}' PUBLICATION forth WITH ({options})")).await;
    let before = way.world().await;
    let call = way.following(json!({}));
    assert_eq!(CreateSubscription.inspect(&call).await.unwrap().blockers, []);
    let (snapshot, _, evidence) = attempt(&CreateSubscription, &call).await.unwrap();
    assert_eq!(evidence.facts["loop_protection"], "held by the server");
    way.arrives("both ways").await;
    old.sql("INSERT INTO orders (id, sku) VALUES (-8, 'there')").await;
    until("the way there goes on", Duration::from_secs(60), || async {
        (new.value("SELECT sku FROM orders WHERE id = -8").await.as_deref() == Some("there")).then_some(())
    })
    .await;
    // What came round would have been a conflict before the row behind it could arrive.
    way.arrives("and again").await;
    for server in [old, new] {
        let errors = "SELECT coalesce(sum(apply_error_count), 0)::text FROM pg_stat_subscription_stats";
        assert_eq!(server.value(errors).await.as_deref(), Some("0"));
    }
    CreateSubscription.undo(&call, &snapshot).await.unwrap();
    assert_eq!(way.world().await, before);
}

#[tokio::test]
async fn a_loop_is_refused_where_the_version_cannot_hold_it_back() {
    if missing("postgres", "postgresql-15") || version() != "15" {
        return;
    }
    let way = WayBack::published().await;
    let (old, new) = (&way.pair.old, &way.pair.new);
    // The way there is still open: what goes back to the old side would come again to the new one.
    old.sql(&format!("{READER} '{CANARY}'; CREATE PUBLICATION forth FOR TABLE orders")).await;
    let from = format!("host=127.0.0.1 port={} user=reader password={CANARY} dbname=postgres", old.port);
    new.sql(&format!("CREATE SUBSCRIPTION forth CONNECTION '{from}' PUBLICATION forth WITH (copy_data = false)")).await;
    let before = way.world().await;
    let call = way.following(json!({}));
    let blockers = CreateSubscription.inspect(&call).await.unwrap().blockers;
    assert!(blockers.iter().any(|blocker| blocker.what.contains("changes would go round")), "{blockers:?}");
    let error = attempt(&CreateSubscription, &call).await.unwrap_err();
    assert!(error.message.contains("subscription `forth`") && error.touch == Touch::Untouched, "{error}");
    assert_eq!(way.world().await, before);
    // What the server does where nobody asks: the row comes back to where it was written, and is a conflict there.
    let careless = way.following(json!({ "origin": "any" }));
    let (snapshot, ..) = attempt(&CreateSubscription, &careless).await.unwrap();
    new.sql("INSERT INTO orders (id, sku) VALUES (-7, 'round')").await;
    let conflicts = "SELECT apply_error_count > 0 FROM pg_stat_subscription_stats WHERE subname = 'forth'";
    until("the row comes round", Duration::from_secs(60), || async {
        (new.value(conflicts).await.as_deref() == Some("t")).then_some(())
    })
    .await;
    CreateSubscription.undo(&careless, &snapshot).await.unwrap();
    assert_eq!(way.world().await, before);
    // The way there is stopped, with what it still has to bring kept at its source: no loop, and no way is lost.
    new.sql("DELETE FROM orders WHERE id = -7").await;
    old.sql("DELETE FROM orders WHERE id = -7").await;
    let stop = way.bench.call("stop", Some("new"), json!({ "subscription": "forth", "source": "old" }));
    let (stopped, applied, _) = attempt(&StopSubscription, &stop).await.unwrap();
    assert_eq!(applied.outputs["slot"], "forth");
    let (snapshot, ..) = attempt(&CreateSubscription, &call).await.unwrap();
    way.arrives("while stopped").await;
    CreateSubscription.undo(&call, &snapshot).await.unwrap();
    new.sql("TRUNCATE orders").await;
    old.sql("TRUNCATE orders").await;
    StopSubscription.undo(&stop, &stopped).await.unwrap();
    old.sql("INSERT INTO orders (id, sku) VALUES (-8, 'there')").await;
    until("the way there goes on", Duration::from_secs(60), || async {
        (new.value("SELECT sku FROM orders WHERE id = -8").await.as_deref() == Some("there")).then_some(())
    })
    .await;
    assert_eq!(way.world().await, before);
    // The way there is closed with its slot; then the way back is open.
    let mut call_drop = json!({ "subscription": "forth", "source": "old" });
    let drop_call = way.bench.call("close", Some("new"), call_drop.clone());
    let (_, applied, _) = attempt(&DropSubscription, &drop_call).await.unwrap();
    assert_eq!(applied.outputs, json!({ "slot": "forth", "slot_left": null }));
    assert_eq!(old.value("SELECT count(*) FROM pg_replication_slots").await.as_deref(), Some("0"));
    attempt(&CreateSubscription, &call).await.unwrap();
    way.arrives("back").await;
    // A loop that is made later is seen by the proof.
    new.sql(&format!("CREATE SUBSCRIPTION forth CONNECTION '{from}' PUBLICATION forth WITH (copy_data = false)")).await;
    let error = CreateSubscription.prove(&call, &snapshot, &applied).await.unwrap_err();
    assert!(error.message.contains("changes would go round") && error.touch == Touch::Possible, "{error}");
    // The wrong source is noticed before anything is dropped.
    call_drop["source"] = json!("new");
    let error = attempt(&DropSubscription, &way.bench.call("close", Some("new"), call_drop)).await.unwrap_err();
    assert!(error.message.contains("has no such slot") && error.touch == Touch::Untouched, "{error}");
}

#[tokio::test]
async fn a_subscription_whose_source_is_out_of_reach_goes_and_the_slot_that_is_left_is_named() {
    if missing("postgres", "postgresql-15") {
        return;
    }
    let mut way = WayBack::published().await;
    let proxy = Proxy::before(way.pair.new.port).await;
    // Both the subscriber and Pointsman reach the source through the proxy.
    way.port = proxy.port;
    let url = format!("postgres://{SUPERUSER}@127.0.0.1:{}/postgres", proxy.port);
    way.bench.target("new", "postgres", json!({ "url": url, "password": crate::servers::postgres::SUPERUSER_PASSWORD }));
    let before = way.world().await;
    let call = way.following(json!({}));
    let (snapshot, applied, _) = attempt(&CreateSubscription, &call).await.unwrap();
    let slot = applied.outputs["slot"].as_str().unwrap();
    proxy.set(Fault::Cut);
    let error = CreateSubscription.undo(&call, &snapshot).await.unwrap_err();
    assert!(error.touch == Touch::Possible && error.message.contains(slot), "{error}");
    assert!(error.manual.iter().any(|sql| sql.contains("pg_drop_replication_slot") && sql.contains(slot)), "{:?}", error.manual);
    assert!(proxy.fired() > 0);
    assert_eq!(subscriptions(&way.pair.old).await, "0");
    assert_eq!(CreateSubscription.probe(&call, &snapshot).await.map(|p| p.finding).unwrap_err().touch, Touch::Untouched);
    // Back again: the probe finds the slot, and the next undo takes it.
    proxy.set(Fault::None);
    assert!(matches!(CreateSubscription.probe(&call, &snapshot).await.unwrap().finding, Finding::Partial(_)));
    CreateSubscription.undo(&call, &snapshot).await.unwrap();
    assert_eq!(way.world().await, before);
    // Dropping: refused while the source is out of reach, unless the step says what to do then.
    attempt(&CreateSubscription, &call).await.unwrap();
    proxy.set(Fault::Cut);
    let params = json!({ "subscription": "back", "source": "new" });
    let error = attempt(&DropSubscription, &way.bench.call("close", Some("old"), params.clone())).await.unwrap_err();
    assert!(error.message.contains("the slot there would be left") && error.touch == Touch::Untouched, "{error}");
    assert_eq!(subscriptions(&way.pair.old).await, "1");
    let detach = way.bench.call("close", Some("old"), with(params, json!({ "unreachable": "detach" })));
    let (_, applied, _) = attempt(&DropSubscription, &detach).await.unwrap();
    assert_eq!(applied.outputs["slot_left"], json!(slot));
    assert_eq!(subscriptions(&way.pair.old).await, "0");
}

async fn subscriptions(server: &Postgres) -> String {
    server.value("SELECT count(*) FROM pg_subscription").await.unwrap()
}
