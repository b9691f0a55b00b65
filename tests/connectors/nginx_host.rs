//! nginx on another host, over SSH, as an account that owns one folder and may test and reload through sudo.

use std::time::Duration;

use pointsman::connectors::nginx::Switch;
use pointsman::connectors::{Act as _, Inspect as _};
use pointsman::model::{Finding, Touch};
use serde_json::json;

use crate::bench::{Bench, attempt};
use crate::servers::host::{ACCOUNT, Host, no_host};
use crate::servers::missing;

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

#[tokio::test]
async fn an_account_that_owns_the_include_switches_nginx_on_another_host() {
    if no_host() || missing("nginx", "nginx-light") {
        return;
    }
    let sudoers = sudoers();
    let files = [
        ("etc/nginx/nginx.conf", CONFIG),
        ("etc/nginx/pointsman/route.conf", ROUTE),
        ("etc/sudoers.d/pointsman", sudoers.as_str()),
    ];
    let host = Host::boot(&files, "nginx.service").await;
    host.sh(&format!("chown -R {ACCOUNT}:{ACCOUNT} /etc/nginx/pointsman"));
    let image = || host.sh("stat -c '%a %U:%G' /etc/nginx/pointsman/route.conf; cat /etc/nginx/pointsman/route.conf");
    let workers = || host.sh("pgrep -P $(cat /run/nginx.pid)");
    crate::servers::until("nginx", Duration::from_secs(60), || async { (!workers().is_empty()).then_some(()) }).await;
    let before = image();
    let mut bench = Bench::alone();
    bench.target(
        "edge",
        "nginx",
        json!({
            "include": "/etc/nginx/pointsman/route.conf", "test": ["sudo", "-n", "nginx", "-t"],
            "reload": ["sudo", "-n", "systemctl", "reload", "nginx"], "ssh": host.settings(ACCOUNT, false),
        }),
    );
    let text = "split_clients \"${request_id}\" $side { * cloud; }\n";
    let url = format!("http://{}/", host.address());
    let ask = |side: &str| json!({ "http": { "url": url, "expect": { "headers": { "x-side": side } } }, "within": "60s" });
    let call = |step: &str, content: &str| {
        let mut call = bench.call(step, Some("edge"), json!({ "to": "cloud", "content": content, "ask": ask("cloud") }));
        call.deadline += Duration::from_secs(200);
        call
    };
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
