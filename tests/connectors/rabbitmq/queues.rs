//! Queues held to conditions: what the broker holds, and not what its statistics remember.

use std::time::Duration;

use pointsman::connectors::Inspect as _;
use pointsman::connectors::rabbitmq::CheckQueues;
use pointsman::model::Touch;
use serde_json::json;

use super::{Client, bench, shop};
use crate::bench::attempt;
use crate::servers::missing;
use crate::servers::rabbitmq::Rabbit;

#[tokio::test(flavor = "multi_thread")]
async fn depths_and_consumers_are_those_of_this_moment_and_every_queue_is_held_to_them() {
    if missing("rabbitmqctl", "rabbitmq-server") {
        return;
    }
    let rabbit = Rabbit::start().await;
    shop(&rabbit, "shop").await;
    for queue in ["orders", "orders.dead"] {
        rabbit.queue("%2F", queue, json!({})).await;
    }
    let bench = bench(&rabbit);
    let ask = |params| {
        let mut call = bench.call("queues", Some("mq"), params);
        call.deadline += Duration::from_secs(100);
        call
    };
    // In the same moment in which they were published, the ordinary statistics say 0 or nothing.
    rabbit.publish("%2F", "orders", 5).await;
    let client = Client::login(&rabbit, "shop").await;
    let params = json!({ "queues": ["orders"], "expect": { "ready": 5, "unacknowledged": 0, "messages": 5, "consumers": 0, "type": "classic" } });
    let (_, applied, _) = attempt(&CheckQueues, &ask(params)).await.unwrap();
    assert_eq!(applied.outputs["queues"][0]["unacknowledged_is"], json!("counted"));
    // A consumer that is dropped is cancelled.
    let _worker = client.consume("orders", 2).await;
    let params = json!({ "queues": ["orders"], "within": "60s", "every": "50ms",
                         "expect": { "ready": 3, "unacknowledged": 2, "consumers": { "at_least": 1 }, "state": { "any_of": ["running", "idle"] } } });
    attempt(&CheckQueues, &ask(params)).await.unwrap();
    // One queue of the pattern is enough to fail, and it is named.
    let params = json!({ "queues": ["orders*"], "expect": { "messages": 0 } });
    let error = attempt(&CheckQueues, &ask(params.clone())).await.unwrap_err();
    assert!(error.message.contains("orders: messages: expected") && !error.message.contains("orders.dead"), "{error}");
    assert_eq!(error.touch, Touch::Untouched);
    assert!(CheckQueues.inspect(&ask(params.clone())).await.unwrap().state["now"].as_str().unwrap().contains("orders"));
    let mut spared = params;
    spared["except"] = json!(["orders"]);
    attempt(&CheckQueues, &ask(spared)).await.unwrap();
    for (params, why) in [
        (json!({ "queues": ["nope*"], "expect": { "ready": 0 } }), "is named `nope*`"),
        (json!({ "queues": ["orders"], "expect": {} }), "names nothing"),
        (json!({ "queues": ["orders"], "expect": { "messages_ready": 0 } }), "is none of ready"),
    ] {
        let error = attempt(&CheckQueues, &ask(params)).await.unwrap_err();
        assert!(error.message.contains(why) && error.touch == Touch::Untouched, "{error}");
    }
    // A quorum queue's unacknowledged messages are as old as its tick, and the answer says so.
    rabbit.queue("%2F", "ledger", json!({ "x-queue-type": "quorum" })).await;
    let params = json!({ "queues": ["ledger"], "expect": { "ready": 0, "type": "quorum" }, "within": "60s" });
    let (_, applied, _) = attempt(&CheckQueues, &ask(params)).await.unwrap();
    assert_eq!(applied.outputs["queues"][0]["unacknowledged_is"], json!("as old as the queue's tick"));
}
