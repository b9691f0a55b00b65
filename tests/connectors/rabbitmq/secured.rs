//! TLS to the management API: verified, or refused before anything is said.

use pointsman::connectors::rabbitmq::{CheckQueues, FreezeWrites};
use pointsman::connectors::{Act as _, Inspect as _};
use pointsman::model::Touch;
use serde_json::json;

use super::{Client, freezing, shop};
use crate::bench::{Bench, attempt};
use crate::servers::rabbitmq::Rabbit;
use crate::servers::{certificates, free_port, missing};

#[tokio::test(flavor = "multi_thread")]
async fn the_management_api_is_verified_before_a_password_is_sent() {
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
    let https = free_port();
    let lines = format!(
        "management.ssl.ip = 127.0.0.1\nmanagement.ssl.port = {https}\n{}",
        files("management.ssl")
    );
    let rabbit = Rabbit::with(&lines).await;
    shop(&rabbit, "shop").await;
    rabbit.queue("%2F", "orders", json!({})).await;
    let mut bench = Bench::new();
    let mut settings = rabbit.target("/");
    settings["url"] = json!(format!("https://localhost:{https}"));
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
    by_address["url"] = json!(format!("https://127.0.0.1:{https}"));
    bench.target("address", "rabbitmq", by_address.clone());
    let error = CheckQueues.inspect(&bench.call("look", Some("address"), look.clone())).await.unwrap_err();
    assert!(error.touch == Touch::Untouched && error.message.contains("nothing was sent"), "{error}");
    by_address["tls"]["mode"] = json!("verify-ca");
    bench.target("address", "rabbitmq", by_address);
    CheckQueues.inspect(&bench.call("look", Some("address"), look.clone())).await.unwrap();
    // An authority that did not sign it; none at all; and AMQP, which has no TLS here.
    let mut wrong = settings.clone();
    wrong["tls"] = json!({ "mode": "verify-full", "ca": stranger.join("ca.pem").display().to_string() });
    let mut without = settings.clone();
    without.as_object_mut().unwrap().remove("tls");
    let mut amqps = settings;
    amqps["amqp"] = json!("amqps://localhost:5671");
    for (target, why) in [(wrong, "nothing was sent"), (without, "`https://`"), (amqps, "AMQP over TLS is not covered")] {
        bench.target("wrong", "rabbitmq", target);
        let error = CheckQueues.inspect(&bench.call("look", Some("wrong"), look.clone())).await.unwrap_err();
        assert!(error.message.contains(why) && error.touch == Touch::Untouched, "{error}");
    }
}
