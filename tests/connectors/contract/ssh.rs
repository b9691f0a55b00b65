//! Hosts over SSH under the contract.

use std::rc::Rc;

use pointsman::connectors::ssh::SshCheck;
use serde_json::{Value, json};

use super::{Case, Named, case, named};
use crate::bench::{Bench, CANARY};
use crate::servers::sshd::Sshd;

/// The names, also where no server can be started.
pub const NAMES: &[&str] = &["ssh.check"];

/// The cases, all over one server.
pub async fn cases() -> Vec<Named> {
    let server = Rc::new(Sshd::start().await);
    let with = |make: fn(&Sshd) -> Case| {
        let server = server.clone();
        move || std::future::ready(make(&server))
    };
    vec![named("ssh.check", with(of_check))]
}

fn bench(server: &Sshd) -> Bench {
    let mut bench = Bench::alone();
    bench.target("host", "ssh", server.settings(json!({})));
    bench
}

fn of(bench: Bench, action: impl pointsman::connectors::Act + 'static, params: Value) -> Case {
    let call = bench.call("do", Some("host"), params);
    case(bench, action, call)
}

fn of_check(server: &Sshd) -> Case {
    let params =
        json!({ "argv": ["echo", CANARY], "env": { "TOKEN": CANARY }, "stdin": CANARY, "stdout": { "contains": CANARY } });
    of(bench(server), SshCheck, params)
}
