//! The freeze of Redis: nothing gets through it at any node, and the way back is exact.

use pointsman::connectors::redis::FreezeWrites;
use pointsman::connectors::{Act, Inspect};
use pointsman::model::{Finding, Touch};
use serde_json::json;

use super::{APP, people, target};
use crate::bench::{Bench, attempt};
use crate::servers::missing;
use crate::servers::redis::{Redis, say};

#[tokio::test]
async fn every_user_is_refused_at_every_node_and_the_way_back_is_exact() {
    if missing("redis-server", "redis-server") {
        return;
    }
    let master = Redis::start().await;
    let replica = master.replica().await;
    people(&master).await;
    people(&replica).await;
    let before = [master.users().await, replica.users().await];
    let files = [master.file(), replica.file()];
    let mut bench = Bench::new();
    target(&mut bench, "old", &[&master, &replica]);
    let params = json!({ "users": ["*"], "canaries": { "app": APP, "shop": APP, "picker": APP, "few": APP } });
    let call = bench.call("freeze", Some("old"), params);
    let inspection = FreezeWrites.inspect(&call).await.unwrap();
    assert_eq!(inspection.blockers, []);
    assert_eq!(inspection.statements.len(), 12, "{:?}", inspection.statements);
    assert!(!format!("{inspection:?}").contains('#'), "a hash is shown");
    // A session that is open before is refused without a new login.
    let mut open = master.session("app", APP).await;
    say(&mut open, &["SET", "k", "1"]).await.unwrap();
    let (snapshot, applied, evidence) = attempt(&FreezeWrites, &call).await.unwrap();
    let refused = say(&mut open, &["SET", "k", "2"]).await.unwrap_err();
    assert!(refused.contains("no permissions to run"), "{refused}");
    assert_eq!(say(&mut open, &["GET", "k"]).await, Ok(redis::Value::BulkString(b"1".to_vec())), "reads stay");
    // Selectors survive a plain deny: what they gave for writing is gone, what they gave for reading is there.
    let through = master.send("picker", APP, &["SET", "t:1", "x"]).await.unwrap_err();
    assert!(through.contains("NOPERM") || through.contains("no permissions"), "{through}");
    assert_eq!(master.send("picker", APP, &["GET", "s:1"]).await, Ok(redis::Value::Nil));
    assert_eq!(master.send("safe", APP, &["GET", "k"]).await, Ok(redis::Value::BulkString(b"1".to_vec())));
    assert_eq!(applied.outputs["nodes"], json!(2));
    assert_eq!(applied.outputs["survives_restart"], json!(true));
    let canaries: Vec<_> =
        evidence.facts["nodes"].as_array().unwrap().iter().flat_map(|n| n["canaries"].as_array().unwrap().clone()).collect();
    assert_eq!(canaries.len(), 8, "{canaries:?}");
    assert!(canaries.iter().all(|canary| canary["end"] == "refused"), "{canaries:?}");
    assert_eq!(evidence.facts["nodes"][0]["still_writing"], json!(["ops"]));
    assert_ne!(master.file(), files[0]);
    assert_eq!(FreezeWrites.probe(&call, &snapshot).await.unwrap().finding, Finding::Applied);
    let undone = FreezeWrites.undo(&call, &snapshot).await.unwrap();
    assert_eq!([master.users().await, replica.users().await], before, "the way back is not exact");
    assert_eq!([master.file(), replica.file()], files, "the files are not as before");
    assert_eq!(undone.facts["nodes"][0]["sent"], json!(6));
    say(&mut open, &["SET", "k", "2"]).await.unwrap();
    assert_eq!(FreezeWrites.undo(&call, &snapshot).await.unwrap().facts["nodes"][0]["sent"], json!(0));
    // No hash has left the nodes.
    let hashes: Vec<_> = before.iter().flatten().flat_map(|line| line.split(' ')).filter(|word| word.starts_with('#')).collect();
    assert!(hashes.len() > 10);
    let said = format!("{snapshot} {applied:?} {evidence:?} {undone:?} {:?}", bench.notes());
    assert!(hashes.iter().all(|hash| !said.contains(&hash[1..])), "a password hash was recorded");
    assert!(!said.contains(APP));
    let error = attempt(&FreezeWrites, &bench.call("freeze", Some("old"), json!({ "users": ["ops"] }))).await.unwrap_err();
    assert_eq!(error.touch, Touch::Untouched, "{error}");
}
