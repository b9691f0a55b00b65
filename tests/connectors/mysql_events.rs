//! Events of a real MariaDB: turned off and on, waited for, and exactly as before afterwards.

use std::collections::BTreeMap;
use std::time::Duration;

use mysql_async::prelude::Queryable as _;
use pointsman::connectors::mysql::{Events, KillSessions};
use pointsman::connectors::{Act as _, Inspect as _};
use pointsman::model::{Finding, Touch};
use serde_json::{Value, json};

use crate::bench::attempt;
use crate::mysql_freeze::faults::measured;
use crate::mysql_freeze::{bench, shop};
use crate::servers::mariadb::MariaDb;
use crate::servers::proxy::Proxy;
use crate::servers::{missing, until};

/// An event of the application, made in a session with settings of its own, one that is off, and one that came from a source.
pub const EVENTS: &str = "GRANT EVENT ON shop.* TO app@'%';
    SET NAMES latin1; SET SESSION sql_mode = 'ANSI_QUOTES', time_zone = '+03:00';
    CREATE DEFINER = app@'%' EVENT shop.tick ON SCHEDULE EVERY 1 HOUR STARTS '2031-01-01' ENDS '2037-01-01' ON COMPLETION PRESERVE
      COMMENT 'orders' DO INSERT INTO shop.orders (sku) VALUES ('tick');
    CREATE EVENT shop.resting ON SCHEDULE EVERY 1 DAY STARTS '2031-01-01' DISABLE DO INSERT INTO shop.orders (sku) VALUES ('rest');
    CREATE EVENT shop.copied ON SCHEDULE AT '2031-01-01' DISABLE ON SLAVE DO INSERT INTO shop.orders (sku) VALUES ('copy');
    CREATE EVENT other.tick ON SCHEDULE EVERY 1 HOUR STARTS '2031-01-01' DO INSERT INTO other.log (line) VALUES ('tick')";

/// Everything that there is to know about the events of a server, and its scheduler.
pub async fn events(server: &MariaDb) -> BTreeMap<String, String> {
    let sql = "SELECT CONCAT(EVENT_SCHEMA, '.', EVENT_NAME), CONCAT_WS('|', STATUS, DEFINER, TIME_ZONE, EVENT_DEFINITION, EXECUTE_AT, \
               INTERVAL_VALUE, SQL_MODE, STARTS, ENDS, ON_COMPLETION, EVENT_COMMENT, CHARACTER_SET_CLIENT, COLLATION_CONNECTION, \
               DATABASE_COLLATION) FROM information_schema.events";
    let mut world: BTreeMap<String, String> = server.rows::<(String, String)>(sql).await.into_iter().collect();
    world.insert("scheduler".to_owned(), server.one("SELECT @@global.event_scheduler").await);
    world.insert("fence".to_owned(), server.logged().await);
    world
}

fn order(extra: Value) -> Value {
    let mut params = json!({ "events": ["shop.*"], "within": "60s" });
    params.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    params
}

async fn status(server: &MariaDb, name: &str) -> String {
    server
        .one(&format!("SELECT STATUS FROM information_schema.events WHERE EVENT_NAME = '{name}' AND EVENT_SCHEMA = 'shop'"))
        .await
}

#[tokio::test]
async fn an_event_keeps_its_definer_and_the_character_sets_of_its_texts() {
    if missing("mariadbd", "mariadb-server") {
        return;
    }
    let server = shop().await;
    server.run(EVENTS).await;
    let of_tick = "SELECT CONCAT_WS(' ', DEFINER, CHARACTER_SET_CLIENT, COLLATION_CONNECTION) FROM information_schema.events \
                   WHERE EVENT_SCHEMA = 'shop' AND EVENT_NAME = 'tick'";
    assert_eq!(server.one::<String>(of_tick).await, "app@% latin1 latin1_swedish_ci");
    let before = events(&server).await;
    let bench = bench(&server, server.port);
    let call = bench.call("off", Some("old"), order(json!({})));
    let (snapshot, applied, proof) = attempt(&Events::Disable, &call).await.unwrap();
    assert_eq!(applied.outputs, json!({ "events": 3, "changed": 1 }));
    assert_eq!((&proof.facts["disabled_on_replica"], &proof.facts["enabled"]), (&json!(["shop.copied"]), &json!([])));
    assert_eq!(server.one::<String>(of_tick).await, "app@% latin1 latin1_swedish_ci");
    assert_eq!(
        (status(&server, "tick").await, status(&server, "copied").await),
        ("DISABLED".into(), "SLAVESIDE_DISABLED".into())
    );
    Events::Disable.undo(&call, &snapshot).await.unwrap();
    assert_eq!(events(&server).await, before, "those that were off stay off");
    let on = bench.call("on", Some("old"), order(json!({})));
    let (enabled, applied, _) = attempt(&Events::Enable, &on).await.unwrap();
    assert_eq!(applied.outputs, json!({ "events": 3, "changed": 2 }));
    Events::Enable.undo(&on, &enabled).await.unwrap();
    assert_eq!(events(&server).await, before, "what came from a source is again what came from a source");
    // What the server does by itself: whoever turns an event becomes its definer, and its texts are read in another character set.
    server.run("ALTER EVENT shop.tick DISABLE").await;
    assert_ne!(server.one::<String>(of_tick).await, "app@% latin1 latin1_swedish_ci");
    // The proof sees that somebody did so; and an undo gives both back.
    let applied = Events::Disable.apply(&call, &snapshot).await.unwrap();
    let error = Events::Disable.prove(&call, &snapshot, &applied).await.unwrap_err();
    assert!(error.message.contains("shop.tick is another event than before"), "{error}");
    Events::Disable.undo(&call, &snapshot).await.unwrap();
    assert_eq!(events(&server).await["shop.tick"], before["shop.tick"]);
    // One that would change with its database cannot be turned alone.
    server.run_unlogged("ALTER DATABASE shop COLLATE utf8mb4_bin").await;
    let before = events(&server).await;
    let error = attempt(&Events::Disable, &call).await.unwrap_err();
    assert!(error.message.contains("when its database had the collation") && error.touch == Touch::Untouched, "{error}");
    assert_eq!(Events::Disable.inspect(&call).await.unwrap().blockers.len(), 1);
    for (params, why) in [(json!({ "events": ["shop.tock"] }), "means no event"), (json!({ "events": [] }), "which events")] {
        let error = attempt(&Events::Disable, &bench.call("off", Some("old"), order(params))).await.unwrap_err();
        assert!(error.message.contains(why) && error.touch == Touch::Untouched, "{error}");
    }
    assert_eq!(events(&server).await, before);
}

#[tokio::test]
async fn a_run_that_was_started_before_is_waited_for() {
    if missing("mariadbd", "mariadb-server") {
        return;
    }
    let server = shop().await;
    let mut holding = server.root().await;
    let got: Option<u8> = holding.query_first("SELECT GET_LOCK('hold', 60)").await.unwrap();
    assert_eq!(got, Some(1));
    server
        .run(
            "CREATE DEFINER = app@'%' EVENT shop.slow ON SCHEDULE EVERY 1 HOUR ON COMPLETION PRESERVE DO \
             INSERT INTO shop.orders (sku) SELECT 'slow' FROM DUAL WHERE GET_LOCK('hold', 3600) = 1; \
             GRANT EVENT ON shop.* TO app@'%'; SET GLOBAL event_scheduler = ON",
        )
        .await;
    let runs = "SELECT count(*) FROM information_schema.processlist WHERE COMMAND = 'Connect' AND USER = 'app'";
    until("the event runs", Duration::from_secs(60), async || (server.one::<i64>(runs).await == 1).then_some(())).await;
    let bench = bench(&server, server.port);
    // It is no session of the account.
    let kill = bench.call("kill", Some("old"), json!({ "users": ["app"] }));
    assert_eq!(attempt(&KillSessions, &kill).await.unwrap().1.outputs["sessions_cut"], 0);
    for order in [order(json!({ "within": "1s" })), json!({ "scheduler": true, "within": "1s" })] {
        let call = bench.call("off", Some("old"), order);
        let snapshot = Events::Disable.capture(&call).await.unwrap();
        let error = Events::Disable.apply(&call, &snapshot).await.unwrap_err();
        assert!(error.message.contains("still runs") && error.message.contains("as app@% in shop"), "{error}");
        assert_eq!((error.touch, error.in_doubt), (Touch::Possible, false));
        let found = Events::Disable.probe(&call, &snapshot).await.unwrap().finding;
        assert!(matches!(found, Finding::Partial(_)), "{found:?}");
        Events::Disable.undo(&call, &snapshot).await.unwrap();
        assert_eq!(
            (status(&server, "slow").await, server.one::<String>("SELECT @@event_scheduler").await),
            ("ENABLED".into(), "ON".into())
        );
    }
    let report = bench.call("off", Some("old"), order(json!({ "running": "report" })));
    let (snapshot, _, evidence) = attempt(&Events::Disable, &report).await.unwrap();
    assert_eq!(evidence.facts["running"].as_array().unwrap().len(), 1);
    Events::Disable.undo(&report, &snapshot).await.unwrap();
    let call = bench.call("off", Some("old"), order(json!({})));
    let waiting = tokio::spawn(async move { attempt(&Events::Disable, &call).await });
    until("the event is off", Duration::from_secs(60), async || (status(&server, "slow").await == "DISABLED").then_some(()))
        .await;
    assert!(!waiting.is_finished(), "it was not waited for");
    holding.query_drop("DO RELEASE_LOCK('hold')").await.unwrap();
    waiting.await.unwrap().unwrap();
    assert_eq!(server.one::<i64>("SELECT count(*) FROM shop.orders WHERE sku = 'slow'").await, 1, "its work is done");
}

#[tokio::test]
async fn an_event_whose_time_has_passed_is_not_run_by_the_way() {
    if missing("mariadbd", "mariadb-server") {
        return;
    }
    let server = shop().await;
    // With the scheduler off its time passes without a run.
    server
        .run(
            "GRANT EVENT ON shop.* TO app@'%'; CREATE EVENT shop.once ON SCHEDULE AT CURRENT_TIMESTAMP + INTERVAL 1 SECOND \
             ON COMPLETION PRESERVE DO INSERT INTO shop.orders (sku) VALUES ('once'); \
             CREATE EVENT shop.missed ON SCHEDULE AT CURRENT_TIMESTAMP + INTERVAL 1 SECOND ON COMPLETION PRESERVE DISABLE \
             DO INSERT INTO shop.orders (sku) VALUES ('missed')",
        )
        .await;
    let before = events(&server).await;
    let bench = bench(&server, server.port);
    let call = bench.call("off", Some("old"), order(json!({ "events": ["shop.once"] })));
    let (snapshot, ..) = attempt(&Events::Disable, &call).await.unwrap();
    let passed = "SELECT EXECUTE_AT < NOW() FROM information_schema.events WHERE EVENT_NAME = 'missed'";
    until("their time has passed", Duration::from_secs(60), async || (server.one::<i64>(passed).await == 1).then_some(())).await;
    // To turn the missed one on would run it at once, now.
    let on = bench.call("on", Some("old"), order(json!({ "events": ["shop.missed"], "scheduler": true })));
    let (enabled, applied, proof) = attempt(&Events::Enable, &on).await.unwrap();
    assert_eq!((&applied.outputs["changed"], &proof.facts["over"]), (&json!(0), &json!(["shop.missed"])));
    Events::Enable.undo(&on, &enabled).await.unwrap();
    // The way back is exact: what was on is on, and runs late once there is a scheduler, as it would have.
    Events::Disable.undo(&call, &snapshot).await.unwrap();
    assert_eq!(events(&server).await, before);
    let rows = "SELECT count(*) FROM shop.orders WHERE sku = 'once'";
    assert_eq!(server.one::<i64>(rows).await, 0);
    server.run("SET GLOBAL event_scheduler = ON").await;
    until("it runs late", Duration::from_secs(60), async || (server.one::<i64>(rows).await == 1).then_some(())).await;
    until("and is over", Duration::from_secs(60), async || (status(&server, "once").await == "DISABLED").then_some(())).await;
    assert_eq!(
        Events::Disable.undo(&call, &snapshot).await.unwrap().facts["statements"],
        0,
        "the server's own doing is no difference"
    );
}

/// In how many places the network is cut, evenly over everything that the server says.
const CUTS: usize = 12;

#[tokio::test]
async fn a_network_that_is_cut_at_any_byte_leaves_events_that_come_back_exactly() {
    if missing("mariadbd", "mariadb-server") {
        return;
    }
    let server = shop().await;
    server.run(EVENTS).await;
    server.run("SET GLOBAL event_scheduler = ON").await;
    let before = events(&server).await;
    let proxy = Proxy::before(server.port).await;
    let bench = bench(&server, proxy.port);
    let call = bench.call("off", Some("old"), order(json!({ "events": ["*.tick"], "scheduler": true })));
    let snapshot = Events::Disable.capture(&call).await.unwrap();
    let forth = measured(&proxy, async { drop(Events::Disable.apply(&call, &snapshot).await.unwrap()) }).await;
    let back = measured(&proxy, async { drop(Events::Disable.undo(&call, &snapshot).await.unwrap()) }).await;
    let (begun, mut failed) = (proxy.fired(), 0);
    for cut in 0..CUTS {
        proxy.cut_after(forth / CUTS * cut + 30);
        let ended = Events::Disable.apply(&call, &snapshot).await;
        proxy.cut_after(0);
        let changed = events(&server).await != before;
        if let Err(error) = &ended {
            failed += 1;
            assert!(error.touch == Touch::Possible || !changed, "cut {cut} said untouched: {error}");
        }
        match Events::Disable.probe(&call, &snapshot).await.unwrap().finding {
            Finding::NotApplied => assert!(!changed, "cut {cut}"),
            Finding::Applied | Finding::Partial(_) => assert!(changed, "cut {cut}"),
            Finding::Unknown(why) => panic!("cut {cut}: {why}"),
        }
        Events::Disable.apply(&call, &snapshot).await.unwrap();
        proxy.cut_after(back / CUTS * cut + 30);
        let ended = Events::Disable.undo(&call, &snapshot).await;
        proxy.cut_after(0);
        if let Err(error) = ended {
            failed += 1;
            assert!(error.manual.iter().any(|sql| sql.starts_with("ALTER DEFINER")), "cut {cut}: {:?}", error.manual);
        }
        Events::Disable.undo(&call, &snapshot).await.unwrap_or_else(|error| panic!("cut {cut}: {error}"));
        assert_eq!(events(&server).await, before, "cut {cut}");
    }
    let fired = proxy.fired() - begun;
    assert!(fired >= CUTS as u64 && failed > 0, "only {fired} of {} cuts fired", 2 * CUTS);
}
