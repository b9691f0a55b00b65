//! The pause of Redis: it holds writes back at every node, ends by itself, and says so.

use std::time::Duration;

use pointsman::connectors::redis::PauseWrites;
use pointsman::connectors::{Act, Inspect};
use pointsman::model::{Finding, Touch};
use redis::Value as Reply;
use serde_json::json;

use super::{APP, people, target};
use crate::bench::{Bench, attempt};
use crate::servers::redis::{PASSWORD, Redis, pulse, say};
use crate::servers::{missing, until};

/// A server alone, and a target `old` of it.
async fn alone() -> Option<(Redis, Bench)> {
    if missing("redis-server", "redis-server") {
        return None;
    }
    let (node, mut bench) = (Redis::start().await, Bench::new());
    target(&mut bench, "old", &[&node]);
    Some((node, bench))
}

/// A master with a replica, and a target `old` of both.
async fn pair() -> Option<(Redis, Redis, Bench)> {
    let (master, mut bench) = alone().await?;
    let replica = master.replica().await;
    target(&mut bench, "old", &[&master, &replica]);
    Some((master, replica, bench))
}

#[tokio::test]
async fn writes_wait_and_go_on_after_the_way_back_and_reads_never_wait() {
    let Some((master, replica, mut bench)) = pair().await else { return };
    people(&master).await;
    let call = bench.call("pause", Some("old"), json!({ "for": "10m" }));
    let looked = PauseWrites.inspect(&call).await.unwrap();
    assert_eq!((looked.statements.len(), looked.undo_statements.len(), looked.blockers.len()), (2, 2, 0));
    assert!(looked.statements[0].ends_with("CLIENT PAUSE 600000 WRITE"), "{:?}", looked.statements);
    bench.notes();
    let (snapshot, applied, evidence) = attempt(&PauseWrites, &call).await.unwrap();
    let sent = bench.statements();
    assert!(looked.statements.iter().all(|statement| sent.contains(statement)), "{sent:?}");
    assert!(applied.outputs["holds_until"].as_str().unwrap().ends_with('Z'), "{}", applied.outputs);
    assert!(evidence.facts["left_ms"].as_u64().unwrap() <= 600_000);
    assert_eq!((pulse(&master).await, pulse(&replica).await), ("paused", "paused"));
    let mut writer = master.session("app", APP).await;
    let write = tokio::spawn(async move { say(&mut writer, &["SET", "k", "late"]).await });
    assert_eq!(master.send("app", APP, &["GET", "k"]).await, Ok(Reply::Nil), "reads go on");
    assert_eq!(PauseWrites.probe(&call, &snapshot).await.unwrap().finding, Finding::Applied);
    assert!(!write.is_finished());
    let undone = PauseWrites.undo(&call, &snapshot).await.unwrap();
    assert_eq!(undone.facts["sent"], json!(2));
    write.await.unwrap().expect("what waited is done then, and not lost");
    assert_eq!(PauseWrites.undo(&call, &snapshot).await.unwrap().facts["sent"], json!(0));
    assert_eq!((pulse(&master).await, pulse(&replica).await), ("open", "open"));
}

#[tokio::test]
async fn a_pause_expires_by_itself_and_the_proof_does_not_pass_then() {
    let Some((node, bench)) = alone().await else { return };
    let call = bench.call("pause", Some("old"), json!({ "for": "2s" }));
    let snapshot = PauseWrites.capture(&call).await.unwrap();
    let applied = PauseWrites.apply(&call, &snapshot).await.unwrap();
    until("the end of the pause", Duration::from_secs(60), || async { (pulse(&node).await == "open").then_some(()) }).await;
    let error = PauseWrites.prove(&call, &snapshot, &applied).await.unwrap_err();
    assert!(error.message.contains("writes do not wait at") && error.message.contains("it was to hold until"), "{error}");
    assert_eq!(error.touch, Touch::Possible);
    assert_eq!(PauseWrites.probe(&call, &snapshot).await.unwrap().finding, Finding::NotApplied);
    for length in ["0s", "11m", "1h"] {
        let error = attempt(&PauseWrites, &bench.call("pause", Some("old"), json!({ "for": length }))).await.unwrap_err();
        assert!(error.message.contains("at most 10m") && error.touch == Touch::Untouched, "{error}");
    }
}

#[tokio::test]
async fn a_pause_of_somebody_else_is_left_and_none_is_shortened() {
    let Some((node, bench)) = alone().await else { return };
    node.ops(&["CLIENT", "PAUSE", "600000", "WRITE"]).await;
    let call = bench.call("pause", Some("old"), json!({ "for": "1ms" }));
    let (snapshot, ..) = attempt(&PauseWrites, &call).await.unwrap();
    assert_eq!(snapshot["paused"].as_object().unwrap().values().next(), Some(&json!(true)));
    let undone = PauseWrites.undo(&call, &snapshot).await.unwrap();
    assert_eq!(undone.facts["paused_by_others_before"].as_array().unwrap().len(), 1);
    assert_eq!(pulse(&node).await, "paused", "the pause of somebody else was lifted");
}

#[tokio::test]
async fn a_dead_node_leaves_the_others_unpaused_and_a_statement_for_itself() {
    let Some((master, mut replica, bench)) = pair().await else { return };
    let call = bench.call("pause", Some("old"), json!({ "for": "10m" }));
    let (snapshot, ..) = attempt(&PauseWrites, &call).await.unwrap();
    replica.kill();
    let error = PauseWrites.undo(&call, &snapshot).await.unwrap_err();
    assert_eq!(error.manual, [format!("redis-cli -h 127.0.0.1 -p {} CLIENT UNPAUSE", replica.port)]);
    assert_eq!(pulse(&master).await, "open");
}

#[tokio::test]
async fn a_replica_is_known_by_its_address_and_not_by_its_port() {
    let Some((master, listed, mut bench)) = pair().await else { return };
    let call =
        |bench: &Bench, ignored: &[&str]| bench.call("pause", Some("old"), json!({ "for": "1s", "ignore_replicas": ignored }));
    PauseWrites.capture(&call(&bench, &[])).await.unwrap();
    // On another host, on the same port as the one that is listed.
    let (place, port) = (format!("127.0.0.1 {}", master.port), listed.port.to_string());
    let login = ["--replicaof", &place, "--masteruser", "ops", "--masterauth", PASSWORD];
    let announces = ["--replica-announce-ip", "10.1.2.3", "--replica-announce-port", &port];
    let stranger = Redis::with(&[&login[..], &announces].concat()).await;
    stranger.linked().await;
    let seen = format!("10.1.2.3:{port}");
    let shown = || async { master.info("replication").await.contains("10.1.2.3").then_some(()) };
    until("the stranger", Duration::from_secs(60), shown).await;
    let error = PauseWrites.capture(&call(&bench, &[])).await.unwrap_err();
    assert!(error.message.contains(&format!("{seen} replicates and is not among")), "{error}");
    PauseWrites.capture(&call(&bench, &[&seen])).await.unwrap();
    // Listed, it is known by what it announces.
    target(&mut bench, "old", &[&master, &listed, &stranger]);
    PauseWrites.capture(&call(&bench, &[])).await.unwrap();
}
