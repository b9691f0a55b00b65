//! A physical standby, made by pg_basebackup, becomes a server of its own when it has replayed everything, and not before.

use std::time::Duration;

use pointsman::connectors::postgres::Promote;
use pointsman::connectors::{Act as _, Inspect as _};
use pointsman::model::{Finding, Touch};
use serde_json::{Value, json};

use crate::bench::{Bench, attempt};
use crate::servers::postgres::{Postgres, SUPERUSER, SUPERUSER_PASSWORD};
use crate::servers::proxy::{At, Proxy, Then};
use crate::servers::{missing, until};

/// A primary with its standby.
pub struct Standby {
    pub primary: Postgres,
    pub standby: Postgres,
}

impl Standby {
    pub async fn start() -> Self {
        let primary = Postgres::start().await;
        primary.sql("CREATE TABLE orders (id serial PRIMARY KEY, sku text); INSERT INTO orders (sku) VALUES ('tea')").await;
        // What the page says, and no more.
        primary
            .sql(
                "CREATE ROLE pointsman LOGIN PASSWORD 'pr0mote'; GRANT pg_read_all_stats TO pointsman;
                 GRANT EXECUTE ON FUNCTION pg_promote(boolean, integer) TO pointsman",
            )
            .await;
        let standby = primary.standby(&[]).await;
        Self { primary, standby }
    }

    pub fn bench(&self, port: u16) -> Bench {
        let mut bench = Bench::new();
        let url = format!("postgres://pointsman@127.0.0.1:{port}/postgres");
        bench.target("copy", "postgres", json!({ "url": url, "password": "pr0mote" }));
        bench
    }

    async fn fence(&self) -> String {
        self.primary.value("SELECT pg_current_wal_insert_lsn()").await.unwrap()
    }

    pub async fn in_recovery(&self) -> bool {
        self.standby.value("SELECT pg_is_in_recovery()").await.as_deref() == Some("t")
    }
}

#[tokio::test]
async fn a_standby_is_promoted_once_it_has_replayed_the_fence() {
    if missing("postgres", "postgresql-15") {
        return;
    }
    let world = Standby::start().await;
    let mut bench = world.bench(world.standby.port);
    let promote = |more: Value| {
        let mut params = json!({ "within": "15s" });
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        params
    };
    // A fence that nobody has written yet.
    let far = bench.call("promote", Some("copy"), json!({ "fence": "7F/0", "within": "1s" }));
    assert!(Promote.inspect(&far).await.unwrap().blockers.iter().any(|b| b.what.contains("bytes short")));
    let error = attempt(&Promote, &far).await.unwrap_err();
    assert!(error.message.contains("(the fence)") && error.touch == Touch::Untouched, "{error}");
    // Replaying is paused: it would wait for ever.
    world.standby.sql("SELECT pg_wal_replay_pause()").await;
    until("replaying is paused", Duration::from_secs(60), || async {
        (world.standby.value("SELECT pg_get_wal_replay_pause_state()").await.as_deref() == Some("paused")).then_some(())
    })
    .await;
    world.primary.sql("INSERT INTO orders (sku) VALUES ('last')").await;
    let fence = world.fence().await;
    let call = bench.call("promote", Some("copy"), promote(json!({ "fence": fence })));
    let error = attempt(&Promote, &call).await.unwrap_err();
    assert!(error.message.contains("paused") && error.touch == Touch::Untouched, "{error}");
    assert!(world.in_recovery().await);
    world.standby.sql("SELECT pg_wal_replay_resume()").await;
    // A target that is known as a standby would be refused once it is none.
    let url = format!("postgres://{SUPERUSER}@127.0.0.1:{}/postgres", world.standby.port);
    let known = json!({ "url": url, "password": SUPERUSER_PASSWORD, "identity": { "in_recovery": true } });
    bench.target("known", "postgres", known);
    let error = attempt(&Promote, &bench.call("promote", Some("known"), promote(json!({})))).await.unwrap_err();
    assert!(error.message.contains("in_recovery: true") && error.touch == Touch::Untouched, "{error}");
    let (snapshot, applied, evidence) = attempt(&Promote, &call).await.unwrap();
    assert_eq!((evidence.facts["timeline_before"].clone(), evidence.facts["timeline"].clone()), (json!(1), json!(2)));
    assert!(!world.in_recovery().await && applied.outputs["replayed"].is_string());
    assert_eq!(world.standby.value("SELECT count(*) FROM orders").await.as_deref(), Some("2"));
    world.standby.sql("INSERT INTO orders (sku) VALUES ('its own')").await;
    // Again is the same; a server that takes no writes is seen; there is no way back, and that is said.
    let again = Promote.apply(&call, &snapshot).await.unwrap();
    assert_eq!(again.outputs["timeline"], 2);
    world.standby.sql("ALTER SYSTEM SET default_transaction_read_only = on").await;
    world.standby.sql("SELECT pg_reload_conf()").await;
    until("the setting is read", Duration::from_secs(60), || async {
        (world.standby.value("SHOW default_transaction_read_only").await.as_deref() == Some("on")).then_some(())
    })
    .await;
    let error = Promote.prove(&call, &snapshot, &applied).await.unwrap_err();
    assert!(error.touch == Touch::Possible && error.message.contains("read"), "{error}");
    let error = Promote.undo(&call, &snapshot).await.unwrap_err();
    assert!(error.manual.iter().any(|line| line.contains("pg_rewind")), "{error:?}");
}

#[tokio::test]
async fn a_promotion_whose_answer_is_lost_is_in_doubt_and_found() {
    if missing("postgres", "postgresql-15") {
        return;
    }
    let world = Standby::start().await;
    let proxy = Proxy::before(world.standby.port).await;
    let (through, direct) = (world.bench(proxy.port), world.bench(world.standby.port));
    for at in [At::Order, At::Answer] {
        let call = through.call("promote", Some("copy"), json!({}));
        let snapshot = Promote.capture(&call).await.unwrap();
        let fired = proxy.fired();
        proxy.trap("pg_promote", at, Then::Cut);
        let error = Promote.apply(&call, &snapshot).await.unwrap_err();
        assert!(error.in_doubt && proxy.fired() == fired + 1, "{at:?}: {error}");
        let finding = Promote.probe(&direct.call("promote", Some("copy"), json!({})), &snapshot).await.unwrap().finding;
        assert_eq!(finding, if at == At::Answer { Finding::Applied } else { Finding::NotApplied });
        assert_eq!(world.in_recovery().await, at == At::Order);
    }
}
