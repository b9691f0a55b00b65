//! The look: every process must answer as expected, and nothing is asked that would change anything.

use std::time::Duration;

use pointsman::connectors::Inspect;
use pointsman::connectors::haproxy::Check;
use pointsman::model::Touch;
use serde_json::json;

use super::{Shop, bench, settings};
use crate::bench::attempt;
use crate::servers::{missing, until};

#[tokio::test]
async fn every_process_must_be_as_expected_and_a_low_level_is_enough() {
    if missing("haproxy", "haproxy") {
        return;
    }
    let shop = Shop::start().await;
    let (one, two) = (shop.proxy("lb-1").await, shop.proxy("lb-2").await);
    let mut bench = bench(&[&one, &two]);
    let mut low = settings(&[&one, &two]);
    low["addresses"] = json!([one.looking_socket(), two.looking_socket()]);
    bench.target("low", "haproxy", low);
    let ask = |params| bench.call("look", Some("low"), params);
    for params in [
        json!({ "proxy": "shop", "server": "dc", "expect": { "state": "ready", "weight": 100, "sessions": 0, "status": "no check" } }),
        json!({ "proxy": "shop", "expect": { "open_servers": { "at_least": 1 }, "queued": 0, "status": "UP" } }),
        json!({ "proxy": "in", "side": "frontend", "expect": { "status": "OPEN", "requests_per_second": 0 } }),
    ] {
        attempt(&Check, &ask(params)).await.unwrap();
    }
    two.ask("set server shop/dc state drain").await;
    let drained = json!({ "proxy": "shop", "server": "dc", "expect": { "state": "ready" } });
    let error = attempt(&Check, &ask(drained.clone())).await.unwrap_err();
    assert!(error.message.contains("state: expected") && error.touch == Touch::Untouched, "{error}");
    assert!(Check.inspect(&ask(drained.clone())).await.unwrap().state["now"].as_str().unwrap().contains("drain"));
    // A column that is not there, a server that is not there, and no condition at all are no passes.
    for params in [
        json!({ "proxy": "shop", "server": "dc", "expect": { "nope": 0 } }),
        json!({ "proxy": "shop", "server": "nope", "expect": { "sessions": 0 } }),
        json!({ "proxy": "nope", "expect": { "sessions": 0 } }),
        json!({ "proxy": "shop", "expect": {} }),
    ] {
        let error = attempt(&Check, &ask(params)).await.unwrap_err();
        assert_eq!(error.touch, Touch::Untouched, "{error}");
    }
    let mut waited = drained;
    waited["within"] = json!("60s");
    waited["every"] = json!("50ms");
    let call = ask(waited);
    let mend = async {
        until("a look", Duration::from_secs(60), || async { Some(()) }).await;
        two.ask("set server shop/dc state ready").await;
    };
    let (answer, ()) = tokio::join!(attempt(&Check, &call), mend);
    assert_eq!(answer.unwrap().1.outputs["processes"], json!([{ "state": "ready" }, { "state": "ready" }]));
}
