//! The map: shares finer than weights, under traffic, and an entry that is put back in every process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pointsman::connectors::haproxy::Map;
use pointsman::connectors::{Act, Inspect};
use pointsman::model::{Finding, Touch};
use serde_json::{Value, json};

use super::{Shop, bench, settings, statuses};
use crate::bench::{Bench, attempt};
use crate::server::{Reply, serve};
use crate::servers::haproxy::HaProxy;
use crate::servers::web::Traffic;
use crate::servers::{missing, until};

/// A frontend that sends `shop` parts of 10000 to the new application.
async fn proxy(shop: &Shop, node: &str) -> HaProxy {
    let (old, new) = (shop.old.port, shop.new.port);
    let sections = format!(
        "frontend in\n  bind 127.0.0.1:{{front}}\n  http-request set-var(txn.share) str(shop),map_str_int({{folder}}/share.map,0)\n  \
         http-request set-var(txn.roll) rand(10000)\n  use_backend cloud if {{ var(txn.roll),sub(txn.share) lt 0 }}\n  \
         default_backend shop\nbackend shop\n  server dc 127.0.0.1:{old}\nbackend cloud\n  server new 127.0.0.1:{new}\n"
    );
    HaProxy::with_files(node, &sections, &[("share.map", "other 7\nshop 0\n")]).await
}

async fn entries(proxy: &HaProxy) -> Vec<String> {
    let answer = proxy.ask(&format!("show map {}", map(proxy))).await;
    answer.lines().filter_map(|line| Some(line.split_once(' ')?.1.to_owned())).collect()
}

fn map(proxy: &HaProxy) -> String {
    proxy.file("share.map").display().to_string()
}

/// Every process must have the map under one name, so two processes share the first one's file by a link.
async fn pair(shop: &Shop) -> (HaProxy, HaProxy, Bench) {
    let one = proxy(shop, "lb-1").await;
    let place = map(&one);
    let sections = format!(
        "frontend in\n  bind 127.0.0.1:{{front}}\n  http-request set-header X-Side %[str(shop),map({place},none)]\n  default_backend shop\n\
         backend shop\n  server dc 127.0.0.1:{}\n",
        shop.old.port
    );
    let two = HaProxy::start("lb-2", &sections).await;
    let bench = bench(&[&one, &two]);
    (one, two, bench)
}

#[tokio::test]
async fn a_map_takes_shares_finer_than_a_weight_and_the_traffic_follows() {
    if missing("haproxy", "haproxy") {
        return;
    }
    let shop = Shop::start().await;
    let (one, two, mut bench) = pair(&shop).await;
    let before = (entries(&one).await, two.ask(&format!("show map {}", map(&one))).await.lines().count());
    let params =
        json!({ "map": map(&one), "key": "shop", "to": "cloud", "parts": 10_000, "ramp": ["0.01%", "100%"], "dwell": "50ms" });
    let call = bench.call("switch", Some("lb"), params);
    let looked = Map.inspect(&call).await.unwrap();
    assert_eq!((looked.statements.len(), looked.undo_statements.len(), looked.blockers.len()), (4, 2, 0));
    assert!(looked.statements[0].ends_with("share.map shop 1"), "{:?}", looked.statements);
    assert_eq!(statuses(&one, 20).await, [200; 20]);
    assert_eq!(shop.new.hits(), 0, "the positive control");
    bench.notes();
    let (snapshot, applied, evidence) = attempt(&Map, &call).await.unwrap();
    assert_eq!((&applied.outputs["value"], &applied.outputs["stages"][0]["value"]), (&json!("10000"), &json!("1")));
    assert_eq!(evidence.facts["held"], json!(["10000", "10000"]));
    let sent = bench.statements();
    assert!(looked.statements.iter().all(|statement| sent.contains(statement)), "{sent:?}");
    let hits = (shop.old.hits(), shop.new.hits());
    assert_eq!(statuses(&one, 20).await, [200; 20]);
    assert_eq!((shop.old.hits() - hits.0, shop.new.hits() - hits.1), (0, 20));
    Map.undo(&call, &snapshot).await.unwrap();
    assert_eq!(entries(&one).await, before.0);
    assert_eq!(statuses(&one, 20).await, [200; 20]);
    assert_eq!(shop.new.hits() - hits.1, 20);
    for wrong in
        [json!({ "parts": 1000 }), json!({}), json!({ "value": "1" }), json!({ "value": "a b" }), json!({ "value": "a;b" })]
    {
        let mut params = json!({ "map": map(&one), "key": "shop", "to": "cloud", "ramp": ["0.01%", "100%"], "dwell": "50ms" });
        params.as_object_mut().unwrap().extend(wrong.as_object().unwrap().clone());
        assert!(Map.inspect(&bench.call("switch", Some("lb"), params)).await.is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn a_gate_that_fails_puts_the_entry_back_at_once_in_every_process() {
    if missing("haproxy", "haproxy") {
        return;
    }
    let shop = Shop::start().await;
    let (one, two, bench) = pair(&shop).await;
    let rate = Arc::new(AtomicU64::new(0));
    let told = rate.clone();
    let (metrics, _) = serve(move |_| Reply::json(&format!("{{ \"rate\": {} }}", told.load(Ordering::SeqCst)))).await;
    let gate =
        json!({ "http": metrics, "json": "rate", "below": 0.5, "every": "50ms", "consecutive": 3, "undecided_for": "60s" });
    let params = json!({
        "map": map(&one), "key": "shop", "to": "cloud", "parts": 10_000, "ramp": ["1%", "50%", "100%"], "dwell": "300ms", "gate": gate,
    });
    let traffic = Traffic::on(one.port, Duration::from_millis(1));
    let call = bench.call("switch", Some("lb"), params);
    let break_it = async {
        until("half", Duration::from_secs(60), || async { entries(&one).await.contains(&"shop 5000".to_owned()).then_some(()) })
            .await;
        rate.store(1, Ordering::SeqCst);
    };
    let (error, ()) = tokio::join!(attempt(&Map, &call), break_it);
    let error = error.unwrap_err();
    assert!(error.message.contains("the gate failed at 50%") && error.message.contains("is back to what it was"), "{error}");
    assert_eq!((error.touch, error.in_doubt), (Touch::Possible, false));
    assert_eq!(entries(&one).await, ["other 7", "shop 0"]);
    assert!(two.ask(&format!("show map {}", map(&one))).await.contains("shop 0"));
    assert_eq!(traffic.bad(), 0, "nobody saw an error");
}

#[tokio::test]
async fn an_entry_that_is_missing_is_added_and_taken_away_and_a_reload_is_noticed() {
    if missing("haproxy", "haproxy") {
        return;
    }
    let shop = Shop::start().await;
    let one = proxy(&shop, "lb-1").await;
    let mut bench = bench(&[&one]);
    let call = |bench: &Bench, params: Value| {
        let mut all = json!({ "map": map(&one), "to": "cloud" });
        all.as_object_mut().unwrap().extend(params.as_object().unwrap().clone());
        bench.call("map", Some("lb"), all)
    };
    let added = call(&bench, json!({ "key": "blog", "value": "5" }));
    let (snapshot, applied, _) = attempt(&Map, &added).await.unwrap();
    assert_eq!(entries(&one).await, ["other 7", "shop 0", "blog 5"]);
    Map.undo(&added, &snapshot).await.unwrap();
    assert_eq!(entries(&one).await, ["other 7", "shop 0"]);
    Map.apply(&added, &snapshot).await.unwrap();
    // The file is not changed: a reload forgets what was set, and the proof says so.
    one.reload().await;
    let error = Map.prove(&added, &snapshot, &applied).await.unwrap_err();
    assert!(error.message.contains("is missing, not `5`") && error.hint.unwrap().contains("a reload"), "{}", error.message);
    assert_eq!(Map.probe(&added, &snapshot).await.unwrap().finding, Finding::NotApplied);
    // The same key twice: nobody could put that back.
    one.ask(&format!("add map {} twice 1", map(&one))).await;
    one.ask(&format!("add map {} twice 2", map(&one))).await;
    for params in [
        json!({ "key": "twice", "value": "5" }),
        json!({ "key": "shop", "value": "5", "map": "/etc/no.map" }),
        json!({ "key": "shop", "value": "5", "map": "#0" }),
    ] {
        let error = attempt(&Map, &call(&bench, params.clone())).await.unwrap_err();
        assert_eq!(error.touch, Touch::Untouched, "{params}: {error}");
    }
    assert_eq!(entries(&one).await, ["other 7", "shop 0", "twice 1", "twice 2"]);
    // The map holds numbers. HAProxy answers nothing to another text and keeps the old value; reading back sees that.
    let error = attempt(&Map, &call(&bench, json!({ "key": "shop", "value": "cloud" }))).await.unwrap_err();
    assert!(
        error.message.contains("after the change the entry `shop`") && error.message.contains("is `0`, not `cloud`"),
        "{error}"
    );
    // A map is changed with `level operator`: more is not asked for.
    let mut low = settings(&[&one]);
    low["addresses"] = json!([one.looking_socket()]);
    bench.target("low", "haproxy", low);
    let params = json!({ "map": map(&one), "key": "shop", "to": "cloud", "value": "9" });
    let operated = bench.call("map", Some("low"), params);
    assert_eq!(Map.inspect(&operated).await.unwrap().blockers, []);
    let (snapshot, ..) = attempt(&Map, &operated).await.unwrap();
    Map.undo(&operated, &snapshot).await.unwrap();
    assert_eq!(entries(&one).await, ["other 7", "shop 0", "twice 1", "twice 2"]);
}
