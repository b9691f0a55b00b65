//! Redis under the contract: a master, its replica, and a user of an application at both.

use std::collections::BTreeMap;
use std::sync::Arc;

use pointsman::connectors::redis::FreezeWrites;
use pointsman::connectors::{Act, Call};
use serde_json::{Value, json};

use super::{Case, Named, case, named};
use crate::bench::{Bench, CANARY};
use crate::redis::settings;
use crate::servers::redis::Redis;

pub fn cases() -> Vec<Named> {
    vec![named("redis.freeze_writes", of_freeze)]
}

/// Two nodes; both servers live as long as the case.
#[derive(Clone)]
struct World(Arc<(Redis, Redis)>);

impl World {
    async fn new() -> Self {
        let master = Redis::start().await;
        let replica = master.replica().await;
        for node in [&master, &replica] {
            let password = format!(">{CANARY}");
            node.ops(&["ACL", "SETUSER", "app", "on", &password, "~*", "&*", "-@all", "+@all", "-flushall", "(~x:* +get)"]).await;
            node.ops(&["ACL", "SAVE"]).await;
        }
        Self(Arc::new((master, replica)))
    }

    fn nodes(&self) -> [&Redis; 2] {
        [&self.0.0, &self.0.1]
    }

    fn bench(&self) -> Bench {
        let mut bench = Bench::new();
        bench.target("old", "redis", settings(self.0.0.port, &[format!("127.0.0.1:{}", self.0.1.port)]));
        bench
    }

    /// The users, the files they are in, the roles and the data.
    async fn seen(&self) -> BTreeMap<String, String> {
        let mut seen = BTreeMap::new();
        for (at, node) in self.nodes().iter().enumerate() {
            let info = node.info("replication").await;
            let lines = info.lines().filter(|line| line.starts_with("role") || line.starts_with("master_host"));
            seen.insert(format!("{at} role"), lines.collect::<Vec<_>>().join(" "));
            seen.insert(format!("{at} users"), node.users().await.join("\n"));
            seen.insert(format!("{at} file"), node.file());
            seen.insert(format!("{at} data"), format!("{:?}", node.ops(&["DEBUG", "DIGEST"]).await));
        }
        seen
    }

    fn case(&self, bench: Bench, action: impl Act + 'static, call: Call) -> Case {
        let world = self.clone();
        case(bench, action, call).seen_by(move || {
            let world = world.clone();
            async move { world.seen().await }
        })
    }
}

async fn of_freeze() -> Case {
    let world = World::new().await;
    let bench = world.bench();
    let params: Value = json!({ "users": ["app"], "canaries": { "app": CANARY } });
    let call = bench.call("freeze", Some("old"), params);
    let tampered = world.clone();
    world.case(bench, FreezeWrites, call).tampered_by(move || {
        let world = tampered.clone();
        // Only the replica: a failover would lift the freeze.
        async move { drop(world.nodes()[1].ops(&["ACL", "SETUSER", "app", "+lpush"]).await) }
    })
}
