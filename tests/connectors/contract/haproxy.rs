//! HAProxy under the contract, in front of two applications that count.

use std::collections::BTreeMap;
use std::sync::Arc;

use pointsman::connectors::haproxy::{Maintenance, Switch};
use pointsman::connectors::{Act, Call};
use serde_json::json;

use super::{Case, Named, case, named};
use crate::bench::{Bench, CANARY};
use crate::servers::haproxy::HaProxy;
use crate::servers::web::Web;

pub fn cases() -> Vec<Named> {
    vec![named("haproxy.maintenance", of_maintenance), named("haproxy.switch", of_switch)]
}

/// A world with HAProxy: the bench, and what everybody else does to it.
struct World {
    proxy: HaProxy,
    _old: Web,
    _new: Web,
}

async fn world() -> (Arc<World>, Bench) {
    let (old, new) = (Web::start("dc").await, Web::start("cloud").await);
    let sections = format!(
        "frontend in\n  bind 127.0.0.1:{{front}}\n  default_backend shop\nbackend shop\n  \
         server dc 127.0.0.1:{} weight 100\n  server cloud 127.0.0.1:{} weight 0\n",
        old.port, new.port
    );
    let proxy = HaProxy::start("lb-1", &sections).await;
    let mut bench = Bench::new();
    bench.target("lb", "haproxy", json!({ "address": proxy.address(), "identity": { "nodes": ["lb-1"] } }));
    (Arc::new(World { proxy, _old: old, _new: new }), bench)
}

/// A case whose world is the state of the proxy, and where somebody else sends `command`.
fn of(world: &Arc<World>, bench: Bench, action: impl Act + 'static, call: Call, command: &'static str) -> Case {
    let (there, here) = (world.clone(), world.clone());
    case(bench, action, call)
        .tampered_by(move || {
            let world = there.clone();
            async move {
                world.proxy.ask(command).await;
            }
        })
        .seen_by(move || {
            let world = here.clone();
            async move {
                let stat = world.proxy.ask("show stat in 1 -1").await;
                let door = if stat.contains(",OPEN,") { "open" } else { "closed" };
                BTreeMap::from([
                    ("shop".to_owned(), world.proxy.state("shop").await.join(" ")),
                    ("in".to_owned(), door.to_owned()),
                ])
            }
        })
}

async fn of_maintenance() -> Case {
    let (world, bench) = world().await;
    let call = bench.call("close", Some("lb"), json!({ "backend": "shop", "cut": true }));
    of(&world, bench, Maintenance, call, "set server shop/dc state ready")
}

async fn of_switch() -> Case {
    let (world, bench) = world().await;
    let call = bench.call("switch", Some("lb"), json!({ "backend": "shop", "to": CANARY, "servers": ["cloud"] }));
    of(&world, bench, Switch, call, "set server shop/dc weight 1")
}
