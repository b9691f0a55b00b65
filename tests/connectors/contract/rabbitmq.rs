//! RabbitMQ under the contract: one broker for all cases, a virtual host and users of its own for each.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use lapin::{Connection, ConnectionProperties};
use pointsman::connectors::rabbitmq::{AllowWrites, CheckQueues, CheckShovels, CloseConnections, Drain, FreezeWrites};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::{Case, Named, case, named};
use crate::bench::{Bench, CANARY, attempt};
use crate::servers::rabbitmq::Rabbit;

/// The broker, started by the first case.
type Shared = Arc<OnceCell<Rabbit>>;

pub fn cases() -> Vec<Named> {
    let broker = Shared::default();
    let [a, b, c, d, e, f] = [0; 6].map(|_| broker.clone());
    vec![
        named("rabbitmq.freeze_writes", move || of_freeze(a.clone())),
        named("rabbitmq.allow_writes", move || of_allow(b.clone())),
        named("rabbitmq.drain", move || of_drain(c.clone())),
        named("rabbitmq.check_shovels", move || of_shovels(d.clone())),
        named("rabbitmq.close_connections", move || of_close(e.clone())),
        named("rabbitmq.check_queues", move || of_queues(f.clone())),
    ]
}

/// A virtual host with a shop and a queue, seen by its definitions.
struct Place {
    broker: Shared,
    vhost: String,
    user: String,
}

impl Place {
    async fn new(broker: Shared) -> (Self, Bench) {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let (vhost, user) = (format!("v{number}"), format!("shop{number}"));
        let rabbit = broker.get_or_init(Rabbit::start).await;
        rabbit.vhost(&vhost).await;
        rabbit.user(&user, CANARY, "").await;
        rabbit.permit(&user, &vhost, [".*", ".*", ".*"]).await;
        rabbit.queue(&vhost, "orders", json!({})).await;
        let mut bench = Bench::new();
        bench.target("mq", "rabbitmq", rabbit.target(&vhost));
        (Self { broker, vhost, user }, bench)
    }

    fn users(&self) -> Value {
        json!([{ "user": self.user, "password": CANARY }])
    }

    /// Sees the definitions, and tampers by giving the shop another right to write.
    fn case(self, case: Case, write: &'static str) -> Case {
        let (broker, vhost, user) = (self.broker.clone(), self.vhost, self.user);
        let tampered = case.tampered_by(move || {
            let (broker, vhost, user) = (broker.clone(), vhost.clone(), user.clone());
            async move { broker.get().unwrap().permit(&user, &vhost, [".*", write, ".*"]).await }
        });
        let broker = self.broker;
        tampered.seen_by(move || {
            let broker = broker.clone();
            async move {
                let found = broker.get().unwrap().definitions().await;
                found.as_object().unwrap().iter().map(|(key, value)| (key.clone(), value.to_string())).collect::<BTreeMap<_, _>>()
            }
        })
    }
}

async fn of_freeze(broker: Shared) -> Case {
    let (place, bench) = Place::new(broker).await;
    let call = bench.call("freeze", Some("mq"), json!({ "users": place.users(), "accept": [] }));
    place.case(case(bench, FreezeWrites, call), ".*")
}

async fn of_drain(broker: Shared) -> Case {
    let (place, bench) = Place::new(broker).await;
    let frozen = bench.call("freeze", Some("mq"), json!({ "users": place.users(), "accept": [] }));
    attempt(&FreezeWrites, &frozen).await.unwrap();
    let params = json!({
        "queues": ["orders"], "producers": [place.user], "stable_for": "1ms", "every": "5ms", "within": "5s", "accept": [],
    });
    let call = bench.call("drain", Some("mq"), params);
    place.case(case(bench, Drain, call), ".*")
}

async fn of_allow(broker: Shared) -> Case {
    let (place, bench) = Place::new(broker).await;
    let frozen = bench.call("freeze", Some("mq"), json!({ "users": place.users(), "accept": [] }));
    attempt(&FreezeWrites, &frozen).await.unwrap();
    let users = json!([{ "user": place.user, "password": CANARY, "write": ".*" }]);
    let call = bench.call("open", Some("mq"), json!({ "users": users }));
    place.case(case(bench, AllowWrites, call), "^$")
}

async fn of_shovels(broker: Shared) -> Case {
    let (place, bench) = Place::new(broker).await;
    let rabbit = place.broker.get().unwrap();
    rabbit.queue(&place.vhost, "moved", json!({})).await;
    let uri = format!("amqp:///{}", place.vhost);
    let value = json!({ "src-protocol": "amqp091", "src-uri": uri, "src-queue": "orders",
                        "dest-protocol": "amqp091", "dest-uri": uri, "dest-queue": "moved" });
    rabbit.put(&format!("parameters/shovel/{}/mover", place.vhost), json!({ "value": value })).await;
    let call = bench.call("shovels", Some("mq"), json!({ "names": ["mov*"], "every": "100ms", "within": "10s" }));
    let (broker, vhost) = (place.broker.clone(), place.vhost.clone());
    place.case(case(bench, CheckShovels, call), ".*").tampered_by(move || {
        let (broker, vhost) = (broker.clone(), vhost.clone());
        async move { broker.get().unwrap().delete(&format!("parameters/shovel/{vhost}/mover")).await }
    })
}

async fn of_close(broker: Shared) -> Case {
    let (place, bench) = Place::new(broker).await;
    let rabbit = place.broker.get().unwrap();
    let address = format!("amqp://{}:{CANARY}@127.0.0.1:{}/{}", place.user, rabbit.amqp, place.vhost);
    let client = Connection::connect(&address, ConnectionProperties::default()).await.unwrap();
    rabbit.until_connected(&place.user, 1).await;
    // What a client closes by itself is no business of the step: it lives as long as the case.
    let held = Arc::new(tokio::sync::Mutex::new(vec![client]));
    let call = bench.call("close", Some("mq"), json!({ "users": [place.user], "except": [CANARY], "quiet_for": "1ms" }));
    let (broker, user, again) = (place.broker.clone(), place.user.clone(), held.clone());
    place.case(case(bench, CloseConnections, call), ".*").tampered_by(move || {
        let (broker, user, address, held) = (broker.clone(), user.clone(), address.clone(), again.clone());
        async move {
            let client = Connection::connect(&address, ConnectionProperties::default()).await.unwrap();
            broker.get().unwrap().until_connected(&user, 1).await;
            held.lock().await.push(client);
        }
    })
}

async fn of_queues(broker: Shared) -> Case {
    let (place, bench) = Place::new(broker).await;
    let params = json!({ "queues": ["orders"], "except": [CANARY], "expect": { "messages": 0, "consumers": 0, "state": { "not": CANARY } } });
    let call = bench.call("queues", Some("mq"), params);
    let (broker, vhost) = (place.broker.clone(), place.vhost.clone());
    place.case(case(bench, CheckQueues, call), ".*").tampered_by(move || {
        let (broker, vhost) = (broker.clone(), vhost.clone());
        async move { broker.get().unwrap().publish(&vhost, "orders", 1).await }
    })
}
