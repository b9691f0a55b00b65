//! Redis against real servers: freeze by access rules over a group of nodes, its traps, and what is read there.

mod freeze;
mod keys;
mod pause;
mod traps;

use serde_json::{Value, json};

use crate::bench::Bench;
use crate::servers::redis::{PASSWORD, Redis};

/// The password of the application's user.
pub const APP: &str = "app-pa55word";

/// A target over these nodes; the first is the one behind `url`.
pub fn target(bench: &mut Bench, name: &str, nodes: &[&Redis]) {
    let further: Vec<_> = nodes[1..].iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
    bench.target(name, "redis", settings(nodes[0].port, &further));
}

pub fn settings(port: u16, further: &[String]) -> Value {
    json!({
        "url": format!("redis://ops@127.0.0.1:{port}"), "password": PASSWORD, "connect_within": "2s", "nodes": further,
        "identity": {},
    })
}

/// Users as applications have them, at one node: everything, key patterns with selectors, a few commands, without a category.
pub async fn people(node: &Redis) {
    let app = format!(">{APP}");
    let users: [&[&str]; 6] = [
        &["app", "on", &app, "~*", "&*", "+@all"],
        &["shop", "on", &app, "~shop:*", "%R~ro:*", "&ch*", "-@all", "+@read", "+@write", "-flushall", "+config|get"],
        &["picker", "on", &app, ">second", "~pick:*", "-@all", "+get", "(+get ~s:*)", "(+@write -del ~t:*)"],
        &["few", "on", &app, "~*", "-@all", "+set", "+get", "+eval", "+client|setname"],
        &["safe", "on", &app, "~*", "+@all", "-@dangerous", "-@admin"],
        &["away", "off", &app, "~*", "+@all"],
    ];
    for user in users {
        node.ops(&[&["ACL", "SETUSER"], user].concat()).await;
    }
    node.ops(&["ACL", "SAVE"]).await;
}
