//! HAProxy under the contract, in front of two applications that count.

use std::collections::BTreeMap;
use std::sync::Arc;

use pointsman::connectors::haproxy::{Check, DisableFrontend, Drain, EnableFrontend, Maintenance, Map, Switch};
use pointsman::connectors::{Act, Call};
use serde_json::json;

use super::{Case, Named, case, named};
use crate::bench::{Bench, CANARY};
use crate::servers::haproxy::HaProxy;
use crate::servers::web::Web;

pub fn cases() -> Vec<Named> {
    vec![
        named("haproxy.maintenance", of_maintenance),
        named("haproxy.drain", of_drain),
        named("haproxy.switch", of_switch),
        named("haproxy.map", of_map),
        named("haproxy.disable_frontend", of_disable),
        named("haproxy.enable_frontend", of_enable),
        named("haproxy.check", of_check),
    ]
}

/// A world with HAProxy: the bench, and what everybody else does to it.
struct World {
    proxy: HaProxy,
    _old: Web,
    _new: Web,
}

async fn world() -> (Arc<World>, Bench) {
    let (old, new) = (Web::start("dc").await, Web::start("cloud").await);
    let spare = crate::servers::free_port();
    let sections = format!(
        "frontend in\n  bind 127.0.0.1:{{front}}\n  use_backend %[str(shop),map({{folder}}/side.map)]\n  default_backend shop\n\
         frontend spare\n  bind 127.0.0.1:{spare}\n  default_backend shop\nbackend shop\n  \
         server dc 127.0.0.1:{} weight 100\n  server cloud 127.0.0.1:{} weight 0\n",
        old.port, new.port
    );
    let proxy = HaProxy::with_files("lb-1", &sections, &[("side.map", "shop shop\n")]).await;
    let mut bench = Bench::new();
    bench.target("lb", "haproxy", json!({ "address": proxy.address(), "identity": { "nodes": ["lb-1"] } }));
    (Arc::new(World { proxy, _old: old, _new: new }), bench)
}

/// A case whose world is the state of the proxy, and where somebody else sends `command`.
fn of(world: &Arc<World>, bench: Bench, action: impl Act + 'static, call: Call, command: impl Into<String>) -> Case {
    let (there, here, command) = (world.clone(), world.clone(), command.into());
    case(bench, action, call)
        .tampered_by(move || {
            let (world, command) = (there.clone(), command.clone());
            async move {
                world.proxy.ask(&command).await;
            }
        })
        .seen_by(move || {
            let world = here.clone();
            async move {
                let door = world.proxy.door("in").await;
                let map = world.proxy.ask(&format!("show map {}", world.proxy.file("side.map").display())).await;
                BTreeMap::from([
                    ("shop".to_owned(), world.proxy.state("shop").await.join(" ")),
                    ("in".to_owned(), door),
                    ("side.map".to_owned(), map.split(' ').skip(1).collect::<Vec<_>>().join(" ")),
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

async fn of_drain() -> Case {
    let (world, bench) = world().await;
    let params = json!({ "backend": "shop", "servers": ["dc"], "may_empty": true, "within": "60s", "stable_for": "0s" });
    let call = bench.call("drain", Some("lb"), params);
    of(&world, bench, Drain, call, "set server shop/dc state ready")
}

async fn of_map() -> Case {
    let (world, bench) = world().await;
    let map = world.proxy.file("side.map").display().to_string();
    let tampering = format!("del map {map} shop");
    let params = json!({ "map": map, "key": "shop", "to": CANARY, "value": "cloud" });
    let call = bench.call("map", Some("lb"), params);
    of(&world, bench, Map, call, tampering)
}

async fn of_disable() -> Case {
    let (world, bench) = world().await;
    let params = json!({ "frontend": "in", "addresses": [format!("127.0.0.1:{}", world.proxy.port)] });
    let call = bench.call("close", Some("lb"), params);
    of(&world, bench, DisableFrontend, call, "enable frontend in")
}

async fn of_enable() -> Case {
    let (world, bench) = world().await;
    world.proxy.ask("disable frontend in").await;
    let call = bench.call("open", Some("lb"), json!({ "frontend": "in" }));
    of(&world, bench, EnableFrontend, call, "disable frontend in")
}

async fn of_check() -> Case {
    let (world, bench) = world().await;
    let params = json!({ "proxy": "shop", "server": "dc", "expect": { "state": "ready", "status": { "not": CANARY } } });
    let call = bench.call("look", Some("lb"), params);
    let here = world.clone();
    // What its own look counts is not the world that it could change.
    case(bench, Check, call).seen_by(move || {
        let world = here.clone();
        async move { BTreeMap::from([("shop".to_owned(), world.proxy.state("shop").await.join(" "))]) }
    })
}
