//! nginx switched by its included file: who answers, which workers, and the bytes before and after.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pointsman::connectors::nginx::{Split, Switch};
use pointsman::connectors::{Act, Inspect};
use pointsman::model::{Finding, Touch, Value};
use serde_json::json;

use crate::bench::{Bench, attempt};
use crate::server::{Reply, serve};
use crate::servers::nginx::Nginx;
use crate::servers::web::{Traffic, Web, get};
use crate::servers::{missing, until};

struct Shop {
    old: Web,
    new: Web,
    nginx: Nginx,
    bench: Bench,
}

fn settings(nginx: &Nginx) -> Value {
    json!({
        "include": nginx.file("route.conf").display().to_string(), "config": nginx.file("nginx.conf").display().to_string(),
        "pid_file": nginx.file("nginx.pid").display().to_string(),
    })
}

/// nginx whose included file is the upstream `shop` with the old application.
async fn by_upstream() -> Shop {
    let (old, new) = (Web::start("dc").await, Web::start("cloud").await);
    let http = "  {include}\n  server { listen 127.0.0.1:{front}; location / { proxy_buffering off; proxy_pass http://shop; } }";
    let route = format!("# by hand\nupstream shop {{\n  server 127.0.0.1:{};\n}}\n", old.port);
    with(old, new, http.to_owned(), &route).await
}

/// nginx whose included file splits clients between two upstreams.
async fn by_split() -> Shop {
    let (old, new) = (Web::start("dc").await, Web::start("cloud").await);
    let http = format!(
        "  upstream dc {{ server 127.0.0.1:{}; }}\n  upstream cloud {{ server 127.0.0.1:{}; }}\n  {{include}}\n  \
         server {{ listen 127.0.0.1:{{front}}; location / {{ proxy_pass http://$side; }} }}",
        old.port, new.port
    );
    with(old, new, http, "split_clients \"${request_id}\" $side { * dc; }\n").await
}

async fn with(old: Web, new: Web, http: String, route: &str) -> Shop {
    let nginx = Nginx::start(&http, route).await;
    let mut bench = Bench::new();
    bench.target("lb", "nginx", settings(&nginx));
    Shop { old, new, nginx, bench }
}

impl Shop {
    fn switch(&self) -> Value {
        let ask = json!({
            "http": { "url": format!("http://127.0.0.1:{}/", self.nginx.port), "expect": { "headers": { "x-side": "cloud" } } },
            "within": "3s",
        });
        json!({ "to": "cloud", "upstream": "shop", "servers": [format!("127.0.0.1:{}", self.new.port)], "ask": ask })
    }

    fn split(&self, ramp: Value, gate: Value) -> Value {
        json!({
            "to": "cloud", "variable": "$side", "key": "${request_id}", "old": "dc", "ramp": ramp, "dwell": "400ms", "gate": gate,
        })
    }

    async fn side(&self) -> String {
        get(self.nginx.port, "/", "")
            .await
            .map_or_else(String::new, |(_, text)| text.rsplit("\r\n\r\n").next().unwrap().to_owned())
    }

    /// The file as a thief would compare it: bytes, mode, owner.
    fn image(&self) -> (String, u32, u32) {
        let meta = std::fs::metadata(self.nginx.file("route.conf")).unwrap();
        (self.nginx.route(), meta.permissions().mode(), meta.uid())
    }
}

#[tokio::test]
async fn an_upstream_is_switched_and_the_bytes_come_back() {
    if missing("nginx", "nginx-light") {
        return;
    }
    let shop = by_upstream().await;
    let before = shop.image();
    assert_eq!(shop.side().await, "dc", "the positive control");
    let traffic = Traffic::on(shop.nginx.port, Duration::from_millis(2));
    let call = shop.bench.call("switch", Some("lb"), shop.switch());
    assert_eq!(Switch.inspect(&call).await.unwrap().statements.len(), 3);
    let (snapshot, applied, evidence) = attempt(&Switch, &call).await.unwrap();
    assert_eq!(applied.outputs["to"], "cloud");
    assert_eq!(evidence.facts["asked"]["answer"]["headers"]["x-side"], "cloud");
    assert_eq!(shop.side().await, "cloud");
    assert!(shop.nginx.route().starts_with("# pointsman: run shop-20261121-abcd, step switch\n"));
    Switch.undo(&call, &snapshot).await.unwrap();
    assert_eq!((shop.image(), shop.side().await), (before, "dc".to_owned()));
    assert_eq!(shop.nginx.kept(), Vec::<String>::new());
    assert_eq!(traffic.bad(), 0, "nobody saw an error");
    assert!(traffic.ok() > 5);
}

#[tokio::test]
async fn a_bad_configuration_never_goes_live() {
    if missing("nginx", "nginx-light") {
        return;
    }
    let shop = by_upstream().await;
    let before = shop.image();
    let master = shop.nginx.daemon.pid();
    let workers = std::fs::read_to_string(format!("/proc/{master}/task/{master}/children")).unwrap();
    for params in [
        json!({ "to": "cloud", "content": "upstream shop { server }" }),
        json!({ "to": "cloud", "content": "upstream other { server 127.0.0.1:1; }" }),
        json!({ "to": "cloud", "upstream": "shop", "servers": ["127.0.0.1:1 nonsense=1"] }),
    ] {
        let error = attempt(&Switch, &shop.bench.call("switch", Some("lb"), params)).await.unwrap_err();
        assert!(error.message.contains("does not accept") && error.message.contains("bytes from before are back"), "{error}");
        assert_eq!(shop.image(), before);
    }
    for params in [
        json!({ "to": "cloud", "upstream": "shop", "servers": [] }),
        json!({ "to": "cloud", "upstream": "shop", "servers": ["127.0.0.1:1; } events {"] }),
    ] {
        assert_eq!(attempt(&Switch, &shop.bench.call("switch", Some("lb"), params)).await.unwrap_err().touch, Touch::Untouched);
    }
    assert_eq!(std::fs::read_to_string(format!("/proc/{master}/task/{master}/children")).unwrap(), workers, "it was reloaded");
    assert_eq!((shop.side().await, shop.nginx.kept()), ("dc".to_owned(), Vec::new()));
}

#[tokio::test]
async fn old_workers_keep_the_old_route_until_their_connections_end_and_are_counted() {
    if missing("nginx", "nginx-light") {
        return;
    }
    let shop = by_upstream().await;
    let port = shop.nginx.port;
    let hits = shop.old.hits();
    let held = tokio::spawn(async move { get(port, "/hold", "").await });
    until("the held request", Duration::from_secs(5), || async { (shop.old.hits() > hits).then_some(()) }).await;
    let mut params = shop.switch();
    params["old_workers_within"] = json!("200ms");
    let (_, applied, evidence) = attempt(&Switch, &shop.bench.call("switch", Some("lb"), params)).await.unwrap();
    assert_eq!((&applied.outputs["old_workers"], &evidence.facts["old_workers"]), (&json!(1), &json!(1)));
    assert!(!held.is_finished(), "the old worker still serves the old side");
    held.abort();
    let _ = held.await;
    let mut again = shop.switch();
    again["old_workers_within"] = json!("10s");
    let applied = attempt(&Switch, &shop.bench.call("switch", Some("lb"), again)).await.unwrap().1;
    assert_eq!(applied.outputs["old_workers"], json!(0));
}

#[tokio::test]
async fn a_file_that_no_worker_has_read_is_no_switch() {
    if missing("nginx", "nginx-light") {
        return;
    }
    let shop = by_upstream().await;
    let call = shop.bench.call("switch", Some("lb"), shop.switch());
    let (snapshot, applied, _) = attempt(&Switch, &call).await.unwrap();
    // Somebody writes the same bytes once more: nobody can tell any more that the workers have them.
    let text = shop.nginx.route();
    tokio::time::sleep(Duration::from_millis(200)).await;
    std::fs::write(shop.nginx.file("route.conf"), &text).unwrap();
    let error = Switch.prove(&call, &snapshot, &applied).await.unwrap_err();
    assert!(error.message.contains("older than the file"), "{error}");
    assert!(matches!(Switch.probe(&call, &snapshot).await.unwrap().finding, Finding::Partial(_)));
    // Ensured again, they are reloaded; and a text of somebody else is left alone.
    Switch.apply(&call, &snapshot).await.unwrap();
    assert_eq!(Switch.probe(&call, &snapshot).await.unwrap().finding, Finding::Applied);
    std::fs::write(shop.nginx.file("route.conf"), "upstream shop { server 127.0.0.1:9; }\n").unwrap();
    assert_eq!(Switch.apply(&call, &snapshot).await.unwrap_err().touch, Touch::Untouched);
    let error = Switch.undo(&call, &snapshot).await.unwrap_err();
    assert!(!error.manual.is_empty(), "{error}");
}

#[tokio::test]
async fn clients_are_split_in_shares_of_a_hundredth_of_a_percent() {
    if missing("nginx", "nginx-light") {
        return;
    }
    let shop = by_split().await;
    let before = shop.image();
    let call = shop.bench.call("split", Some("lb"), shop.split(json!(["0.01%", "30%", "100%"]), json!(null)));
    let count = async {
        until("30 %", Duration::from_secs(15), || async { shop.nginx.route().contains("30% cloud").then_some(()) }).await;
        tokio::time::sleep(Duration::from_millis(150)).await;
        let (old, new) = (shop.old.hits(), shop.new.hits());
        for _ in 0..100 {
            get(shop.nginx.port, "/", "").await;
        }
        (shop.old.hits() - old, shop.new.hits() - new, shop.nginx.route())
    };
    let (result, (old, new, route)) = tokio::join!(attempt(&Split, &call), count);
    let (snapshot, applied, _) = result.unwrap();
    assert_eq!(applied.outputs["stages"].as_array().unwrap().len(), 3);
    assert!(route.contains("30% cloud"), "the count was over before the share ended: {route}");
    assert!((15..50).contains(&new), "{new} of {} at 30 %", old + new);
    assert_eq!(shop.side().await, "cloud");
    Split.undo(&call, &snapshot).await.unwrap();
    assert_eq!((shop.image(), shop.side().await), (before, "dc".to_owned()));
    let fine = shop.bench.call("split", Some("lb"), shop.split(json!(["0.001%", "100%"]), json!(null)));
    assert!(Split.inspect(&fine).await.unwrap_err().message.contains("0.01%"));
}

#[tokio::test]
async fn a_gate_that_fails_at_10_percent_brings_the_bytes_and_the_workers_back() {
    if missing("nginx", "nginx-light") {
        return;
    }
    let shop = by_split().await;
    let before = shop.image();
    let rate = Arc::new(AtomicU64::new(0));
    let told = rate.clone();
    let (metrics, _) = serve(move |_| Reply::json(&told.load(Ordering::SeqCst).to_string())).await;
    let gate = json!({ "http": metrics, "below": 0.5, "every": "50ms" });
    let call = shop.bench.call("split", Some("lb"), shop.split(json!(["1%", "10%", "100%"]), gate));
    let snapshot = Split.capture(&call).await.unwrap();
    let break_at_10 = async {
        until("10 %", Duration::from_secs(15), || async { shop.nginx.route().contains("10% cloud").then_some(()) }).await;
        rate.store(1, Ordering::SeqCst);
    };
    let (error, ()) = tokio::join!(Split.apply(&call, &snapshot), break_at_10);
    let error = error.unwrap_err();
    assert!(error.message.contains("the gate failed at 10%") && error.message.contains("back to what was before"), "{error}");
    assert_eq!((shop.image(), shop.nginx.kept()), (before, Vec::new()));
    let new = shop.new.hits();
    for _ in 0..40 {
        assert_eq!(shop.side().await, "dc");
    }
    assert_eq!(shop.new.hits(), new);
    Split.undo(&call, &snapshot).await.unwrap();
}

#[tokio::test]
async fn a_master_that_is_gone_is_told_and_nothing_is_written() {
    if missing("nginx", "nginx-light") {
        return;
    }
    let mut shop = by_upstream().await;
    let call = shop.bench.call("switch", Some("lb"), shop.switch());
    let snapshot = Switch.capture(&call).await.unwrap();
    let before = shop.image();
    shop.nginx.daemon.kill();
    let error = Switch.inspect(&call).await.unwrap_err();
    assert!(error.message.contains("nginx.pid"), "{error}");
    let error = Switch.apply(&call, &snapshot).await.unwrap_err();
    assert_eq!(error.touch, Touch::Untouched, "{error}");
    assert_eq!(shop.image(), before);
}
