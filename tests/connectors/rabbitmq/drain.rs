//! Draining queues: stale depths, unacknowledged messages, hung workers, and everything that feeds a queue behind a freeze.

use std::time::Duration;

use lapin::options::BasicAckOptions;
use pointsman::connectors::Inspect as _;
use pointsman::connectors::rabbitmq::{Drain, FreezeWrites};
use pointsman::model::Touch;
use serde_json::{Value, json};

use super::{Client, bench, freezing, shop};
use crate::bench::attempt;
use crate::servers::rabbitmq::Rabbit;
use crate::servers::{missing, until};

fn draining(queues: &[&str], more: Value) -> Value {
    let mut params = json!({
        "queues": queues, "producers": ["shop"], "stable_for": "300ms", "every": "50ms", "within": "15s", "no_progress_for": "1s",
        "accept": ["user:worker"],
    });
    params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    params
}

/// What the ordinary answer of the management API says; nothing counts as 0.
async fn said(rabbit: &Rabbit, queue: &str) -> u64 {
    rabbit.get(&format!("queues/%2F/{queue}")).await["messages"].as_u64().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_reading_of_the_management_api_is_never_a_drain() {
    if missing("rabbitmqctl", "rabbitmq-server") {
        return;
    }
    let rabbit = Rabbit::start().await;
    shop(&rabbit, "shop").await;
    shop(&rabbit, "worker").await;
    rabbit.queue("%2F", "orders", json!({})).await;
    let bench = bench(&rabbit);
    let call = bench.call("drain", Some("mq"), draining(&["ord*"], json!({})));

    // Empty and fed is not drained.
    let error = attempt(&Drain, &call).await.unwrap_err();
    assert!(error.message.contains("not fed") && error.message.contains("shop"), "{error}");

    let client = Client::login(&rabbit, "shop").await;
    for _ in 0..100 {
        client.publish("orders").await.unwrap();
    }
    // The trap, one way: 0 where the broker holds 100.
    assert_eq!((said(&rabbit, "orders").await, rabbit.depth("%2F", "orders").await), (0, (100, 0)));
    attempt(&FreezeWrites, &bench.call("freeze", Some("mq"), freezing(&["shop"], &["user:worker"]))).await.unwrap();

    // Nobody consumes: the queue is named, and that it has no consumer.
    let error = attempt(&Drain, &call).await.unwrap_err();
    assert!(error.message.contains("orders holds 100 ready and 0 unacknowledged messages, and it has no consumer"), "{error}");
    assert!(error.message.contains("nothing went for 1s") && error.touch == Touch::Untouched, "{error}");

    // A worker took everything and acknowledges nothing: nothing is ready, and nothing is drained.
    let worker = Client::login(&rabbit, "worker").await;
    let _deliveries = worker.consume("orders", 0).await;
    until("all are taken", Duration::from_secs(10), || async { (rabbit.depth("%2F", "orders").await == (0, 100)).then_some(()) })
        .await;
    let error = attempt(&Drain, &call).await.unwrap_err();
    assert!(error.message.contains("orders holds 0 ready and 100 unacknowledged messages"), "{error}");
    let found = Drain.inspect(&call).await.unwrap();
    assert_eq!(found.state["queues"][0], json!({ "queue": "orders", "ready": 0, "unacknowledged": 100, "consumers": 1 }));

    // The trap, the other way: 100 where the broker holds 0. The drain says 0, and is right.
    until("the statistics have seen it", Duration::from_secs(20), || async {
        (said(&rabbit, "orders").await == 100).then_some(())
    })
    .await;
    let multiple = BasicAckOptions { multiple: true };
    worker.channel.basic_ack(0, multiple).await.unwrap();
    until("all are done", Duration::from_secs(10), || async { (rabbit.depth("%2F", "orders").await == (0, 0)).then_some(()) })
        .await;
    assert_eq!(said(&rabbit, "orders").await, 100);
    let (_, applied, evidence) = attempt(&Drain, &call).await.unwrap();
    assert!(applied.outputs["waited_ms"].as_u64().unwrap() >= 300, "{:?}", applied.outputs);
    assert_eq!(evidence.facts["queues"][0]["ready"], 0);
    assert_eq!(evidence.facts["fed"]["producers"][0]["frozen_by"], "shop-20261121-abcd");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_back_behind_a_freeze_is_seen_before_a_queue_counts_as_drained() {
    if missing("rabbitmqctl", "rabbitmq-server") {
        return;
    }
    let rabbit = Rabbit::start().await;
    shop(&rabbit, "shop").await;
    rabbit.permit("shop", "%2F", [".*", "^$", ".*"]).await;
    rabbit.queue("%2F", "orders", json!({})).await;
    let retry = json!({ "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "orders", "x-message-ttl": 4_000 });
    rabbit.queue("%2F", "orders.retry", retry).await;
    let bench = bench(&rabbit);
    let call = bench.call("drain", Some("mq"), draining(&["orders"], json!({ "accept": [] })));

    // A row that somebody set by hand says nothing about a connection that is still open.
    let open = Client::login(&rabbit, "shop").await;
    rabbit.until_connected("shop", 1).await;
    let error = attempt(&Drain, &call).await.unwrap_err();
    assert!(error.message.contains("open connections that may keep an older grant"), "{error}");
    open.connection.close(200, "done".into()).await.unwrap();
    rabbit.until_connected("shop", 0).await;
    attempt(&Drain, &call).await.unwrap();

    // Delayed retries: the queue is empty, nobody may write, and a message is on its way back.
    rabbit.publish("%2F", "orders.retry", 1).await;
    let error = attempt(&Drain, &call).await.unwrap_err();
    assert!(error.message.contains("orders.retry holds 1 messages that come back"), "{error}");
    let moved = || async { (rabbit.depth("%2F", "orders").await == (1, 0)).then_some(()) };
    until("the broker brings it back with nobody's permission", Duration::from_secs(20), moved).await;
    let error = attempt(&Drain, &call).await.unwrap_err();
    assert!(error.message.contains("orders holds 1 ready"), "{error}");

    // A quorum queue's own count is as old as its tick; the larger of both ways to count holds.
    rabbit.queue("%2F", "ledger", json!({ "x-queue-type": "quorum" })).await;
    rabbit.publish("%2F", "ledger", 5).await;
    assert_eq!(rabbit.depth("%2F", "ledger").await, (0, 0), "the trap: its totals say nothing yet");
    let short = draining(&["ledger"], json!({ "accept": [], "stable_for": "1ms", "within": "1s" }));
    let error = attempt(&Drain, &bench.call("drain", Some("mq"), short)).await.unwrap_err();
    assert!(error.message.contains("ledger holds 5 ready"), "{error}");

    // A stream keeps what was read, and a name that means nothing is a mistake.
    rabbit.queue("%2F", "log", json!({ "x-queue-type": "stream" })).await;
    for (queues, why) in [(["log"], "stream"), (["ordres"], "no queue")] {
        let error = attempt(&Drain, &bench.call("drain", Some("mq"), draining(&queues, json!({})))).await.unwrap_err();
        assert!(error.message.contains(why), "{error}");
    }
}
