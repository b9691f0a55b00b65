//! The switch by weights: where requests really go, what a reload forgets, and what weight 0 keeps.

use std::time::Duration;

use pointsman::connectors::haproxy::Switch;
use pointsman::connectors::{Act, Inspect};
use pointsman::model::{Finding, Touch};
use serde_json::json;

use super::{Shop, bench, statuses};
use crate::bench::attempt;
use crate::servers::haproxy::HaProxy;
use crate::servers::web::get;
use crate::servers::{missing, until};

#[tokio::test]
async fn a_configured_weight_of_0_gets_an_absolute_weight_and_the_traffic() {
    if missing("haproxy", "haproxy") {
        return;
    }
    let shop = Shop::start().await;
    let (one, two) = (shop.proxy("lb-1").await, shop.proxy("lb-2").await);
    // What `weight 50%` does where 0 is configured: nothing. That is the trap.
    one.ask("set server shop/cloud weight 50%").await;
    assert_eq!(one.state("shop").await, ["dc=0/100", "cloud=0/0"]);
    let mut bench = bench(&[&one, &two]);
    let call = bench.call("switch", Some("lb"), json!({ "backend": "shop", "to": "cloud" }));
    let looked = Switch.inspect(&call).await.unwrap();
    assert_eq!(looked.blockers, []);
    bench.notes();
    let (snapshot, applied, _) = attempt(&Switch, &call).await.unwrap();
    assert_eq!(applied.outputs["to"], "cloud");
    let sent = bench.statements();
    assert!(looked.statements.iter().all(|statement| sent.contains(statement)), "{sent:?}\n{:?}", looked.statements);
    assert!(sent.iter().all(|statement| !statement.contains('%')), "{sent:?}");
    let hits = (shop.old.hits(), shop.new.hits());
    assert_eq!((statuses(&one, 10).await, statuses(&two, 10).await), (vec![200; 10], vec![200; 10]));
    assert_eq!((shop.old.hits() - hits.0, shop.new.hits() - hits.1), (0, 20));
    Switch.undo(&call, &snapshot).await.unwrap();
    for proxy in [&one, &two] {
        assert_eq!(proxy.state("shop").await, ["dc=0/100", "cloud=0/0"]);
        assert_eq!(statuses(proxy, 5).await, [200; 5]);
    }
    assert_eq!(shop.old.hits() - hits.0, 10);
}

#[tokio::test]
async fn a_reload_between_apply_and_proof_is_noticed() {
    if missing("haproxy", "haproxy") {
        return;
    }
    let shop = Shop::start().await;
    let proxy = shop.proxy("lb-1").await;
    let bench = bench(&[&proxy]);
    let call = bench.call("switch", Some("lb"), json!({ "backend": "shop", "to": "cloud" }));
    let (snapshot, applied, _) = attempt(&Switch, &call).await.unwrap();
    proxy.reload().await;
    let error = Switch.prove(&call, &snapshot, &applied).await.unwrap_err();
    assert_eq!(error.touch, Touch::Possible, "{error}");
    assert!(error.hint.as_deref().unwrap_or_default().contains("reload"), "{error:?}");
    assert_eq!(Switch.probe(&call, &snapshot).await.unwrap().finding, Finding::NotApplied);
    assert_eq!(statuses(&proxy, 3).await, [200; 3]);
}

#[tokio::test]
async fn a_side_that_is_down_or_unknown_never_gets_the_traffic() {
    if missing("haproxy", "haproxy") {
        return;
    }
    let shop = Shop::start().await;
    let sections = shop.sections("default-server check inter 50ms fall 1 rise 1");
    let proxy = HaProxy::start("lb-1", &sections).await;
    shop.new.stop();
    until("the new side down", Duration::from_secs(5), || async {
        proxy.ask("show stat shop 4 -1").await.contains(",DOWN,").then_some(())
    })
    .await;
    let bench = bench(&[&proxy]);
    let before = proxy.state("shop").await;
    let call = bench.call("switch", Some("lb"), json!({ "backend": "shop", "to": "cloud" }));
    assert!(Switch.inspect(&call).await.unwrap().blockers[0].what.contains("cloud is down"));
    let error = attempt(&Switch, &call).await.unwrap_err();
    assert_eq!(error.touch, Touch::Untouched, "{error}");
    let error =
        attempt(&Switch, &bench.call("switch", Some("lb"), json!({ "backend": "shop", "to": "mars" }))).await.unwrap_err();
    assert!(error.message.contains("no server `mars`"), "{error}");
    assert_eq!(proxy.state("shop").await, before);
    assert_eq!(statuses(&proxy, 3).await, [200; 3]);
}

#[tokio::test]
async fn weight_0_keeps_persistent_clients_and_cut_moves_them() {
    if missing("haproxy", "haproxy") {
        return;
    }
    let shop = Shop::start().await;
    let proxy = HaProxy::start("lb-1", &shop.sections("cookie SIDE insert indirect")).await;
    let bench = bench(&[&proxy]);
    let faithful = "Cookie: SIDE=dc\r\n";
    let port = proxy.port;
    let held = tokio::spawn(async move { get(port, "/hold", "").await });
    until("the held request", Duration::from_secs(5), || async { (shop.old.hits() > 0).then_some(()) }).await;
    let keep = bench.call("switch", Some("lb"), json!({ "backend": "shop", "to": "cloud" }));
    let (snapshot, applied, _) = attempt(&Switch, &keep).await.unwrap();
    assert_eq!(applied.outputs["old_sessions"], json!(1));
    assert!(get(port, "/", faithful).await.unwrap().1.contains("x-side: dc"), "weight 0 keeps a persistent client");
    assert!(get(port, "/", "").await.unwrap().1.contains("x-side: cloud"));
    let cut = bench.call("cut", Some("lb"), json!({ "backend": "shop", "to": "cloud", "persistent": "cut" }));
    let (_, applied, evidence) = attempt(&Switch, &cut).await.unwrap();
    assert_eq!(applied.outputs["cut"], json!(1));
    assert_eq!(evidence.facts["old_sessions"], json!(0));
    assert!(get(port, "/", faithful).await.unwrap().1.contains("x-side: cloud"));
    tokio::time::timeout(Duration::from_secs(5), held).await.expect("the session was ended").unwrap();
    Switch.undo(&keep, &snapshot).await.unwrap();
    assert_eq!(proxy.state("shop").await, ["dc=0/100", "cloud=0/0"]);
}
