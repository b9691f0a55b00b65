//! nginx on another host, over SSH, as an account that owns one folder and may test and reload through sudo.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pointsman::connectors::nginx::{Split, Switch};
use pointsman::connectors::{Act as _, Call, Inspect as _};
use pointsman::model::{Finding, Touch, Value};
use serde_json::json;

use crate::bench::{Bench, attempt};
use crate::server::{Reply, serve};
use crate::servers::host::{ACCOUNT, Host, no_host};
use crate::servers::{missing, until};

const CONFIG: &str = "user www-data;\npid /run/nginx.pid;\nevents {}\nhttp {\n  include /etc/nginx/pointsman/route.conf;\n  \
                      server { listen 80; location / { add_header X-Side $side; return 200 $side; } }\n}\n";
const ROUTE: &str = "# by hand\nsplit_clients \"${request_id}\" $side { * dc; }\n";

/// The rules of sudo that the documentation gives.
fn sudoers() -> String {
    let page = include_str!("../../docs/connectors/nginx.md");
    let rules: Vec<_> = page.lines().filter(|line| line.starts_with("pointsman ALL=")).collect();
    assert_eq!(rules.len(), 2, "{rules:?}");
    rules.join("\n").replace("pointsman ", &format!("{ACCOUNT} ")) + "\n"
}

/// A host with nginx, and a bench with it as the target `edge`.
struct Edge {
    host: Host,
    bench: Bench,
}

async fn edge() -> Edge {
    let sudoers = sudoers();
    let files = [
        ("etc/nginx/nginx.conf", CONFIG),
        ("etc/nginx/pointsman/route.conf", ROUTE),
        ("etc/sudoers.d/pointsman", sudoers.as_str()),
    ];
    let host = Host::boot(&files, "nginx.service").await;
    host.sh(&format!("chown -R {ACCOUNT}:{ACCOUNT} /etc/nginx/pointsman"));
    let mut bench = Bench::alone();
    bench.target(
        "edge",
        "nginx",
        json!({
            "include": "/etc/nginx/pointsman/route.conf", "test": ["sudo", "-n", "nginx", "-t"],
            "reload": ["sudo", "-n", "systemctl", "reload", "nginx"], "ssh": host.settings(ACCOUNT, false),
        }),
    );
    let edge = Edge { host, bench };
    until("nginx", Duration::from_secs(60), || async { (!edge.workers().is_empty()).then_some(()) }).await;
    edge
}

impl Edge {
    /// The file as a thief would compare it: mode, owner, bytes.
    fn image(&self) -> String {
        self.host.sh("stat -c '%a %U:%G' /etc/nginx/pointsman/route.conf; cat /etc/nginx/pointsman/route.conf")
    }

    fn workers(&self) -> String {
        self.host.sh("pgrep -P $(cat /run/nginx.pid)")
    }

    /// A call whose proof asks which side answers; a host behind SSH on a busy machine takes its time.
    fn call(&self, step: &str, mut params: Value) -> Call {
        let url = format!("http://{}/", self.host.address());
        params["to"] = json!("cloud");
        params["ask"] = json!({ "http": { "url": url, "expect": { "headers": { "x-side": "cloud" } } }, "within": "60s" });
        let mut call = self.bench.call(step, Some("edge"), params);
        call.deadline += Duration::from_secs(200);
        call
    }
}

#[tokio::test]
async fn an_account_that_owns_the_include_switches_nginx_on_another_host() {
    if no_host() || missing("nginx", "nginx-light") {
        return;
    }
    let edge = edge().await;
    let (host, image, workers) = (&edge.host, || edge.image(), || edge.workers());
    let before = image();
    let text = "split_clients \"${request_id}\" $side { * cloud; }\n";
    let call = |step: &str, content: &str| edge.call(step, json!({ "content": content }));
    // What the test refuses is never reloaded, and the bytes are back.
    let serving = workers();
    let error = attempt(&Switch, &call("bad", "split_clients {")).await.unwrap_err();
    assert!(error.message.contains("does not accept") && error.touch == Touch::Possible, "{error}");
    assert_eq!((image(), workers()), (before.clone(), serving));
    let switch = call("switch", text);
    let looked = Switch.inspect(&switch).await.unwrap();
    assert_eq!((looked.blockers.len(), looked.identity["host"]["host"].as_str().is_some()), (0, true), "{looked:?}");
    let (snapshot, applied, evidence) = attempt(&Switch, &switch).await.unwrap();
    assert_eq!(applied.outputs["to"], "cloud");
    assert_eq!(evidence.facts["asked"]["answer"]["headers"]["x-side"], "cloud");
    assert_eq!(Switch.probe(&switch, &snapshot).await.unwrap().finding, Finding::Applied);
    // The same bytes written once more: nobody can tell that the workers have them.
    host.sh("sleep 0.2; touch /etc/nginx/pointsman/route.conf");
    let error = Switch.prove(&switch, &snapshot, &applied).await.unwrap_err();
    assert!(error.message.contains("older than the file"), "{error}");
    Switch.undo(&switch, &snapshot).await.unwrap();
    assert_eq!(image(), before, "the way back is not exact");
    assert_eq!(host.sh("ls -A /etc/nginx/pointsman"), "route.conf");
    assert_eq!(Switch.probe(&switch, &snapshot).await.unwrap().finding, Finding::NotApplied);
    // The account may do no more than that.
    assert!(host.sh(&format!("su {ACCOUNT} -c 'sudo -n nginx -s stop' 2>&1")).contains("password is required"));
    host.sh("systemctl stop nginx");
    let error = Switch.apply(&switch, &snapshot).await.unwrap_err();
    assert_eq!((error.touch, image()), (Touch::Untouched, before), "{error}");
}

#[tokio::test]
async fn clients_of_a_whole_host_are_split_behind_a_gate_and_the_bytes_come_back() {
    if no_host() || missing("nginx", "nginx-light") {
        return;
    }
    let edge = edge().await;
    let before = edge.image();
    let rate = Arc::new(AtomicU64::new(0));
    let told = rate.clone();
    let (metrics, _) = serve(move |_| Reply::json(&told.load(Ordering::SeqCst).to_string())).await;
    let split = |step: &str| {
        let gate = json!({ "http": metrics, "below": 0.5, "every": "50ms" });
        let ramp = json!({ "ramp": ["10%", "100%"], "dwell": "1s", "gate": gate });
        let mut params = json!({ "variable": "$side", "key": "${request_id}", "old": "dc" });
        params.as_object_mut().unwrap().extend(ramp.as_object().unwrap().clone());
        edge.call(step, params)
    };
    // A gate that fails at the first share: bytes and workers of the host are back before the step ends.
    let failing = split("failing");
    rate.store(1, Ordering::SeqCst);
    let error = attempt(&Split, &failing).await.unwrap_err();
    assert!(error.message.contains("the gate failed at 10%") && error.message.contains("back to what was before"), "{error}");
    assert_eq!((error.touch, edge.image()), (Touch::Possible, before.clone()));
    assert_eq!(edge.host.sh("ls -A /etc/nginx/pointsman"), "route.conf");
    rate.store(0, Ordering::SeqCst);
    let call = split("split");
    let looked = Split.inspect(&call).await.unwrap();
    assert_eq!((looked.blockers.len(), looked.identity["host"]["host"].as_str().is_some()), (0, true), "{looked:?}");
    let serving = edge.workers();
    let (snapshot, applied, evidence) = attempt(&Split, &call).await.unwrap();
    assert_eq!(applied.outputs["stages"].as_array().unwrap().len(), 2, "{:?}", applied.outputs);
    assert_eq!(evidence.facts["asked"]["answer"]["headers"]["x-side"], "cloud");
    assert_ne!(edge.workers(), serving, "no worker has read the file");
    assert_eq!(Split.probe(&call, &snapshot).await.unwrap().finding, Finding::Applied);
    // A share on the way, which is what a crash leaves behind: the way back is as exact from there.
    edge.host
        .sh("sed -i 's/^    \\* cloud;$/    10% cloud;\\n    * dc;/' /etc/nginx/pointsman/route.conf && systemctl reload nginx");
    let finding = Split.probe(&call, &snapshot).await.unwrap().finding;
    assert!(matches!(finding, Finding::Partial(_)), "{finding:?}\n{}", edge.image());
    Split.undo(&call, &snapshot).await.unwrap();
    assert_eq!(edge.image(), before, "the way back is not exact");
    assert_eq!(edge.host.sh("ls -A /etc/nginx/pointsman"), "route.conf");
    assert_eq!(Split.probe(&call, &snapshot).await.unwrap().finding, Finding::NotApplied);
}
