//! Redis under the contract: a master, its replica, and a user of an application at both.

use std::collections::BTreeMap;
use std::sync::Arc;

use pointsman::connectors::redis::{AllowWrites, Check, CheckKeys, Drain, FreezeWrites, PauseWrites, Promote, WaitReplica};
use pointsman::connectors::{Act, Call};
use serde_json::{Value, json};

use super::{Case, Named, case, named};
use crate::bench::{Bench, CANARY, attempt};
use crate::redis::settings;
use crate::servers::redis::{Redis, pulse};

pub fn cases() -> Vec<Named> {
    vec![
        named("redis.freeze_writes", of_freeze),
        named("redis.allow_writes", of_allow),
        named("redis.drain", of_drain),
        named("redis.wait_replica", of_wait),
        named("redis.promote", of_promote),
        named("redis.check", of_check),
        named("redis.pause_writes", of_pause),
        named("check.keys", of_keys),
    ]
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
        bench.target("new", "redis", settings(self.0.1.port, &[]));
        bench
    }

    /// Somebody else at one of the nodes.
    fn somebody(&self, at: usize, words: &[&str]) -> impl Fn() -> std::pin::Pin<Box<dyn Future<Output = ()>>> + 'static {
        let (world, words): (Self, Vec<String>) = (self.clone(), words.iter().map(|word| (*word).to_owned()).collect());
        move || {
            let (world, words) = (world.clone(), words.clone());
            Box::pin(async move {
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                drop(world.nodes()[at].ops(&words).await);
            })
        }
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
    // Only the replica: a failover would lift the freeze.
    let somebody = world.somebody(1, &["ACL", "SETUSER", "app", "+lpush"]);
    world.case(bench, FreezeWrites, call).tampered_by(somebody)
}

async fn of_allow() -> Case {
    let world = World::new().await;
    let bench = world.bench();
    let freeze = bench.call("freeze", Some("old"), json!({ "users": ["app"] }));
    let (_, applied, _) = attempt(&FreezeWrites, &freeze).await.unwrap();
    let params = json!({ "rules": applied.outputs["rules"], "canaries": { "app": CANARY } });
    let call = bench.call("open", Some("old"), params);
    let somebody = world.somebody(0, &["ACL", "SETUSER", "app", "-lpush"]);
    world.case(bench, AllowWrites, call).tampered_by(somebody)
}

async fn of_drain() -> Case {
    let world = World::new().await;
    let bench = world.bench();
    attempt(&FreezeWrites, &bench.call("freeze", Some("old"), json!({ "users": ["app"] }))).await.unwrap();
    let queue = format!("queue-{CANARY}");
    let params = json!({ "keys": [queue], "producers": ["app"], "stable_for": "1ms", "every": "5ms", "within": "5s" });
    let call = bench.call("drain", Some("old"), params);
    let somebody = world.somebody(0, &["RPUSH", &queue, "late"]);
    world.case(bench, Drain, call).tampered_by(somebody)
}

async fn of_wait() -> Case {
    let world = World::new().await;
    let bench = world.bench();
    let info = world.nodes()[0].info("replication").await;
    let found = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
    let fence = format!("{}:{}", found("master_replid:"), found("master_repl_offset:"));
    let call = bench.call("wait", Some("new"), json!({ "at_least": fence, "within": "5s" }));
    let somebody = world.somebody(1, &["REPLICAOF", "127.0.0.1", "1"]);
    world.case(bench, WaitReplica, call).tampered_by(somebody)
}

async fn of_promote() -> Case {
    let world = World::new().await;
    let bench = world.bench();
    let call = bench.call("promote", Some("new"), json!({}));
    let port = world.nodes()[0].port.to_string();
    let somebody = world.somebody(1, &["REPLICAOF", "127.0.0.1", &port]);
    world.case(bench, Promote, call).tampered_by(somebody)
}

async fn of_check() -> Case {
    let world = World::new().await;
    let bench = world.bench();
    let key = format!("key-{CANARY}");
    world.nodes()[0].ops(&["SET", &key, CANARY]).await;
    let call = bench.call("look", Some("old"), json!({ "command": ["GET", key], "expect": CANARY }));
    world.case(bench, Check, call)
}

async fn of_pause() -> Case {
    let world = World::new().await;
    let bench = world.bench();
    let call = bench.call("pause", Some("old"), json!({ "for": "10m", "ignore_replicas": [CANARY] }));
    let (here, somebody) = (world.clone(), world.somebody(0, &["CLIENT", "UNPAUSE"]));
    case(bench, PauseWrites, call).tampered_by(somebody).seen_by(move || {
        let world = here.clone();
        async move {
            let mut seen = BTreeMap::new();
            for (at, node) in world.nodes().iter().enumerate() {
                seen.insert(at.to_string(), pulse(node).await.to_owned());
            }
            seen
        }
    })
}

async fn of_keys() -> Case {
    let world = World::new().await;
    let bench = world.bench();
    world.nodes()[0].ops(&["SET", &format!("key-{CANARY}"), "1"]).await;
    // The replica has it a moment later.
    world.nodes()[0].ops(&["WAIT", "1", "60000"]).await;
    let params = json!({ "source": "old", "target": "new", "patterns": [format!("key-{CANARY}*"), "*"] });
    let call = bench.call("keys", None, params);
    let somebody = world.somebody(1, &["REPLICAOF", "NO", "ONE"]);
    let more = world.somebody(1, &["SET", "other", "1"]);
    world.case(bench, CheckKeys, call).tampered_by(move || {
        let (first, then) = (somebody(), more());
        async move {
            first.await;
            then.await;
        }
    })
}
