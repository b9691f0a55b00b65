//! A whole host: units, cron tables, processes and network rules, under an account that may run only what is granted.

use std::io::Read as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use pointsman::connectors::ssh::{CronLines, NetworkAcl, ProcessStop, SystemdUnits};
use pointsman::connectors::{Act as _, Inspect as _};
use pointsman::model::{Finding, Touch};
use serde_json::json;

use crate::bench::{Bench, attempt};
use crate::servers::host::{ACCOUNT, Host, no_host};

/// Answers every connection on a port, by both families, and keeps it open.
const LISTENER: &str =
    "[Service]\nExecStart=/usr/bin/socat TCP6-LISTEN:7001,fork,reuseaddr,ipv6only=0 SYSTEM:'echo hello; sleep 600'\n";

fn files() -> Vec<(&'static str, &'static str)> {
    vec![
        ("usr/lib/systemd/system/listener.service", LISTENER),
        ("usr/lib/systemd/system/shop.service", "[Service]\nExecStart=/bin/sleep infinity\n"),
        ("usr/lib/systemd/system/shop.timer", "[Timer]\nOnActiveSec=1\nOnUnitInactiveSec=1\nAccuracySec=100ms\n"),
        ("etc/systemd/system/own.service", "[Service]\nExecStart=/bin/sleep infinity\n"),
        ("etc/cron.d/shop", "# jobs of the shop\n@reboot root sleep 4321\n5 4 * * * root /bin/other\n"),
        ("etc/sudoers.d/pointsman", crate::contract::hosts::SUDOERS),
    ]
}

fn bench(host: &Host, user: &str, sudo: bool) -> Bench {
    let mut bench = Bench::alone();
    bench.target("host", "ssh", host.settings(user, sudo));
    bench
}

/// A connection that was greeted, so that both sides know it.
fn connect(address: &str) -> std::io::Result<TcpStream> {
    let address = format!("{address}:7001").parse().unwrap();
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.read_exact(&mut [0; 6])?;
    Ok(stream)
}

#[tokio::test]
async fn a_whole_host_is_stopped_and_comes_back_as_it_was() {
    if no_host() {
        return;
    }
    let host = Host::boot(&files(), "listener.service shop.service own.service shop.timer").await;
    old_connections_survive_a_rule_and_are_cut_and_the_ipv6_twin_is_closed(&host).await;
    the_cron_job_that_is_running_now_is_waited_for(&host).await;
    a_mask_over_a_file_in_etc_is_refused_and_a_timer_does_not_start_its_service_again(&host).await;
    a_process_that_comes_back_is_seen(&host).await;
}

async fn old_connections_survive_a_rule_and_are_cut_and_the_ipv6_twin_is_closed(host: &Host) {
    let (four, six) = (host.address(), format!("[{}]", host.address6()));
    let (mut old, mut old6) = (connect(&four).unwrap(), connect(&six).unwrap());
    // What a firewall mostly has: established connections pass. A deny that is added behind it lets old connections live.
    host.sh("nft add table inet fw; nft 'add chain inet fw input { type filter hook input priority 0; }'; \
             nft add rule inet fw input ct state established accept; nft add rule inet fw input tcp dport 7001 reject");
    assert!(connect(&four).is_err(), "the usual rule refuses new connections");
    for stream in [&mut old, &mut old6] {
        stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let kind = stream.read(&mut [0; 1]).unwrap_err().kind();
        assert_eq!(kind, std::io::ErrorKind::WouldBlock, "the old connection lives on");
    }
    host.sh("nft delete table inet fw");
    let bench = bench(host, ACCOUNT, true);
    let places = [format!("{four}:7001"), format!("{six}:7001")];
    let call = bench.call("cut", Some("host"), json!({ "ports": [7001], "canary": places }));
    assert!(NetworkAcl.inspect(&call).await.unwrap().blockers.is_empty());
    let (snapshot, applied, evidence) = attempt(&NetworkAcl, &call).await.unwrap();
    assert_eq!((applied.outputs["cut"].clone(), evidence.facts["sockets"].clone()), (json!(2), json!(0)));
    for mut stream in [old, old6] {
        let end = stream.read(&mut [0; 1]);
        assert!(!matches!(&end, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock), "the old connection lives on");
    }
    assert!(connect(&four).is_err() && connect(&six).is_err());
    assert!(host.sh("nft list ruleset").contains(&format!("comment \"{}/cut\"", bench.run)));
    // The proof sees a family that is open again.
    host.sh("nft insert rule inet $(nft list tables inet | cut -d' ' -f3) input meta nfproto ipv6 accept");
    let error = NetworkAcl.prove(&call, &snapshot, &applied).await.unwrap_err();
    assert_eq!(error.touch, Touch::Possible, "{error}");
    NetworkAcl.undo(&call, &snapshot).await.unwrap();
    assert!(connect(&four).is_ok() && connect(&six).is_ok());
    assert_eq!(host.sh("nft list ruleset"), "");
    // Pointsman never cuts off itself, and a canary that fails before proves nothing.
    let own = bench.call("own", Some("host"), json!({ "ports": [22] }));
    assert!(NetworkAcl.capture(&own).await.unwrap_err().message.contains("cut off Pointsman itself"));
    let deaf = bench.call("deaf", Some("host"), json!({ "ports": [7009], "canary": [format!("{four}:7009")] }));
    assert_eq!(NetworkAcl.inspect(&deaf).await.unwrap().blockers.len(), 1);
}

async fn the_cron_job_that_is_running_now_is_waited_for(host: &Host) {
    // Writing a file of root's is root's: the account's grants cover crontabs only.
    let bench = bench(host, "root", false);
    let before = host.sh("cat /etc/cron.d/shop; stat -c '%a %u %g' /etc/cron.d/shop");
    assert_eq!(host.sh("pgrep -c -x -f 'sleep 4321'"), "1", "cron has started its job");
    let params = json!({ "file": "/etc/cron.d/shop", "pattern": "sleep 4321", "within": "1s" });
    let mut call = bench.call("off", Some("host"), params.clone());
    let snapshot = CronLines::Disable.capture(&call).await.unwrap();
    let error = CronLines::Disable.apply(&call, &snapshot).await.unwrap_err();
    assert!(error.message.contains("still runs: pid") && error.touch == Touch::Possible, "{error}");
    assert!(host.sh("cat /etc/cron.d/shop").contains(&format!("# pointsman {}/off: @reboot root sleep 4321", bench.run)));
    // Only said where that is asked for; waited for, it ends.
    let mut only_said = params.clone();
    only_said["running"] = json!("report");
    let reported = attempt(&CronLines::Disable, &bench.call("off", Some("host"), only_said)).await.unwrap().1;
    assert_eq!(reported.outputs["running"].as_array().unwrap().len(), 1);
    call.params = bench.call("off", Some("host"), json!({ "file": "/etc/cron.d/shop", "pattern": "sleep 4321" })).params;
    let begun = Instant::now();
    host.sh("(sleep 2; pkill -x -f 'sleep 4321') >/dev/null 2>&1 </dev/null &");
    call.deadline = Instant::now() + Duration::from_secs(120);
    let applied = CronLines::Disable.apply(&call, &snapshot).await.unwrap();
    assert_eq!(applied.outputs["running"], json!([]), "{:?}", begun.elapsed());
    assert_eq!(host.sh("pgrep -c -x -f 'sleep 4321'"), "0");
    CronLines::Disable.prove(&call, &snapshot, &applied).await.unwrap();
    // The line of somebody else is not ours to keep back: what they changed stays, ours comes back.
    let proof = CronLines::Disable.undo(&call, &snapshot).await.unwrap();
    assert_eq!(proof.facts["exact"], json!(true));
    assert_eq!(host.sh("cat /etc/cron.d/shop; stat -c '%a %u %g' /etc/cron.d/shop"), before);
    assert_eq!(host.sh("ls -A /etc/cron.d | grep -c pointsman"), "0");
}

async fn a_mask_over_a_file_in_etc_is_refused_and_a_timer_does_not_start_its_service_again(host: &Host) {
    let bench = bench(host, ACCOUNT, true);
    let own = bench.call("mask", Some("host"), json!({ "units": ["own"] }));
    assert!(SystemdUnits::Mask.inspect(&own).await.unwrap().blockers[0].what.contains("/etc/systemd/system"));
    assert!(SystemdUnits::Mask.capture(&own).await.unwrap_err().message.contains("cannot be masked"));
    // The service alone comes back by its timer, and the proof or a later look sees that; with its timer it stays down.
    let both = bench.call("stop", Some("host"), json!({ "units": ["shop", "shop.timer"] }));
    let (snapshot, ..) = attempt(&SystemdUnits::Stop, &both).await.unwrap();
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(host.sh("systemctl is-active shop.service shop.timer"), "inactive\ninactive");
    assert_eq!(SystemdUnits::Stop.probe(&both, &snapshot).await.unwrap().finding, Finding::Applied);
    SystemdUnits::Stop.undo(&both, &snapshot).await.unwrap();
    assert_eq!(host.sh("systemctl is-active shop.service shop.timer"), "active\nactive");
    let none = bench.call("none", Some("host"), json!({ "units": ["no-such"] }));
    assert!(SystemdUnits::Stop.capture(&none).await.unwrap_err().message.contains("there is no unit"));
}

async fn a_process_that_comes_back_is_seen(host: &Host) {
    let bench = bench(host, ACCOUNT, true);
    host.sh("systemd-run -q --collect -p Restart=always -p RestartSec=100ms sleep 8765");
    let call = bench.call("stop", Some("host"), json!({ "pattern": "^(/usr)?(/bin/)?sleep 8765$", "grace": "1s" }));
    let error = attempt(&ProcessStop, &call).await.unwrap_err();
    assert!(error.message.contains("alive") && error.touch == Touch::Possible, "{error}");
    // What does not hear SIGTERM is killed, unless that is not wanted.
    host.sh("systemd-run -q --collect sh -c 'trap \"\" TERM; while :; do sleep 0.05; done #deaf'");
    let pattern = "TERM; while.*#deaf$";
    let kind = bench.call("kind", Some("host"), json!({ "pattern": pattern, "grace": "500ms", "kill": false }));
    let error = attempt(&ProcessStop, &kind).await.unwrap_err();
    assert!(error.message.contains("did not end"), "{error}");
    let hard = bench.call("hard", Some("host"), json!({ "pattern": pattern, "grace": "500ms", "kill": true }));
    assert_eq!(attempt(&ProcessStop, &hard).await.unwrap().1.outputs["killed"], json!(1));
}
