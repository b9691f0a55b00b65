//! The traps of a freeze by access rules, each against real servers.

use std::time::Duration;

use pointsman::connectors::redis::{AllowWrites, CheckKeys, Drain, FreezeWrites, PauseWrites, Promote, WaitReplica};
use pointsman::connectors::{Act, Inspect};
use pointsman::model::{Finding, Touch};
use redis::Value as Reply;
use serde_json::json;

use super::{APP, people, settings, target};
use crate::bench::{Bench, attempt};
use crate::servers::proxy::Proxy;
use crate::servers::redis::{PASSWORD, Redis, certificates, say};
use crate::servers::{missing, until};

async fn alone() -> Option<(Redis, Bench)> {
    if missing("redis-server", "redis-server") {
        return None;
    }
    let node = Redis::start().await;
    people(&node).await;
    let mut bench = Bench::new();
    target(&mut bench, "old", &[&node]);
    Some((node, bench))
}

#[tokio::test]
async fn a_client_that_waits_in_a_blocking_command_does_not_take_an_element_after_the_freeze() {
    let Some((node, bench)) = alone().await else { return };
    let mut waiting = node.session("app", APP).await;
    let waits = tokio::spawn(async move { say(&mut waiting, &["BLPOP", "q", "0"]).await });
    until("the wait", Duration::from_secs(5), || async {
        let list: String = redis::from_redis_value(node.ops(&["CLIENT", "LIST"]).await).unwrap();
        list.contains("cmd=blpop").then_some(())
    })
    .await;
    let (_, applied, _) = attempt(&FreezeWrites, &bench.call("freeze", Some("old"), json!({ "users": ["app"] }))).await.unwrap();
    assert_eq!(applied.outputs["unblocked"], json!(1));
    assert_eq!(waits.await.unwrap(), Ok(Reply::Nil), "it gets the answer of a timeout");
    node.ops(&["RPUSH", "q", "v"]).await;
    assert_eq!(node.ops(&["LLEN", "q"]).await, Reply::Int(1), "a frozen user took an element");
}

#[tokio::test]
async fn scripts_and_queued_transactions_of_frozen_users_do_not_write() {
    let Some((node, bench)) = alone().await else { return };
    node.ops(&[
        "FUNCTION",
        "LOAD",
        "#!lua name=l\nredis.register_function('put', function(k) return redis.call('SET', k[1], 1) end)",
    ])
    .await;
    let mut queued = node.session("app", APP).await;
    say(&mut queued, &["FCALL", "put", "1", "k"]).await.unwrap();
    for words in [&["MULTI"][..], &["SET", "k", "queued"]] {
        say(&mut queued, words).await.unwrap();
    }
    let call = bench.call("freeze", Some("old"), json!({ "users": ["app", "few"] }));
    attempt(&FreezeWrites, &call).await.unwrap();
    let _ = say(&mut queued, &["EXEC"]).await;
    for words in [&["EVAL", "return redis.call('SET', KEYS[1], 'script')", "1", "k"][..], &["FCALL", "put", "1", "other"]] {
        let refused = node.send("app", APP, words).await.unwrap_err();
        assert!(refused.contains("can't run this command"), "{refused}");
    }
    assert_eq!(node.ops(&["GET", "k"]).await, Reply::BulkString(b"1".to_vec()), "a queued or scripted write got through");
    assert_eq!(node.ops(&["EXISTS", "other"]).await, Reply::Int(0));
    // A script that only reads still runs.
    let read = node.send("app", APP, &["EVAL", "return redis.call('GET', KEYS[1])", "1", "k"]).await;
    assert_eq!(read, Ok(Reply::BulkString(b"1".to_vec())));
    // Who could thaw itself is refused that too.
    assert!(node.send("app", APP, &["ACL", "SETUSER", "app", "+@all"]).await.unwrap_err().contains("NOPERM"));
}

#[tokio::test]
async fn a_failover_candidate_that_is_not_listed_stops_the_freeze_and_a_listed_one_stays_frozen_when_promoted() {
    let Some((master, mut bench)) = alone().await else { return };
    let replica = master.replica().await;
    people(&replica).await;
    let before = master.users().await;
    let params = json!({ "users": ["app"] });
    let error = attempt(&FreezeWrites, &bench.call("freeze", Some("old"), params.clone())).await.unwrap_err();
    assert!(error.message.contains("failover") && error.touch == Touch::Untouched, "{error}");
    assert_eq!(master.users().await, before);
    target(&mut bench, "old", &[&master, &replica]);
    target(&mut bench, "new", &[&replica]);
    let freeze = bench.call("freeze", Some("old"), params);
    master.send("app", APP, &["SET", "k", "1"]).await.unwrap();
    let (_, applied, _) = attempt(&FreezeWrites, &freeze).await.unwrap();
    let wait = json!({ "at_least": applied.outputs["fence"], "within": "10s", "every": "10ms" });
    let waiting = bench.call("wait", Some("new"), wait);
    attempt(&WaitReplica, &waiting).await.unwrap();
    let other = json!({ "at_least": format!("{}:1", "a".repeat(40)), "within": "300ms", "every": "10ms" });
    let error = attempt(&WaitReplica, &bench.call("wait", Some("new"), other)).await.unwrap_err();
    assert!(error.message.contains("history"), "an offset of another history passed: {error}");
    let promote = bench.call("promote", Some("new"), json!({}));
    let (snapshot, _, _) = attempt(&Promote, &promote).await.unwrap();
    let refused = replica.send("app", APP, &["SET", "k", "2"]).await.unwrap_err();
    assert!(refused.contains("NOPERM"), "the failover lifted the freeze: {refused}");
    // The fence lies before the promotion, in the history that it continues.
    attempt(&WaitReplica, &waiting).await.unwrap();
    Promote.undo(&promote, &snapshot).await.unwrap();
    replica.linked().await;
}

#[tokio::test]
async fn without_a_save_a_restart_lifts_the_freeze_and_the_proof_sees_it() {
    let Some((mut node, bench)) = alone().await else { return };
    let call = bench.call("freeze", Some("old"), json!({ "users": ["app"], "save": "never" }));
    let (snapshot, applied, _) = attempt(&FreezeWrites, &call).await.unwrap();
    assert_eq!(applied.outputs["survives_restart"], json!(false));
    node.restart().await;
    let error = FreezeWrites.prove(&call, &snapshot, &applied).await.unwrap_err();
    assert!(error.message.contains("may run"), "{error}");
    assert_eq!(FreezeWrites.probe(&call, &snapshot).await.unwrap().finding, Finding::NotApplied);
    let call = bench.call("freeze", Some("old"), json!({ "users": ["app"], "save": "required" }));
    let (snapshot, applied, _) = attempt(&FreezeWrites, &call).await.unwrap();
    node.restart().await;
    FreezeWrites.prove(&call, &snapshot, &applied).await.unwrap();
    // Without a file it is refused before anything is changed.
    let plain = Redis::without_file().await;
    plain.ops(&["ACL", "SETUSER", "app", "on", "nopass", "~*", "+@all"]).await;
    let mut bench = Bench::new();
    target(&mut bench, "plain", &[&plain]);
    let call = bench.call("freeze", Some("plain"), json!({ "users": ["app"], "save": "required" }));
    assert_eq!(attempt(&FreezeWrites, &call).await.unwrap_err().touch, Touch::Untouched);
}

#[tokio::test]
async fn a_node_that_is_killed_leaves_a_way_back_for_the_others_and_statements_for_itself() {
    let Some((master, mut bench)) = alone().await else { return };
    let mut replica = master.replica().await;
    people(&replica).await;
    let before = [master.users().await, replica.users().await];
    target(&mut bench, "old", &[&master, &replica]);
    let call = bench.call("freeze", Some("old"), json!({ "users": ["*"] }));
    let (snapshot, _, _) = attempt(&FreezeWrites, &call).await.unwrap();
    replica.kill();
    assert!(FreezeWrites.apply(&call, &snapshot).await.is_err(), "nobody can tell what a dead node accepts");
    let error = FreezeWrites.undo(&call, &snapshot).await.unwrap_err();
    assert_eq!(master.users().await, before[0], "the living node was not thawed");
    let port = format!("-p {} ACL SETUSER 'app'", replica.port);
    assert!(error.manual.iter().any(|line| line.contains(&port)), "{:?}", error.manual);
    replica.restart().await;
    FreezeWrites.undo(&call, &snapshot).await.unwrap();
    assert_eq!([master.users().await, replica.users().await], before);
}

#[tokio::test]
async fn a_connection_that_is_cut_anywhere_leaves_rules_that_the_way_back_restores_exactly() {
    let Some((node, mut bench)) = alone().await else { return };
    let proxy = Proxy::before(node.port).await;
    bench.target("old", "redis", settings(proxy.port, &[]));
    let before = node.users().await;
    let (mut failed, mut doubtful, mut offset) = (0, 0, 1);
    // Where the first change lies: the last cut before it, and the first one behind it.
    let (mut before_change, mut behind_change) = (0, usize::MAX);
    let mut ahead: Vec<usize> = Vec::new();
    loop {
        let at = ahead.pop().unwrap_or(offset);
        let call = bench.call("freeze", Some("old"), json!({ "users": ["*"] }));
        let snapshot = FreezeWrites.capture(&call).await.unwrap();
        proxy.cut_after(at);
        let end = FreezeWrites.apply(&call, &snapshot).await;
        proxy.cut_after(0);
        let changed = node.users().await != before;
        if let Err(error) = &end {
            failed += 1;
            doubtful += u32::from(error.in_doubt);
            assert!(!changed || error.touch == Touch::Possible, "changed and called untouched at {at}: {error}");
            let finding = FreezeWrites.probe(&call, &snapshot).await.unwrap().finding;
            assert!(changed || finding == Finding::NotApplied, "{finding:?} at {at}");
        }
        FreezeWrites.undo(&call, &snapshot).await.unwrap();
        assert_eq!(node.users().await, before, "cut at {at}");
        if !ahead.is_empty() {
            continue;
        }
        if changed {
            behind_change = behind_change.min(at);
        } else {
            before_change = before_change.max(at);
        }
        match behind_change {
            usize::MAX => offset += 1 + offset / 4,
            found if found > before_change + 8 => offset = usize::midpoint(found, before_change),
            _ if doubtful > 0 || failed > 200 => break,
            // Every byte around the answer to the first change.
            found => ahead = (before_change..found + 12).collect(),
        }
    }
    assert!(failed > 30 && doubtful > 0, "{failed} cuts, {doubtful} in doubt");
    assert!(proxy.fired() >= failed);
}

#[tokio::test]
async fn a_drain_needs_frozen_producers_and_progress_and_counts_a_stream_whose_lag_is_unknown() {
    let Some((node, bench)) = alone().await else { return };
    for words in [
        &["RPUSH", "jobs", "a", "b"][..],
        &["XGROUP", "CREATE", "events", "g", "$", "MKSTREAM"],
        &["XADD", "events", "1-1", "k", "v"],
        &["XADD", "events", "2-1", "k", "v"],
        &["XADD", "events", "3-1", "k", "v"],
        // An entry behind the group's place goes: from here on the server answers no lag.
        &["XDEL", "events", "2-1"],
    ] {
        node.ops(words).await;
    }
    let params = json!({
        "keys": ["jobs", "events"], "producers": ["app"], "stable_for": "50ms", "every": "10ms", "within": "5s",
        "no_progress_for": "300ms",
    });
    let call = bench.call("drain", Some("old"), params);
    let error = attempt(&Drain, &call).await.unwrap_err();
    assert!(error.message.contains("nothing proves"), "{error}");
    let freeze = bench.call("freeze", Some("old"), json!({ "users": ["app"] }));
    let (_, frozen, _) = attempt(&FreezeWrites, &freeze).await.unwrap();
    let error = attempt(&Drain, &call).await.unwrap_err();
    assert!(error.message.contains("4 are pending") && error.message.contains("none went"), "{error}");
    for words in [&["LPOP", "jobs", "2"][..], &["XREADGROUP", "GROUP", "g", "me", "STREAMS", "events", ">"]] {
        node.ops(words).await;
    }
    assert!(attempt(&Drain, &call).await.unwrap_err().message.contains("2 are pending"), "delivered is not acknowledged");
    node.ops(&["XACK", "events", "g", "1-1", "3-1"]).await;
    attempt(&Drain, &call).await.unwrap();
    // The rules that the freeze saved open it again.
    let open = bench.call("open", Some("old"), json!({ "rules": frozen.outputs["rules"], "canaries": { "app": APP } }));
    attempt(&AllowWrites, &open).await.unwrap();
    node.send("app", APP, &["RPUSH", "jobs", "c"]).await.unwrap();
}

#[tokio::test]
async fn another_server_is_refused_and_tls_is_verified() {
    let Some((node, mut bench)) = alone().await else { return };
    node.ops(&["SET", "which", "staging"]).await;
    for identity in
        [json!({ "role": "replica" }), json!({ "run_id": "x" }), json!({ "marker": { "key": "which", "value": "live" } })]
    {
        let mut wrong = settings(node.port, &[]);
        wrong["identity"] = identity;
        bench.target("wrong", "redis", wrong);
        let error = attempt(&FreezeWrites, &bench.call("freeze", Some("wrong"), json!({ "users": ["app"] }))).await.unwrap_err();
        assert!(error.message.contains("another"), "{error}");
    }
    let (_folder, tls, authority) = certificates();
    let port = crate::servers::free_port().to_string();
    let tls: Vec<&str> = tls.iter().map(|word| if word == "0" { port.as_str() } else { word }).collect();
    let server = Redis::with(&tls).await;
    people(&server).await;
    let mut over = settings(port.parse().unwrap(), &[]);
    over["url"] = json!(format!("redis://ops@localhost:{port}"));
    for (mode, ca, ends_well) in [("verify-full", Some(&authority), true), ("verify-full", None, false)] {
        over["tls"] = json!({ "mode": mode, "ca": ca });
        bench.target("over", "redis", over.clone());
        let end = attempt(&FreezeWrites, &bench.call("freeze", Some("over"), json!({ "users": ["app"] }))).await;
        assert_eq!(end.is_ok(), ends_well, "{mode} {ca:?}: {end:?}");
    }
    over["url"] = json!(format!("redis://ops@127.0.0.1:{port}"));
    over["tls"] = json!({ "mode": "verify-full", "ca": authority });
    bench.target("over", "redis", over);
    let end = attempt(&FreezeWrites, &bench.call("freeze", Some("over"), json!({ "users": ["app"] }))).await;
    assert!(end.is_err(), "another name passed");
}

#[tokio::test]
async fn the_least_privilege_is_enough() {
    let Some((node, mut bench)) = alone().await else { return };
    let page = include_str!("../../../docs/connectors/redis.md");
    let line = page.lines().find_map(|line| line.strip_prefix("ACL SETUSER pointsman ")).unwrap();
    let password = format!(">{PASSWORD}");
    let words: Vec<&str> = line.split(' ').map(|word| if word == ">PASSWORD" { password.as_str() } else { word }).collect();
    node.ops(&[&["ACL", "SETUSER", "pointsman"], &words[..]].concat()).await;
    let mut least = settings(node.port, &[]);
    least["url"] = json!(format!("redis://pointsman@127.0.0.1:{}", node.port));
    bench.target("old", "redis", least);
    let params = json!({ "users": ["app", "shop"], "canaries": { "app": APP } });
    let freeze = bench.call("freeze", Some("old"), params);
    FreezeWrites.inspect(&freeze).await.unwrap();
    let (snapshot, applied, _) = attempt(&FreezeWrites, &freeze).await.unwrap();
    let drain = json!({ "keys": ["q"], "producers": ["app"], "stable_for": "1ms", "every": "1ms", "within": "5s" });
    attempt(&Drain, &bench.call("drain", Some("old"), drain)).await.unwrap();
    let open = bench.call("open", Some("old"), json!({ "rules": applied.outputs["rules"] }));
    attempt(&AllowWrites, &open).await.unwrap();
    FreezeWrites.undo(&freeze, &snapshot).await.unwrap();
    let wait = json!({ "at_least": applied.outputs["fence"], "within": "5s" });
    attempt(&WaitReplica, &bench.call("wait", Some("old"), wait)).await.unwrap();
    let promote = bench.call("promote", Some("old"), json!({}));
    let (snapshot, _, _) = attempt(&Promote, &promote).await.unwrap();
    Promote.undo(&promote, &snapshot).await.unwrap();
    let pause = bench.call("pause", Some("old"), json!({ "for": "1m" }));
    let (snapshot, ..) = attempt(&PauseWrites, &pause).await.unwrap();
    PauseWrites.undo(&pause, &snapshot).await.unwrap();
    let other = Redis::start().await;
    target(&mut bench, "new", &[&other]);
    let keys = json!({ "source": "old", "target": "new", "may_be_empty": ["*"], "patterns": ["*"] });
    attempt(&CheckKeys, &bench.call("keys", None, keys)).await.unwrap();
    for forbidden in [&["SET", "k", "v"][..], &["FLUSHALL"], &["CONFIG", "SET", "maxmemory", "1"]] {
        assert!(node.send("pointsman", PASSWORD, forbidden).await.unwrap_err().contains("NOPERM"));
    }
}
