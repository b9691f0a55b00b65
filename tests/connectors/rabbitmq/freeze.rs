//! The freeze of users: cached grants, ways past it, broken canaries, exact undo.

use pointsman::connectors::rabbitmq::FreezeWrites;
use pointsman::connectors::{Act as _, Inspect as _};
use pointsman::model::{Finding, Touch};
use serde_json::json;

use super::{Client, bench, freezing, shop};
use crate::bench::{CANARY, attempt};
use crate::servers::missing;
use crate::servers::rabbitmq::Rabbit;

#[tokio::test(flavor = "multi_thread")]
async fn an_open_connection_keeps_a_cached_grant_until_it_is_closed() {
    if missing("rabbitmqctl", "rabbitmq-server") {
        return;
    }
    let rabbit = Rabbit::start().await;
    shop(&rabbit, "shop").await;
    rabbit.queue("%2F", "orders", json!({})).await;
    let before = rabbit.definitions().await;

    // The trap: the row alone stops nobody who has published before.
    let open = Client::login(&rabbit, "shop").await;
    open.publish("orders").await.unwrap();
    rabbit.permit("shop", "%2F", [".*", "^$", ".*"]).await;
    open.publish("orders").await.expect("the grant is cached");
    rabbit.permit("shop", "%2F", [".*", ".*", ".*"]).await;

    let mut bench = bench(&rabbit);
    let call = bench.call("freeze", Some("mq"), freezing(&["shop"], &[]));
    let (snapshot, applied, evidence) = attempt(&FreezeWrites, &call).await.unwrap();
    assert_eq!(applied.outputs, json!({ "users": 1, "closed": 1 }));
    assert!(evidence.facts["canaries"][0]["canary"].as_str().unwrap().contains("ACCESS_REFUSED"), "{:?}", evidence.facts);
    open.publish("orders").await.expect_err("the connection is closed");
    let again = Client::login(&rabbit, "shop").await;
    let refused = again.publish("orders").await.unwrap_err();
    assert!(refused.contains("ACCESS_REFUSED"), "{refused}");
    // Reading and acknowledging go on.
    let worker = Client::login(&rabbit, "shop").await;
    worker.consume("orders", 1).await;
    // A connection that came after the freeze is none of its business: a second attempt leaves it alone.
    let second = FreezeWrites.apply(&call, &snapshot).await.unwrap();
    assert_eq!(second.outputs["closed"], 0);
    assert_eq!(FreezeWrites.probe(&call, &snapshot).await.unwrap().finding, Finding::Applied);

    let undone = FreezeWrites.undo(&call, &snapshot).await.unwrap();
    assert_eq!(undone.facts["restored"], json!(["shop"]));
    assert_eq!(rabbit.definitions().await, before);
    Client::login(&rabbit, "shop").await.publish("orders").await.unwrap();
    let said = format!("{:?}", bench.notes());
    assert!(said.contains("PUT /api/permissions/%2F/shop") && !said.contains(CANARY), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_writes_past_a_freeze_is_refused_by_name_unless_accepted() {
    if missing("rabbitmqctl", "rabbitmq-server") {
        return;
    }
    let rabbit = Rabbit::start().await;
    shop(&rabbit, "shop").await;
    shop(&rabbit, "billing").await;
    rabbit.queue("%2F", "orders", json!({})).await;
    rabbit.queue("%2F", "legacy", json!({})).await;
    let uri = format!("amqp://shop:{CANARY}@127.0.0.1:{}/%2F", rabbit.amqp);
    // A source address without a host makes a connection inside the broker, which needs no permission.
    let value = json!({ "src-protocol": "amqp091", "src-uri": "amqp://", "src-queue": "legacy",
                        "dest-protocol": "amqp091", "dest-uri": "amqp://", "dest-queue": "orders" });
    rabbit.put("parameters/shovel/%2F/mover", json!({ "value": value })).await;
    rabbit.put("policies/%2F/mirror", json!({ "pattern": "^x$", "definition": { "federation-upstream-set": "all" } })).await;
    let before = rabbit.definitions().await;
    let bench = bench(&rabbit);
    let call = bench.call("freeze", Some("mq"), freezing(&["shop"], &[]));
    let found = FreezeWrites.inspect(&call).await.unwrap();
    let owners: Vec<_> = found.blockers.iter().filter_map(|blocker| blocker.owner.as_deref()).collect();
    assert_eq!(owners, ["user:billing", "shovel:mover", "federation:mirror"]);
    let error = attempt(&FreezeWrites, &call).await.unwrap_err();
    assert_eq!(error.touch, Touch::Untouched);
    for name in owners {
        assert!(error.message.contains(name), "{error}");
    }
    assert!(!format!("{found:?} {error:?}").contains(&uri));
    assert_eq!(rabbit.definitions().await, before);

    // Accepted, the freeze holds for its users; and the shovel does write past it.
    let accept = ["user:billing", "shovel:mover", "federation:mirror"];
    let call = bench.call("freeze", Some("mq"), freezing(&["shop"], &accept));
    let (snapshot, ..) = attempt(&FreezeWrites, &call).await.unwrap();
    rabbit.publish("%2F", "legacy", 3).await;
    let moved = || async { (rabbit.depth("%2F", "orders").await.0 == 3).then_some(()) };
    crate::servers::until("the shovel writes past the freeze", std::time::Duration::from_secs(20), moved).await;
    FreezeWrites.undo(&call, &snapshot).await.unwrap();
    assert_eq!(rabbit.definitions().await, before);

    // A canary that cannot log in gets the same code as one that may not write, and is no pass.
    let wrong = json!({ "users": [{ "user": "shop", "password": "wr0ng-s3cret" }], "accept": accept });
    let error = attempt(&FreezeWrites, &bench.call("freeze", Some("mq"), wrong)).await.unwrap_err();
    assert!(error.message.contains("before the freeze") && error.touch == Touch::Untouched, "{error}");
    // One that a queue would take is not sent.
    let fanned = json!({ "users": [{ "user": "shop", "password": CANARY, "exchange": "amq.fanout" }], "accept": accept });
    rabbit.post("bindings/%2F/e/amq.fanout/q/orders", json!({ "routing_key": "" })).await;
    let error = attempt(&FreezeWrites, &bench.call("freeze", Some("mq"), fanned)).await.unwrap_err();
    assert!(error.message.contains("could reach a queue") && error.touch == Touch::Untouched, "{error}");
    // Another broker is refused before anything is sent to it.
    let mut target = rabbit.target("/");
    target["identity"] = json!({ "cluster_name": "rabbit@elsewhere" });
    let mut other = super::bench(&rabbit);
    other.target("mq", "rabbitmq", target);
    let error = attempt(&FreezeWrites, &other.call("freeze", Some("mq"), freezing(&["shop"], &accept))).await.unwrap_err();
    assert!(error.message.contains("another broker") && error.touch == Touch::Untouched, "{error}");
}
