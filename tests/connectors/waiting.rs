//! Waits: a queue that drains, a fence that is reached, a world that becomes as expected; and each way not to get there.

use std::time::{Duration, Instant};

use pointsman::connectors::sqlite::{Drain, Execute, FreezeWrites, Query, WaitFence};
use pointsman::connectors::wait::WaitUntil;
use pointsman::connectors::{Act as _, Inspect as _};
use pointsman::model::{Finding, Touch};
use serde_json::{Value, json};

use crate::bench::{Bench, attempt};

const QUEUE: &str = "
    CREATE TABLE jobs (id INTEGER PRIMARY KEY, state TEXT NOT NULL DEFAULT 'new', weight REAL);
    INSERT INTO jobs (state) VALUES ('new'), ('new'), ('new'), ('done');
    CREATE TABLE applied (name TEXT, position INTEGER);
    INSERT INTO applied VALUES ('orders', 1), ('stock', 99);";

fn drain(extra: Value) -> Value {
    let mut params = json!({
        "table": "jobs", "pending": { "state": "new" }, "stable_for": "60ms", "every": "10ms", "within": "10s",
    });
    params.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    params
}

async fn freeze_inserts(bench: &Bench, table: &str) {
    let params = json!({ "tables": [table], "operations": ["insert"] });
    attempt(&FreezeWrites, &bench.call("freeze", Some("old"), params)).await.unwrap();
}

#[tokio::test]
async fn empty_is_no_proof_while_somebody_can_feed_it() {
    let mut bench = Bench::new();
    let app = bench.database("old", QUEUE);
    app.execute_batch("DELETE FROM jobs").unwrap();
    let call = bench.call("drain", Some("old"), drain(json!({})));
    assert_eq!(Drain.inspect(&call).await.unwrap().blockers.len(), 1);
    let error = attempt(&Drain, &call).await.unwrap_err();
    assert!(error.message.contains("inserts into jobs are accepted"), "{error}");
    freeze_inserts(&bench, "jobs").await;
    let (_, _, evidence) = attempt(&Drain, &call).await.unwrap();
    assert_eq!(evidence.facts["fed"]["canaries"], json!({ "accepted": 0, "refused": 2, "no_row_to_write": 0 }));
}

#[tokio::test]
async fn a_worker_drains_the_queue_while_it_waits() {
    let mut bench = Bench::new();
    let app = bench.database("old", QUEUE);
    freeze_inserts(&bench, "jobs").await;
    let call = bench.call("drain", Some("old"), drain(json!({})));
    let waiting = tokio::spawn(async move { attempt(&Drain, &call).await });
    for id in 1..=3 {
        tokio::time::sleep(Duration::from_millis(60)).await;
        assert!(!waiting.is_finished());
        app.execute("UPDATE jobs SET state = 'done' WHERE id = ?1", [id]).unwrap();
    }
    let (_, applied, _) = waiting.await.unwrap().unwrap();
    assert_eq!(applied.outputs["drained"], json!(3));
}

#[tokio::test]
async fn a_queue_that_does_not_move_fails_before_the_deadline() {
    let mut bench = Bench::new();
    let _app = bench.database("old", QUEUE);
    freeze_inserts(&bench, "jobs").await;
    let begun = Instant::now();
    let call = bench.call("drain", Some("old"), drain(json!({ "no_progress_for": "100ms" })));
    let error = attempt(&Drain, &call).await.unwrap_err();
    assert_eq!(error.message, "jobs still holds 3 pending rows and none went for 100ms");
    assert!(begun.elapsed() < Duration::from_secs(5));
    let call = bench.call("drain", Some("old"), drain(json!({ "within": "100ms" })));
    assert!(attempt(&Drain, &call).await.unwrap_err().message.contains("still holds 3 pending rows"));
}

#[tokio::test]
async fn conditions_on_rows_are_bound_checked_and_typed() {
    let mut bench = Bench::new();
    let app = bench.database("old", QUEUE);
    freeze_inserts(&bench, "jobs").await;
    for (pending, why) in [
        (json!({ "nosuch": 1 }), "the table `jobs` has no column `nosuch`"),
        (json!({ "state": ["a"] }), "a list or a map is no value"),
        (json!({ "state\" OR 1 = 1 --": 1 }), "has no column"),
    ] {
        let error = attempt(&Drain, &bench.call("drain", Some("old"), drain(json!({ "pending": pending })))).await.unwrap_err();
        assert!(error.message.contains(why), "{error}");
    }
    let error = attempt(&Drain, &bench.call("drain", Some("old"), drain(json!({ "table": "nosuch" })))).await.unwrap_err();
    assert!(error.message.contains("nosuch"), "{error}");
    app.execute_batch("UPDATE jobs SET state = 'done', weight = id; UPDATE jobs SET weight = 'heavy' WHERE id = 4").unwrap();
    let held = async |pending: Value| {
        let call = bench.call("drain", Some("old"), drain(json!({ "pending": pending, "stable_for": "1ms", "within": "50ms" })));
        let error = attempt(&Drain, &call).await.err()?;
        Some(error.message.split_whitespace().nth(3).unwrap().to_owned())
    };
    assert_eq!(held(json!({ "state": "' OR 1 = 1 --", "weight": null })).await, None);
    assert_eq!(held(json!({ "weight": { "above": 1 } })).await.as_deref(), Some("2"), "a text is above no number");
    assert_eq!(held(json!({ "weight": { "any_of": [1, "heavy"] } })).await.as_deref(), Some("2"));
    assert_eq!(held(json!({ "state": { "not": "new" }, "weight": { "at_most": 2 } })).await.as_deref(), Some("2"));
    assert_eq!(held(json!({ "state": { "contains": "on" } })).await.as_deref(), Some("4"));
}

fn fence(extra: Value) -> Value {
    let mut params = json!({
        "table": "applied", "column": "position", "where": { "name": "orders" }, "at_least": 5, "every": "10ms", "within": "10s",
    });
    params.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    params
}

#[tokio::test]
async fn the_fence_is_reached_and_not_before() {
    let mut bench = Bench::new();
    let app = bench.database("old", QUEUE);
    let call = bench.call("wait", Some("old"), fence(json!({})));
    let waiting = tokio::spawn(async move { attempt(&WaitFence, &call).await });
    for position in 2..=5 {
        tokio::time::sleep(Duration::from_millis(40)).await;
        assert!(!waiting.is_finished(), "it did not wait for the fence");
        app.execute("UPDATE applied SET position = ?1 WHERE name = 'orders'", [position]).unwrap();
    }
    assert_eq!(waiting.await.unwrap().unwrap().1.outputs["applied"], json!(5));
    // Beyond 2^53, as text: compared exactly.
    app.execute("UPDATE applied SET position = 9007199254740993 WHERE name = 'orders'", []).unwrap();
    let exact = |at_least: &str| bench.call("wait", Some("old"), fence(json!({ "at_least": at_least, "within": "50ms" })));
    assert!(attempt(&WaitFence, &exact("9007199254740993")).await.is_ok());
    assert!(attempt(&WaitFence, &exact("9007199254740994")).await.is_err());
}

#[tokio::test]
async fn a_fence_that_nobody_read_never_passes() {
    let mut bench = Bench::new();
    let app = bench.database("old", QUEUE);
    for (at_least, why) in [(json!(null), "nobody read one"), (json!("abc"), "no whole number"), (json!(1.5), "no whole number")]
    {
        let error =
            attempt(&WaitFence, &bench.call("wait", Some("old"), fence(json!({ "at_least": at_least })))).await.unwrap_err();
        assert!(error.message.contains(why), "{error}");
    }
    let stuck = bench.call("wait", Some("old"), fence(json!({ "no_progress_for": "80ms" })));
    let error = attempt(&WaitFence, &stuck).await.unwrap_err();
    assert!(error.message.contains("has applied 1 and not yet 5, and nothing moved for 80ms"), "{error}");
    app.execute_batch("DELETE FROM applied").unwrap();
    assert!(attempt(&WaitFence, &bench.call("wait", Some("old"), fence(json!({ "within": "50ms" })))).await.is_err());
    assert!(attempt(&WaitFence, &bench.call("wait", Some("old"), fence(json!({ "at_least": 0 })))).await.is_ok());
}

#[tokio::test]
async fn a_query_reads_and_cannot_write() {
    let mut bench = Bench::new();
    let app = bench.database("old", QUEUE);
    let call = |params: Value| bench.call("query", Some("old"), params);
    let params = json!({ "sql": "SELECT count(*) AS n, :who AS who FROM jobs WHERE state = :state",
        "bind": { "state": "new", "who": "'; DROP TABLE jobs" }, "expect": { "n": { "at_least": 3 } }, "rows": 1 });
    let (_, applied, _) = attempt(&Query, &call(params)).await.unwrap();
    assert_eq!(applied.outputs["first"], json!({ "n": 3, "who": "'; DROP TABLE jobs" }));
    for (params, why) in [
        (json!({ "sql": "DELETE FROM jobs" }), "failed"),
        (json!({ "sql": "DELETE FROM jobs RETURNING id" }), "failed"),
        (json!({ "sql": "PRAGMA user_version = 7" }), "failed"),
        (json!({ "sql": "ATTACH 'other.db' AS other" }), "failed"),
        (json!({ "sql": "SELECT 1; SELECT 2" }), "failed"),
        (json!({ "sql": "SELECT :a" }), ":a has no value"),
        (json!({ "sql": "SELECT 1", "bind": { "a": 1 } }), ":a is not in the statement"),
        (json!({ "sql": "SELECT 1 AS a", "expect": { "a": 2 } }), "a: expected 2, found 1"),
        (json!({ "sql": "SELECT 1 AS a WHERE 0", "expect": { "a": { "not": 2 } } }), "found nothing"),
        (json!({ "sql": "SELECT 1", "rows": 2 }), "rows: expected 2, found 1"),
    ] {
        let error = attempt(&Query, &call(params.clone())).await.unwrap_err();
        assert!(error.message.contains(why), "{params}: {error}");
        assert_eq!(error.touch, Touch::Untouched);
    }
    assert_eq!(app.query_row("SELECT count(*) FROM jobs", [], |row| row.get::<_, i64>(0)).unwrap(), 4);
    assert!(!bench.path("other.db").exists());
}

#[tokio::test]
async fn a_statement_changes_as_many_rows_as_was_said_or_none() {
    let mut bench = Bench::new();
    let app = bench.database("old", QUEUE);
    let count = || app.query_row("SELECT count(*) FROM jobs WHERE state = 'new'", [], |row| row.get::<_, i64>(0)).unwrap();
    let look = json!({ "sql": "SELECT count(*) AS n FROM jobs WHERE state = 'new'", "expect": { "n": 0 } });
    let params = |rows: Value| json!({ "sql": "UPDATE jobs SET state = :to WHERE state = 'new'", "bind": { "to": "dropped" }, "rows": rows, "prove": look, "probe": look });
    for rows in [json!(2), json!({ "below": 3 }), json!({ "above": 3 })] {
        let error = attempt(&Execute, &bench.call("clean", Some("old"), params(rows))).await.unwrap_err();
        assert!(error.message.contains("rolled back") && error.touch == Touch::Untouched, "{error}");
        assert_eq!(count(), 3);
    }
    for (sql, rows) in
        [("SELECT 1", 0), ("COMMIT", 0), ("UPDATE jobs SET state = NULL", 4), ("DELETE FROM jobs; DELETE FROM applied", 4)]
    {
        let error = attempt(&Execute, &bench.call("clean", Some("old"), json!({ "sql": sql, "rows": rows }))).await;
        assert!(error.is_err(), "{sql} passed");
        assert_eq!(app.query_row("SELECT count(*) FROM jobs", [], |row| row.get::<_, i64>(0)).unwrap(), 4, "{sql}");
    }
    let call = bench.call("clean", Some("old"), params(json!({ "at_most": 3 })));
    assert_eq!(Execute.probe(&call, &json!(null)).await.unwrap().finding, Finding::NotApplied);
    let (_, applied, _) = attempt(&Execute, &call).await.unwrap();
    assert_eq!((applied.outputs["rows"].clone(), count()), (json!(3), 0));
    assert_eq!(Execute.probe(&call, &json!(null)).await.unwrap().finding, Finding::Applied);
    // The lock of somebody else: it gives up in time, untouched.
    app.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut call = bench.call("clean", Some("old"), json!({ "sql": "DELETE FROM jobs", "rows": 4 }));
    call.deadline = Instant::now() + Duration::from_millis(500);
    let error = Execute.apply(&call, &json!(null)).await.unwrap_err();
    assert!(Instant::now() < call.deadline && error.touch == Touch::Untouched && !error.in_doubt, "{error}");
}

#[tokio::test]
async fn a_statement_that_runs_too_long_is_interrupted_and_rolled_back() {
    let mut bench = Bench::new();
    let app = bench.database("old", QUEUE);
    let endless = "INSERT INTO jobs (weight) WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n";
    let mut call = bench.call("clean", Some("old"), json!({ "sql": endless, "rows": 1 }));
    call.deadline = Instant::now() + Duration::from_millis(500);
    let error = Execute.apply(&call, &json!(null)).await.unwrap_err();
    assert!(Instant::now() < call.deadline, "the statement ran past the deadline");
    assert_eq!((error.touch, error.in_doubt), (Touch::Untouched, false), "{error}");
    assert_eq!(app.query_row("SELECT count(*) FROM jobs", [], |row| row.get::<_, i64>(0)).unwrap(), 4);
}

#[tokio::test]
async fn a_wait_ends_when_the_world_is_as_expected_or_the_time_is_up() {
    let bench = Bench::new();
    let params = json!({ "file": { "path": "state.json", "json": { "a.b": 2 } }, "every": "10ms", "within": "10s" });
    let call = bench.call("wait", None, params);
    let path = bench.path("state.json");
    let waiting = tokio::spawn(async move { attempt(&WaitUntil, &call).await });
    for text in ["{", "{\"a\": {\"b\": 1}}", "{\"a\": {\"b\": 2}}"] {
        tokio::time::sleep(Duration::from_millis(40)).await;
        assert!(!waiting.is_finished());
        std::fs::write(&path, text).unwrap();
    }
    assert!(waiting.await.unwrap().unwrap().1.outputs["asked"].as_u64().unwrap() > 2);
    let command = json!({ "argv": ["cat", "state.json"], "stdout": { "contains": "b" } });
    attempt(&WaitUntil, &bench.call("wait", None, json!({ "command": command, "every": "10ms", "within": "5s" }))).await.unwrap();
    let never = json!({ "command": { "argv": ["false"] }, "every": "10ms", "within": "100ms" });
    let error = attempt(&WaitUntil, &bench.call("wait", None, never)).await.unwrap_err();
    assert!(error.message.contains("false: it exited with 1"), "{error}");
    for params in [json!({ "within": "1s" }), json!({ "file": { "path": "a" }, "command": { "argv": ["true"] }, "within": "1s" })]
    {
        assert!(attempt(&WaitUntil, &bench.call("wait", None, params)).await.unwrap_err().message.contains("exactly one"));
    }
    let mut call = bench.call("wait", None, json!({ "file": { "path": "never" }, "within": "1h" }));
    call.deadline = Instant::now() + Duration::from_millis(300);
    assert!(attempt(&WaitUntil, &call).await.is_err());
    assert!(Instant::now() < call.deadline);
}
