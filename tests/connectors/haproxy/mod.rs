//! HAProxy through its runtime API, under traffic: every process is changed, read back and restored.

use pointsman::model::Value;
use serde_json::json;

use crate::bench::Bench;
use crate::servers::haproxy::HaProxy;
use crate::servers::web::{Web, get};

mod check;
mod door;
mod drain;
mod maintenance;
mod map;
mod ramp;
mod switch;

/// An old and a new application, and a backend `shop` with both; the new one has the configured weight 0.
pub struct Shop {
    pub old: Web,
    pub new: Web,
}

impl Shop {
    pub async fn start() -> Self {
        Self { old: Web::start("dc").await, new: Web::start("cloud").await }
    }

    /// A configuration with the two; `{extra}` lines are put into the backend.
    pub fn sections(&self, extra: &str) -> String {
        let (old, new) = (self.old.port, self.new.port);
        format!(
            "frontend in\n  bind 127.0.0.1:{{front}}\n  default_backend shop\n\
             backend shop\n  {extra}\n  server dc 127.0.0.1:{old} weight 100 cookie dc\n  \
             server cloud 127.0.0.1:{new} weight 0 cookie cloud\n"
        )
    }

    pub async fn proxy(&self, node: &str) -> HaProxy {
        HaProxy::start(node, &self.sections("")).await
    }
}

/// A bench with a target `lb` of these processes.
pub fn bench(proxies: &[&HaProxy]) -> Bench {
    let mut bench = Bench::new();
    bench.target("lb", "haproxy", settings(proxies));
    bench
}

pub fn settings(proxies: &[&HaProxy]) -> Value {
    let addresses: Vec<_> = proxies.iter().map(|proxy| proxy.address()).collect();
    json!({ "addresses": addresses, "identity": { "description": "shop-lb", "version": "2." }, "connect_within": "2s" })
}

/// Asks the frontend `count` times, each on a connection of its own; the statuses in order.
pub async fn statuses(proxy: &HaProxy, count: usize) -> Vec<u16> {
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(get(proxy.port, "/", "").await.map_or(0, |(status, _)| status));
    }
    all
}
