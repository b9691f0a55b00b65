//! The closed entry: no request passes, in no process, and the way back is exact.

use std::time::Duration;

use pointsman::connectors::haproxy::Maintenance;
use pointsman::connectors::{Act, Inspect};
use pointsman::model::{Finding, Touch};
use serde_json::json;

use super::{Shop, bench, settings, statuses};
use crate::bench::attempt;
use crate::servers::web::{Traffic, get};
use crate::servers::{missing, until};

#[tokio::test]
async fn a_closed_backend_answers_nobody_and_the_way_back_is_exact_in_every_process() {
    if missing("haproxy", "haproxy") {
        return;
    }
    let shop = Shop::start().await;
    let (one, two) = (shop.proxy("lb-1").await, shop.proxy("lb-2").await);
    // A state that is nobody's default: one server drains with a weight of its own.
    one.ask("set server shop/cloud state drain").await;
    one.ask("set server shop/cloud weight 7").await;
    let before = (one.state("shop").await, two.state("shop").await);
    let mut bench = bench(&[&one, &two]);
    let call = bench.call("close", Some("lb"), json!({ "backend": "shop" }));
    let looked = Maintenance.inspect(&call).await.unwrap();
    assert_eq!(looked.blockers, []);
    assert_eq!(looked.identity[0]["node"], "lb-1");
    assert_eq!(looked.statements.len(), 4);
    assert_eq!(looked.undo_statements.len(), 4);
    assert_eq!(statuses(&one, 3).await, [200; 3], "the positive control");
    bench.notes();
    let (snapshot, applied, _) = attempt(&Maintenance, &call).await.unwrap();
    assert_eq!(applied.outputs["processes"], json!(2));
    assert!(bench.statements().iter().any(|sent| sent.ends_with("set server shop/dc state maint")));
    let hits = shop.old.hits() + shop.new.hits();
    assert_eq!((statuses(&one, 5).await, statuses(&two, 5).await), (vec![503; 5], vec![503; 5]));
    assert_eq!(shop.old.hits() + shop.new.hits(), hits, "a request passed");
    let evidence = Maintenance.undo(&call, &snapshot).await.unwrap();
    assert_eq!(evidence.facts["restored"], json!(2));
    assert_eq!((one.state("shop").await, two.state("shop").await), before);
    assert_eq!(statuses(&one, 3).await, [200; 3]);
    assert_eq!(Maintenance.undo(&call, &snapshot).await.unwrap().facts["restored"], json!(0), "twice is a no-op");
}

#[tokio::test]
async fn a_set_of_servers_never_becomes_empty_without_saying_so() {
    if missing("haproxy", "haproxy") {
        return;
    }
    let shop = Shop::start().await;
    let proxy = shop.proxy("lb-1").await;
    let bench = bench(&[&proxy]);
    let call = bench.call("close", Some("lb"), json!({ "backend": "shop", "servers": ["dc"] }));
    let looked = Maintenance.inspect(&call).await.unwrap();
    assert!(looked.blockers[0].what.contains("no server of `shop` would be left"), "{:?}", looked.blockers);
    let error = attempt(&Maintenance, &call).await.unwrap_err();
    assert_eq!(error.touch, Touch::Untouched, "{error}");
    assert_eq!(statuses(&proxy, 2).await, [200; 2]);
    proxy.ask("set server shop/cloud weight 50").await;
    attempt(&Maintenance, &call).await.unwrap();
    let hits = shop.old.hits();
    assert_eq!(statuses(&proxy, 4).await, [200; 4]);
    assert_eq!(shop.old.hits(), hits);
}

#[tokio::test]
async fn sessions_that_are_open_outlive_maintenance_until_they_are_cut() {
    if missing("haproxy", "haproxy") {
        return;
    }
    let shop = Shop::start().await;
    let proxy = shop.proxy("lb-1").await;
    let port = proxy.port;
    let held = tokio::spawn(async move { get(port, "/hold", "").await });
    until("the held request", Duration::from_secs(5), || async { (shop.old.hits() > 0).then_some(()) }).await;
    let bench = bench(&[&proxy]);
    let keep = bench.call("close", Some("lb"), json!({ "backend": "shop" }));
    let (_, applied, _) = attempt(&Maintenance, &keep).await.unwrap();
    assert_eq!(applied.outputs["sessions"], json!(1), "the open session is counted");
    assert!(!held.is_finished(), "maintenance alone ended it");
    let cut = bench.call("cut", Some("lb"), json!({ "backend": "shop", "cut": true }));
    let (_, applied, evidence) = attempt(&Maintenance, &cut).await.unwrap();
    assert_eq!(applied.outputs["cut"], json!(1));
    assert_eq!(evidence.facts["sessions"], json!(0));
    tokio::time::timeout(Duration::from_secs(5), held).await.expect("the session was ended").unwrap();
}

#[tokio::test]
async fn one_of_two_processes_dead_changes_nothing_and_does_not_stop_the_way_back() {
    if missing("haproxy", "haproxy") {
        return;
    }
    let shop = Shop::start().await;
    let (one, mut two) = (shop.proxy("lb-1").await, shop.proxy("lb-2").await);
    let bench = bench(&[&one, &two]);
    let call = bench.call("close", Some("lb"), json!({ "backend": "shop" }));
    let before = one.state("shop").await;
    let (snapshot, applied, _) = attempt(&Maintenance, &call).await.unwrap();
    assert_eq!(Maintenance.probe(&call, &snapshot).await.unwrap().finding, Finding::Applied);
    two.daemon.kill();
    let error = Maintenance.prove(&call, &snapshot, &applied).await.unwrap_err();
    assert!(error.message.contains(&two.address()), "{error}");
    let error = Maintenance.undo(&call, &snapshot).await.unwrap_err();
    assert!(error.message.contains(&two.address()), "{error}");
    assert_eq!(error.manual.len(), 2, "{:?}", error.manual);
    assert_eq!(one.state("shop").await, before, "the living process is restored all the same");
    let error = attempt(&Maintenance, &call).await.unwrap_err();
    assert_eq!(error.touch, Touch::Untouched, "{error}");
    assert_eq!(one.state("shop").await, before);
}

#[tokio::test]
async fn a_stranger_a_process_named_twice_and_a_low_level_are_seen_before_anything_is_sent() {
    if missing("haproxy", "haproxy") {
        return;
    }
    let shop = Shop::start().await;
    let proxy = shop.proxy("lb-1").await;
    let mut bench = bench(&[&proxy]);
    let before = proxy.state("shop").await;
    for (identity, word) in [
        (json!({ "nodes": ["lb-9"] }), "node"),
        (json!({ "description": "other" }), "description"),
        (json!({ "version": "9." }), "version"),
    ] {
        let mut wrong = settings(&[&proxy]);
        wrong["identity"] = identity;
        bench.target("wrong", "haproxy", wrong);
        let error = attempt(&Maintenance, &bench.call("close", Some("wrong"), json!({ "backend": "shop" }))).await.unwrap_err();
        assert!(error.message.contains(word) && error.touch == Touch::Untouched, "{error}");
    }
    bench.target("twice", "haproxy", json!({ "addresses": [proxy.address(), proxy.socket()] }));
    let error = attempt(&Maintenance, &bench.call("close", Some("twice"), json!({ "backend": "shop" }))).await.unwrap_err();
    assert!(error.message.contains("are the same process"), "{error}");
    bench.target("low", "haproxy", json!({ "address": proxy.looking_socket() }));
    let call = bench.call("close", Some("low"), json!({ "backend": "shop" }));
    let looked = Maintenance.inspect(&call).await.unwrap();
    assert!(looked.blockers[0].what.contains("level `operator`"), "{:?}", looked.blockers);
    let error = attempt(&Maintenance, &call).await.unwrap_err();
    assert!(error.message.contains("Permission denied") && error.touch == Touch::Untouched, "{error}");
    for params in [json!({ "backend": "nope" }), json!({ "backend": "shop; disable frontend in" })] {
        let error = attempt(&Maintenance, &bench.call("close", Some("lb"), params)).await.unwrap_err();
        assert_eq!(error.touch, Touch::Untouched, "{error}");
    }
    assert_eq!(proxy.state("shop").await, before);
}

#[tokio::test]
async fn traffic_sees_the_door_close_and_open() {
    if missing("haproxy", "haproxy") {
        return;
    }
    let shop = Shop::start().await;
    let proxy = shop.proxy("lb-1").await;
    let bench = bench(&[&proxy]);
    let traffic = Traffic::on(proxy.port, Duration::from_millis(2));
    until("traffic", Duration::from_secs(5), || async { (traffic.ok() > 10).then_some(()) }).await;
    let call = bench.call("close", Some("lb"), json!({ "backend": "shop", "cut": true }));
    let (snapshot, ..) = attempt(&Maintenance, &call).await.unwrap();
    let hits = shop.old.hits();
    let bad = traffic.bad();
    until("refused traffic", Duration::from_secs(5), || async { (traffic.bad() > bad + 20).then_some(()) }).await;
    assert_eq!(shop.old.hits(), hits, "a request passed while it was closed");
    Maintenance.undo(&call, &snapshot).await.unwrap();
    let ok = traffic.ok();
    until("traffic again", Duration::from_secs(5), || async { (traffic.ok() > ok + 20).then_some(()) }).await;
}
