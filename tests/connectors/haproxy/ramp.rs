//! The ramp under traffic: shares that requests confirm, gates that fail, gates that have no answer, and processes that go.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use pointsman::connectors::haproxy::Switch;
use pointsman::connectors::{Act, Inspect};
use pointsman::model::{Finding, Touch};
use serde_json::{Value, json};

use super::{Shop, bench, statuses};
use crate::bench::attempt;
use crate::server::{Reply, serve};
use crate::servers::haproxy::HaProxy;
use crate::servers::web::Traffic;
use crate::servers::{missing, until};

fn params(gate: &Value) -> Value {
    json!({ "backend": "shop", "to": "cloud", "ramp": ["1%", "10%", "100%"], "dwell": "400ms", "gate": gate })
}

/// Waits until the new side has a weight above `weight`.
async fn above(proxy: &HaProxy, weight: u32) {
    until("the share", Duration::from_secs(15), || async {
        let state = proxy.state("shop").await;
        let found: u32 = state[1].rsplit('/').next()?.parse().ok()?;
        (found > weight).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_gate_that_fails_at_10_percent_puts_everything_back_at_once() {
    if missing("haproxy", "haproxy") {
        return;
    }
    let shop = Shop::start().await;
    let (one, two) = (shop.proxy("lb-1").await, shop.proxy("lb-2").await);
    let rate = Arc::new(AtomicU64::new(0));
    let told = rate.clone();
    let (metrics, asked) = serve(move |_| Reply::json(&format!("{{ \"rate\": {} }}", told.load(Ordering::SeqCst)))).await;
    let mut bench = bench(&[&one, &two]);
    let before = (one.state("shop").await, two.state("shop").await);
    let traffic = Traffic::on(one.port, Duration::from_millis(1));
    let gate = json!({ "http": metrics, "json": "rate", "below": 0.5, "every": "50ms", "consecutive": 3 });
    let call = bench.call("switch", Some("lb"), params(&gate));
    let snapshot = Switch.capture(&call).await.unwrap();
    let apply = Switch.apply(&call, &snapshot);
    let break_at_10 = async {
        above(&one, 5).await;
        let seen = shop.new.hits();
        rate.store(1, Ordering::SeqCst);
        seen
    };
    let (error, seen) = tokio::join!(apply, break_at_10);
    let error = error.unwrap_err();
    assert!(error.message.contains("the gate failed at 10%"), "{error}");
    assert!(error.message.contains("back to what it was before"), "{error}");
    assert_eq!((error.touch, error.in_doubt), (Touch::Possible, false));
    assert_eq!((one.state("shop").await, two.state("shop").await), before, "traffic does not stay at 10 %");
    assert!(seen > 0, "1 % of the traffic reached the new side");
    // A request that was under way when the weights went back is still the new side's.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let (new, ok) = (shop.new.hits(), traffic.ok());
    until("traffic after it", Duration::from_secs(10), || async { (traffic.ok() > ok + 200).then_some(()) }).await;
    assert_eq!(shop.new.hits(), new, "no request more goes to the new side");
    assert_eq!(traffic.bad(), 0, "nobody saw an error");
    assert!(asked.lock().unwrap().len() > 6);
    Switch.undo(&call, &snapshot).await.unwrap();
    assert_eq!(Switch.probe(&call, &snapshot).await.unwrap().finding, Finding::NotApplied);
    let notes = bench.statements();
    assert!(notes.iter().any(|s| s.contains("set server shop/cloud weight 1")), "{notes:?}");
}

#[tokio::test]
async fn a_ramp_goes_up_in_the_shares_that_it_says_and_nobody_sees_an_error() {
    if missing("haproxy", "haproxy") {
        return;
    }
    let shop = Shop::start().await;
    let proxy = shop.proxy("lb-1").await;
    let bench = bench(&[&proxy]);
    let traffic = Traffic::on(proxy.port, Duration::from_millis(1));
    let gate = json!({ "stat": "5xx", "below": 0.5, "requests": 1, "every": "50ms" });
    let mut wanted = params(&gate);
    wanted["dwell"] = json!("1500ms");
    let call = bench.call("switch", Some("lb"), wanted);
    let looked = Switch.inspect(&call).await.unwrap();
    assert_eq!(looked.state["stages"][1]["by_weights"], json!("9.9099%"), "{}", looked.state);
    let watch = async {
        above(&proxy, 5).await;
        let (old, new) = (shop.old.hits(), shop.new.hits());
        above(&proxy, 50).await;
        (shop.old.hits() - old, shop.new.hits() - new)
    };
    let (applied, (old, new)) = tokio::join!(attempt(&Switch, &call), watch);
    let (snapshot, applied, _) = applied.unwrap();
    assert_eq!(applied.outputs["stages"].as_array().unwrap().len(), 3, "{}", applied.outputs);
    let share = new as f64 / (old + new) as f64;
    assert!(old + new > 100 && (0.07..0.13).contains(&share), "{new} of {} at 10 %", old + new);
    assert_eq!(traffic.bad(), 0);
    // Applied again it is there already: no gate is asked and nothing dwells.
    let begun = Instant::now();
    Switch.apply(&call, &snapshot).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(1));
    Switch.undo(&call, &snapshot).await.unwrap();
    assert_eq!(proxy.state("shop").await, ["dc=0/100", "cloud=0/0"]);
}

#[tokio::test]
async fn failures_that_the_proxy_counts_fail_the_gate_at_the_first_share() {
    if missing("haproxy", "haproxy") {
        return;
    }
    let shop = Shop::start().await;
    shop.new.fail(true);
    let proxy = shop.proxy("lb-1").await;
    let bench = bench(&[&proxy]);
    let _traffic = Traffic::on(proxy.port, Duration::from_millis(1));
    let gate = json!({ "stat": "5xx", "below": 0.1, "requests": 2, "every": "50ms" });
    let error = attempt(&Switch, &bench.call("switch", Some("lb"), params(&gate))).await.unwrap_err();
    assert!(error.message.contains("at 1%") && error.message.contains("5xx"), "{error}");
    assert_eq!(proxy.state("shop").await, ["dc=0/100", "cloud=0/0"]);
}

#[tokio::test]
async fn a_missing_sample_is_inconclusive_and_never_a_pass() {
    if missing("haproxy", "haproxy") {
        return;
    }
    let shop = Shop::start().await;
    let proxy = shop.proxy("lb-1").await;
    let bench = bench(&[&proxy]);
    let (metrics, asked) = serve(|n| if n % 2 == 0 { Reply::json("0") } else { Reply::HangUp }).await;
    for gate in [
        // Every second answer is missing: there are never two good ones in a row.
        json!({ "http": metrics, "below": 0.5, "every": "50ms", "consecutive": 2 }),
        // Nobody asks anything of the new side: no failure among no requests is no sample.
        json!({ "stat": "5xx", "below": 0.5, "requests": 1, "every": "50ms", "consecutive": 2 }),
    ] {
        let error = attempt(&Switch, &bench.call("switch", Some("lb"), params(&gate))).await.unwrap_err();
        assert!(error.message.contains("could not decide at 1%"), "{error}");
        assert_eq!(proxy.state("shop").await, ["dc=0/100", "cloud=0/0"]);
    }
    assert!(asked.lock().unwrap().len() > 4);
}

#[tokio::test]
async fn a_dwell_that_cannot_decide_and_a_share_that_weights_cannot_give_are_refused_at_inspect() {
    if missing("haproxy", "haproxy") {
        return;
    }
    let shop = Shop::start().await;
    let proxy = shop.proxy("lb-1").await;
    let bench = bench(&[&proxy]);
    let with = |ramp: Value, dwell: &str, gate: Value| json!({ "backend": "shop", "to": "cloud", "ramp": ramp, "dwell": dwell, "gate": gate });
    let rate = json!({ "stat": "5xx", "below": 0.01, "requests_per_second": 2000 });
    for (params, word) in [
        (with(json!(["1%", "100%"]), "5s", rate), "dwell: 15s"),
        (with(json!(["1%", "100%"]), "2s", json!({ "stat": "5xx", "below": 0.5 })), "dwell: 3s"),
        (with(json!(["0.01%", "100%"]), "5s", json!(null)), "nginx.split"),
        (with(json!(["10%", "1%", "100%"]), "5s", json!(null)), "must rise"),
        (with(json!(["10%"]), "5s", json!(null)), "end with 100%"),
    ] {
        let call = bench.call("switch", Some("lb"), params);
        let error = Switch.inspect(&call).await.unwrap_err();
        let text = format!("{error} {:?}", error.hint);
        assert!(text.contains(word), "{text}");
        assert_eq!(attempt(&Switch, &call).await.unwrap_err().touch, Touch::Untouched);
    }
    // A timeout that the ramp cannot keep is refused before the first share.
    let long = bench.call("switch", Some("lb"), with(json!(["1%", "100%"]), "1m", json!(null)));
    assert!(attempt(&Switch, &long).await.unwrap_err().hint.unwrap().contains("timeout"));
    assert_eq!(proxy.state("shop").await, ["dc=0/100", "cloud=0/0"]);
    assert_eq!(statuses(&proxy, 1).await, [200]);
}

#[tokio::test]
async fn a_reload_and_a_death_in_the_middle_of_a_ramp_are_told_as_they_are() {
    if missing("haproxy", "haproxy") {
        return;
    }
    let shop = Shop::start().await;
    let (one, mut two) = (shop.proxy("lb-1").await, shop.proxy("lb-2").await);
    let bench = bench(&[&one, &two]);
    let mut plain = params(&json!(null));
    plain["dwell"] = json!("1s");
    let call = bench.call("switch", Some("lb"), plain);
    let snapshot = Switch.capture(&call).await.unwrap();
    let reload = async {
        above(&one, 5).await;
        two.reload().await;
    };
    let (error, ()) = tokio::join!(Switch.apply(&call, &snapshot), reload);
    let error = error.unwrap_err();
    assert!(error.message.contains(&two.address()), "{error}");
    assert_eq!(error.touch, Touch::Possible);
    for proxy in [&one, &two] {
        assert_eq!(proxy.state("shop").await, ["dc=0/100", "cloud=0/0"], "{error}");
    }
    let snapshot = Switch.capture(&call).await.unwrap();
    let kill = async {
        above(&one, 5).await;
        two.daemon.signal(Signal::SIGTERM);
        two.daemon.kill();
    };
    let (error, ()) = tokio::join!(Switch.apply(&call, &snapshot), kill);
    let error = error.unwrap_err();
    assert!(error.message.contains("could not all be put back"), "{error}");
    assert!(error.manual.iter().all(|line| line.starts_with(&two.address())) && !error.manual.is_empty(), "{:?}", error.manual);
    assert_eq!(one.state("shop").await, ["dc=0/100", "cloud=0/0"], "the living process went back");
    assert!(Switch.undo(&call, &snapshot).await.is_err(), "a process that cannot be asked is no proof");
}
