//! nginx under the contract: the included file, and who answers.

use std::collections::BTreeMap;
use std::sync::Arc;

use pointsman::connectors::nginx::{Split, Switch};
use pointsman::connectors::{Act, Call};
use serde_json::{Value, json};

use super::{Case, Named, case, named};
use crate::bench::{Bench, CANARY};
use crate::servers::nginx::Nginx;
use crate::servers::web::{Web, get};

pub fn cases() -> Vec<Named> {
    vec![named("nginx.switch", of_switch), named("nginx.split", of_split)]
}

struct World {
    nginx: Nginx,
    _old: Web,
    new: Web,
}

async fn world() -> (Arc<World>, Bench) {
    let (old, new) = (Web::start("dc").await, Web::start("cloud").await);
    let http = format!(
        "  upstream dc {{ server 127.0.0.1:{}; }}\n  upstream cloud {{ server 127.0.0.1:{}; }}\n  {{include}}\n  \
         server {{ listen 127.0.0.1:{{front}}; location / {{ proxy_pass http://$side; }} }}",
        old.port, new.port
    );
    let nginx = Nginx::start(&http, "split_clients \"${request_id}\" $side { * dc; }\n").await;
    let mut bench = Bench::new();
    let place = |name: &str| nginx.file(name).display().to_string();
    bench.target(
        "lb",
        "nginx",
        json!({ "include": place("route.conf"), "config": place("nginx.conf"), "pid_file": place("nginx.pid") }),
    );
    (Arc::new(World { nginx, _old: old, new }), bench)
}

fn of(world: &Arc<World>, bench: Bench, action: impl Act + 'static, call: Call) -> Case {
    let (there, here) = (world.clone(), world.clone());
    case(bench, action, call)
        .tampered_by(move || {
            let world = there.clone();
            async move {
                std::fs::write(world.nginx.file("route.conf"), "split_clients x $side { * dc; }\n").unwrap();
            }
        })
        .seen_by(move || {
            let world = here.clone();
            async move {
                let answer = get(world.nginx.port, "/", "").await.map_or_else(String::new, |(_, text)| text);
                let side = answer.rsplit("\r\n\r\n").next().unwrap_or_default().to_owned();
                BTreeMap::from([("route".to_owned(), world.nginx.route()), ("side".to_owned(), side)])
            }
        })
}

fn asked(world: &World) -> Value {
    json!({
        "http": {
            "url": format!("http://127.0.0.1:{}/", world.nginx.port), "headers": { "x-token": CANARY },
            "expect": { "headers": { "x-side": "cloud" } },
        },
    })
}

async fn of_switch() -> Case {
    let (world, bench) = world().await;
    let text = format!("# {CANARY}\nsplit_clients \"${{request_id}}\" $side {{ * cloud; }}\n");
    let call = bench.call("switch", Some("lb"), json!({ "to": CANARY, "content": text, "ask": asked(&world) }));
    assert!(world.new.port > 0);
    of(&world, bench, Switch, call)
}

async fn of_split() -> Case {
    let (world, bench) = world().await;
    let params = json!({
        "to": CANARY, "new": "cloud", "old": "dc", "variable": "$side", "key": "${request_id}", "ask": asked(&world),
    });
    let call = bench.call("split", Some("lb"), params);
    of(&world, bench, Split, call)
}
