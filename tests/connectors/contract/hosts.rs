//! Units, cron tables, processes and network rules under the contract, on one whole host.

use std::collections::BTreeMap;
use std::rc::Rc;

use pointsman::connectors::Act;
use pointsman::connectors::ssh::{CronLines, NetworkAcl, ProcessStop, SystemdUnits};
use serde_json::{Value, json};

use super::{Case, Named, case, named};
use crate::bench::{Bench, CANARY};
use crate::servers::host::{ACCOUNT, Host};

/// The names, also where no host can be started.
pub const NAMES: &[&str] =
    &["systemd.stop", "systemd.start", "systemd.mask", "cron.disable", "cron.enable", "process.stop", "network.acl"];

const UNITS: &[(&str, &str)] = &[
    ("usr/lib/systemd/system/shop.service", "[Service]\nExecStart=/bin/sleep infinity\n"),
    ("usr/lib/systemd/system/idle.service", "[Service]\nExecStart=/bin/sleep infinity\n"),
    ("usr/lib/systemd/system/job.service", "[Service]\nType=oneshot\nExecStart=/bin/true\n"),
    ("usr/lib/systemd/system/job.timer", "[Timer]\nOnCalendar=yearly\n"),
    ("etc/sudoers.d/pointsman", SUDOERS),
];

/// What `docs/connectors/ssh.md` tells to grant, word by word.
pub const SUDOERS: &str = include_str!("../../../docs/connectors/ssh.sudoers");

/// A host with the units that the cases need.
pub async fn boot() -> Rc<Host> {
    Rc::new(Host::boot(UNITS, "shop.service job.timer").await)
}

/// The cases, all over one host, under an account that may run only what the documentation grants.
pub async fn cases() -> Vec<Named> {
    let host = boot().await;
    let with = |make: fn(&Rc<Host>) -> Case| {
        let host = host.clone();
        move || std::future::ready(make(&host))
    };
    vec![
        named("systemd.stop", with(of_stop)),
        named("systemd.start", with(of_start)),
        named("systemd.mask", with(of_mask)),
        named("cron.disable", with(of_disable)),
        named("cron.enable", with(of_enable)),
        named("process.stop", with(of_process)),
        named("network.acl", with(of_acl)),
    ]
}

/// A case whose world is what `look` prints at the host, and which `tamper` changes.
fn of(host: &Rc<Host>, action: impl Act + 'static, params: Value, look: &'static str, tamper: &'static str) -> Case {
    let mut bench = Bench::alone();
    bench.target("host", "ssh", host.settings(ACCOUNT, true));
    let mut call = bench.call("do", Some("host"), params);
    // One call goes through many verbs, each with a session of its own.
    call.deadline += std::time::Duration::from_secs(280);
    let (seen, changed) = (host.clone(), host.clone());
    case(bench, action, call)
        .seen_by(move || std::future::ready(BTreeMap::from([("host".to_owned(), seen.sh(look))])))
        .tampered_by(move || {
            changed.sh(tamper);
            std::future::ready(())
        })
}

const UNIT_STATES: &str =
    "systemctl show -p ActiveState -p UnitFileState -p LoadState shop.service idle.service job.timer job.service";

fn reset(host: &Host) {
    host.sh(
        "systemctl unmask --runtime shop.service idle.service job.timer job.service 2>/dev/null; systemctl stop idle.service; \
             systemctl start shop.service job.timer",
    );
}

fn of_stop(host: &Rc<Host>) -> Case {
    reset(host);
    of(host, SystemdUnits::Stop, json!({ "units": ["shop", "job.timer", "idle"] }), UNIT_STATES, "systemctl start shop")
}

fn of_start(host: &Rc<Host>) -> Case {
    reset(host);
    of(host, SystemdUnits::Start, json!({ "units": ["idle", "shop"] }), UNIT_STATES, "systemctl stop idle")
}

fn of_mask(host: &Rc<Host>) -> Case {
    reset(host);
    of(host, SystemdUnits::Mask, json!({ "units": ["shop", "job.timer", "job"] }), UNIT_STATES, "systemctl unmask --runtime job")
}

const TABLE: &str = "crontab -u ops -l";

/// A table with a line that carries a secret, and one without a line break at its end would not be taken by `crontab`.
fn table(host: &Host, tag: &str) {
    host.sh(&format!(
        "printf '%s\\n' '# by hand' 'MAILTO=\"\"' '{tag}5 4 * * * /bin/shop --token={CANARY} \\% x' '@daily /bin/other' '' | crontab -u ops -"
    ));
}

fn of_disable(host: &Rc<Host>) -> Case {
    table(host, "");
    of(
        host,
        CronLines::Disable,
        json!({ "user": "ops", "pattern": "/bin/shop" }),
        TABLE,
        "crontab -u ops -l | sed 's/^# pointsman.*: //' | crontab -u ops -",
    )
}

fn of_enable(host: &Rc<Host>) -> Case {
    table(host, "# pointsman other-run/step: ");
    of(
        host,
        CronLines::Enable,
        json!({ "user": "ops", "pattern": "/bin/shop" }),
        TABLE,
        "crontab -u ops -l | sed 's|^5 |# pointsman a/b: 5 |' | crontab -u ops -",
    )
}

fn of_process(host: &Rc<Host>) -> Case {
    let start = "systemd-run -q --collect sleep 98765";
    host.sh(&format!("pkill -x -f 'sleep 98765'; {start}"));
    of(
        host,
        ProcessStop,
        json!({ "pattern": "^(/usr)?(/bin/)?sleep 98765$", "grace": "2s" }),
        "pgrep -c -x -f '.*sleep 98765'",
        start,
    )
}

fn of_acl(host: &Rc<Host>) -> Case {
    host.sh("nft flush ruleset");
    let params = json!({ "ports": [7001, 7002], "peers": [host.near(), host.near6(), "192.0.2.0/24"], "except": ["192.0.2.7"] });
    of(host, NetworkAcl, params, "nft -s list ruleset", "nft flush chain inet $(nft list tables inet | cut -d' ' -f3) input")
}
