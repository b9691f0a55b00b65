//! Cut connections, a broker that dies or hangs, and the account with no more rights than it needs.

use std::time::{Duration, Instant};

use pointsman::connectors::rabbitmq::{AllowWrites, CheckQueues, CloseConnections, Drain, FreezeWrites};
use pointsman::connectors::{Act as _, Inspect as _};
use pointsman::model::{Finding, Touch};
use serde_json::{Value, json};

use super::{Client, freezing, shop};
use crate::bench::{Bench, CANARY, attempt};
use crate::servers::missing;
use crate::servers::proxy::{At, Fault, Proxy, Then};
use crate::servers::rabbitmq::Rabbit;

/// The account of the documentation: the tag, and a row with which it can connect and do nothing else.
async fn least(rabbit: &Rabbit) {
    rabbit.user("pointsman", "p0intsman-s3cret", "administrator").await;
    rabbit.permit("pointsman", "%2F", ["^$", "^$", "^$"]).await;
}

fn target(rabbit: &Rabbit, http: u16) -> Value {
    let mut target = rabbit.target("/");
    target["url"] = json!(format!("http://127.0.0.1:{http}"));
    target["user"] = json!("pointsman");
    target["password"] = json!("p0intsman-s3cret");
    target
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_at_any_byte_leaves_a_state_that_is_known_and_undone() {
    if missing("rabbitmqctl", "rabbitmq-server") {
        return;
    }
    let mut rabbit = Rabbit::start().await;
    shop(&rabbit, "shop").await;
    least(&rabbit).await;
    rabbit.put("topic-permissions/%2F/shop", json!({ "exchange": "amq.topic", "write": "^eu", "read": ".*" })).await;
    rabbit.queue("%2F", "orders", json!({})).await;
    let before = rabbit.definitions().await;
    let proxy = Proxy::before(rabbit.http).await;
    let mut bench = Bench::new();
    bench.target("mq", "rabbitmq", target(&rabbit, proxy.port));
    let accept = ["user:operator"];
    let params = freezing(&["shop"], &accept);
    let (mut failed, mut left) = (0, 0);
    let snapshot = FreezeWrites.capture(&bench.call("freeze", Some("mq"), params.clone())).await.unwrap();
    for step in 0..24 {
        let fired = proxy.fired();
        proxy.cut_after(1 + step * 397);
        let call = bench.call("freeze", Some("mq"), params.clone());
        let result = FreezeWrites.apply(&call, &snapshot).await;
        proxy.cut_after(0);
        let now = rabbit.get("permissions/%2F/shop").await["write"].as_str().unwrap().to_owned();
        let found = FreezeWrites.probe(&call, &snapshot).await.unwrap().finding;
        match &result {
            Ok(_) => assert_eq!(found, Finding::Applied),
            Err(error) => {
                failed += 1;
                assert_eq!(proxy.fired(), fired + 1, "{error}");
                if error.touch == Touch::Untouched {
                    assert_eq!((now.as_str(), &found), (".*", &Finding::NotApplied), "{error}");
                }
                if now != ".*" {
                    left += 1;
                    assert_ne!(found, Finding::NotApplied, "{error}");
                }
            }
        }
        FreezeWrites.undo(&call, &snapshot).await.unwrap();
        assert_eq!(rabbit.definitions().await, before, "after a cut at {}", 1 + step * 397);
    }
    assert!(failed >= 8 && left >= 1, "{failed} cuts were seen, {left} left something");

    // A broker that hangs: the verb ends before the engine's deadline, and says that nothing was sent or that nobody knows.
    proxy.set(Fault::Blackhole);
    let mut call = bench.call("freeze", Some("mq"), params.clone());
    call.deadline = Instant::now() + Duration::from_secs(2);
    let error = FreezeWrites.apply(&call, &snapshot).await.unwrap_err();
    assert!(Instant::now() < call.deadline && error.touch == Touch::Untouched, "{error}");
    proxy.set(Fault::None);

    // The node dies under the freeze. The freeze is on its disk; an undo that cannot reach it says what a person can send.
    let call = bench.call("freeze", Some("mq"), params);
    let (snapshot, ..) = attempt(&FreezeWrites, &call).await.unwrap();
    rabbit.kill();
    let error = FreezeWrites.undo(&call, &snapshot).await.unwrap_err();
    assert_eq!(error.manual, ["rabbitmqctl set_permissions -p '/' 'shop' '.*' '.*' '.*'"]);
    rabbit.restart().await;
    let call = bench.call("freeze", Some("mq"), freezing(&["shop"], &accept));
    assert_eq!(FreezeWrites.probe(&call, &snapshot).await.unwrap().finding, Finding::Applied);
    let drain = json!({ "queues": ["orders"], "producers": ["shop"], "within": "10s", "stable_for": "100ms", "accept": accept });
    attempt(&Drain, &bench.call("drain", Some("mq"), drain)).await.unwrap();
    FreezeWrites.undo(&call, &snapshot).await.unwrap();
    assert_eq!(rabbit.definitions().await, before);
}

/// What the broker says to a close whose connection ends by itself at the same instant.
const GONE_UNDER_IT: &str = "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 47\r\ncontent-type: application/json\r\n\r\n\
                             {\"error\":\"Internal Server Error\",\"reason\":null}";

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_ends_while_it_is_closed_is_no_failure() {
    if missing("rabbitmqctl", "rabbitmq-server") {
        return;
    }
    let rabbit = Rabbit::start().await;
    shop(&rabbit, "shop").await;
    least(&rabbit).await;
    let proxy = Proxy::before(rabbit.http).await;
    let mut bench = Bench::new();
    bench.target("mq", "rabbitmq", target(&rabbit, proxy.port));
    // The list stays open (the broker stopped at the first of it), or is closed to its end.
    for at in [At::Order, At::Answer] {
        let _clients = [Client::login(&rabbit, "shop").await, Client::login(&rabbit, "shop").await];
        rabbit.until_connected("shop", 2).await;
        proxy.trap("DELETE /", at, Then::Say(GONE_UNDER_IT));
        let fired = proxy.fired();
        let close = json!({ "users": ["shop"], "quiet_for": "1ms", "close_within": "60s" });
        let mut call = bench.call("close", Some("mq"), close);
        call.deadline += Duration::from_secs(100);
        let (_, applied, _) = attempt(&CloseConnections, &call).await.unwrap();
        assert_eq!(proxy.fired(), fired + 1);
        assert_eq!(applied.outputs["closed"], json!(2));
        rabbit.until_connected("shop", 0).await;
    }
    // A freeze lives with it too, and is whole.
    let _client = Client::login(&rabbit, "shop").await;
    rabbit.until_connected("shop", 1).await;
    proxy.trap("DELETE /", At::Order, Then::Say(GONE_UNDER_IT));
    let fired = proxy.fired();
    attempt(&FreezeWrites, &bench.call("freeze", Some("mq"), freezing(&["shop"], &["user:operator"]))).await.unwrap();
    assert_eq!(proxy.fired(), fired + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_account_of_the_documentation_is_enough_and_less_is_refused() {
    if missing("rabbitmqctl", "rabbitmq-server") {
        return;
    }
    let rabbit = Rabbit::start().await;
    shop(&rabbit, "shop").await;
    least(&rabbit).await;
    rabbit.permit("shop", "%2F", [".*", "^$", ".*"]).await;
    let before = rabbit.definitions().await;
    let mut bench = Bench::new();
    bench.target("mq", "rabbitmq", target(&rabbit, rabbit.http));
    let users = json!({ "users": [{ "user": "shop", "password": CANARY, "write": ".*" }] });
    let call = bench.call("open", Some("mq"), users);
    let (snapshot, ..) = attempt(&AllowWrites, &call).await.unwrap();
    // The way back denies again, and a connection that published in between has its grant no more.
    rabbit.queue("%2F", "orders", json!({})).await;
    let client = Client::login(&rabbit, "shop").await;
    client.publish("orders").await.unwrap();
    AllowWrites.undo(&call, &snapshot).await.unwrap();
    client.publish("orders").await.expect_err("the connection is closed");
    let look = json!({ "queues": ["orders"], "expect": { "messages": 1 } });
    attempt(&CheckQueues, &bench.call("look", Some("mq"), look)).await.unwrap();
    let close = json!({ "users": ["shop"], "quiet_for": "1ms" });
    attempt(&CloseConnections, &bench.call("close", Some("mq"), close)).await.unwrap();
    rabbit.delete("queues/%2F/orders").await;
    assert_eq!(rabbit.definitions().await, before);

    rabbit.user("pointsman", "p0intsman-s3cret", "monitoring").await;
    let error = attempt(&FreezeWrites, &bench.call("freeze", Some("mq"), freezing(&["shop"], &[]))).await.unwrap_err();
    assert!(error.touch == Touch::Untouched && error.hint.as_deref().unwrap_or_default().contains("administrator"), "{error:?}");
    // Nobody is granted a row by being frozen.
    rabbit.user("pointsman", "p0intsman-s3cret", "administrator").await;
    rabbit.user("stranger", CANARY, "").await;
    let error = attempt(&FreezeWrites, &bench.call("freeze", Some("mq"), freezing(&["stranger"], &[]))).await.unwrap_err();
    assert!(error.message.contains("no permission") && error.touch == Touch::Untouched, "{error}");
}
