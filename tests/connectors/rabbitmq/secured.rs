//! TLS on both ways to the broker: verified, or refused before anything is said.

use pointsman::connectors::rabbitmq::{CheckQueues, FreezeWrites};
use pointsman::connectors::{Act as _, Inspect as _};
use pointsman::model::Touch;
use serde_json::json;

use super::{Client, freezing, shop};
use crate::bench::{Bench, attempt};
use crate::servers::rabbitmq::Rabbit;
use crate::servers::{certificates, free_port, missing};

#[tokio::test(flavor = "multi_thread")]
async fn both_ways_are_encrypted_and_verified() {
    if missing("rabbitmqctl", "rabbitmq-server") || missing("openssl", "openssl") {
        return;
    }
    let (folder, stranger) = (certificates("rabbitmq"), certificates("rabbitmq"));
    let path = |name: &str| folder.join(name).display().to_string();
    let files = |of: &str| {
        format!(
            "{of}.cacertfile = {}\n{of}.certfile = {}\n{of}.keyfile = {}\n",
            path("ca.pem"),
            path("server.pem"),
            path("server.key")
        )
    };
    let (amqps, https) = (free_port(), free_port());
    let lines = format!(
        "listeners.ssl.1 = 127.0.0.1:{amqps}\n{}management.ssl.ip = 127.0.0.1\nmanagement.ssl.port = {https}\n{}",
        files("ssl_options"),
        files("management.ssl")
    );
    let rabbit = Rabbit::with(&lines).await;
    shop(&rabbit, "shop").await;
    rabbit.queue("%2F", "orders", json!({})).await;
    let mut bench = Bench::new();
    let mut settings = rabbit.target("/");
    settings["url"] = json!(format!("https://localhost:{https}"));
    settings["amqp"] = json!(format!("amqps://localhost:{amqps}"));
    settings["tls"] = json!({ "mode": "verify-full", "ca": path("ca.pem") });
    bench.target("mq", "rabbitmq", settings.clone());
    // Canaries, closing and the way back go over it.
    let client = Client::login(&rabbit, "shop").await;
    client.publish("orders").await.unwrap();
    let call = bench.call("freeze", Some("mq"), freezing(&["shop"], &[]));
    let (snapshot, _, evidence) = attempt(&FreezeWrites, &call).await.unwrap();
    assert!(evidence.facts["canaries"][0]["canary"].as_str().unwrap().contains("ACCESS_REFUSED"), "{:?}", evidence.facts);
    FreezeWrites.undo(&call, &snapshot).await.unwrap();
    let look = json!({ "queues": ["orders"], "expect": { "messages": 1 } });
    attempt(&CheckQueues, &bench.call("look", Some("mq"), look.clone())).await.unwrap();
    // By address the name is not the certificate's: only verify-ca takes it.
    let mut by_address = settings.clone();
    by_address["amqp"] = json!(format!("amqps://127.0.0.1:{amqps}"));
    bench.target("address", "rabbitmq", by_address.clone());
    let error = CheckQueues.inspect(&bench.call("look", Some("address"), look.clone())).await.unwrap_err();
    assert!(error.touch == Touch::Untouched && error.message.contains("login"), "{error}");
    by_address["tls"]["mode"] = json!("verify-ca");
    bench.target("address", "rabbitmq", by_address);
    CheckQueues.inspect(&bench.call("look", Some("address"), look.clone())).await.unwrap();
    // An authority that did not sign it, over AMQP alone and over both; and none at all.
    let other = json!({ "mode": "verify-full", "ca": stranger.join("ca.pem").display().to_string() });
    for (tls, url) in [(other.clone(), json!(format!("http://127.0.0.1:{}", rabbit.http))), (other, settings["url"].clone())] {
        let mut wrong = settings.clone();
        (wrong["tls"], wrong["url"]) = (tls, url);
        bench.target("wrong", "rabbitmq", wrong);
        let error = CheckQueues.inspect(&bench.call("look", Some("wrong"), look.clone())).await.unwrap_err();
        assert_eq!(error.touch, Touch::Untouched, "{error}");
    }
    let mut without = settings;
    without.as_object_mut().unwrap().remove("tls");
    without["url"] = json!(format!("http://127.0.0.1:{}", rabbit.http));
    bench.target("without", "rabbitmq", without);
    let error = CheckQueues.inspect(&bench.call("look", Some("without"), look)).await.unwrap_err();
    assert!(error.message.contains("amqps://") && error.hint.is_some(), "{error}");
}
