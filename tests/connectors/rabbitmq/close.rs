//! Connections closed: what comes back is seen, and what is somebody else's stays.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lapin::{Connection, ConnectionProperties};
use pointsman::connectors::Inspect as _;
use pointsman::connectors::rabbitmq::CloseConnections;
use pointsman::model::Touch;
use serde_json::json;

use super::{Client, bench, shop};
use crate::bench::{CANARY, attempt};
use crate::servers::rabbitmq::{ADMIN, Rabbit};
use crate::servers::{missing, until};

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_come_back_are_seen_and_those_of_others_stay() {
    if missing("rabbitmqctl", "rabbitmq-server") {
        return;
    }
    let rabbit = Rabbit::start().await;
    for user in ["shop", "shop2", "billing"] {
        shop(&rabbit, user).await;
    }
    rabbit.vhost("other").await;
    rabbit.permit("shop", "other", [".*", ".*", ".*"]).await;
    let _clients =
        [Client::login(&rabbit, "shop").await, Client::login(&rabbit, "shop").await, Client::login(&rabbit, "shop2").await];
    let _billing = Client::login(&rabbit, "billing").await;
    let elsewhere = format!("amqp://shop:{CANARY}@127.0.0.1:{}/other", rabbit.amqp);
    let elsewhere = Connection::connect(&elsewhere, ConnectionProperties::default()).await.unwrap();
    rabbit.until_connected("shop", 3).await;
    rabbit.until_connected("shop2", 1).await;
    rabbit.until_connected("billing", 1).await;

    let mut bench = bench(&rabbit);
    let params = json!({ "users": ["shop*"], "quiet_for": "500ms", "close_within": "60s" });
    let mut call = bench.call("close", Some("mq"), params.clone());
    call.deadline += Duration::from_secs(100);
    let looked = CloseConnections.inspect(&call).await.unwrap();
    assert_eq!(looked.state["connections"], json!({ "shop": 2, "shop2": 1 }));
    assert_eq!(looked.statements.len(), 3, "two by name, because the third is in another virtual host: {:?}", looked.statements);
    bench.notes();
    let (_, applied, evidence) = attempt(&CloseConnections, &call).await.unwrap();
    assert_eq!(applied.outputs, json!({ "users": 2, "closed": 3 }));
    assert_eq!(evidence.facts["connections"], json!(0));
    rabbit.until_connected("shop", 1).await;
    rabbit.until_connected("billing", 1).await;
    assert!(elsewhere.status().connected(), "a connection in another virtual host was closed");

    // A client that connects again at once, as every driver does.
    let (running, address) = (Arc::new(AtomicBool::new(true)), format!("amqp://shop:{CANARY}@127.0.0.1:{}/%2F", rabbit.amqp));
    let goes_on = running.clone();
    let stubborn = tokio::spawn(async move {
        let mut last = None;
        while goes_on.load(Ordering::SeqCst) {
            let is_open = |connection: &Connection| connection.status().connected();
            if !last.as_ref().is_some_and(is_open) {
                last = Connection::connect(&address, ConnectionProperties::default()).await.ok();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    rabbit.until_connected("shop", 2).await;
    let mut params = params;
    params["quiet_for"] = json!("60s");
    let mut call = bench.call("close", Some("mq"), params);
    call.deadline += Duration::from_secs(100);
    let error = attempt(&CloseConnections, &call).await.unwrap_err();
    assert!(error.message.contains("shop has 1 connection") && error.message.contains("again by themselves"), "{error}");
    assert_eq!(error.touch, Touch::Possible);
    assert!(error.hint.unwrap().contains("rabbitmq.freeze_writes"));
    running.store(false, Ordering::SeqCst);
    stubborn.await.unwrap();

    for (params, why) in [
        (json!({ "users": [ADMIN] }), "Pointsman itself uses"),
        (json!({ "users": ["nobody*"] }), "no user but Pointsman's own"),
        (json!({ "users": [] }), "names nobody"),
    ] {
        let error = attempt(&CloseConnections, &bench.call("close", Some("mq"), params)).await.unwrap_err();
        assert!(error.message.contains(why) && error.touch == Touch::Untouched, "{error}");
    }
    let none = until("nobody", Duration::from_secs(60), || async { (rabbit.connections("shop2").await == 0).then_some(()) });
    none.await;
}
