//! Hosts over SSH under the contract.

use std::rc::Rc;

use pointsman::connectors::ssh::{SshCheck, SshCommand, SshFile};
use serde_json::{Value, json};

use super::{Case, Named, case, named};
use crate::bench::{Bench, CANARY};
use crate::servers::sshd::Sshd;

/// The names, also where no server can be started.
pub const NAMES: &[&str] = &["ssh.command", "ssh.check", "ssh.file"];

/// The cases, all over one server.
pub async fn cases() -> Vec<Named> {
    let server = Rc::new(Sshd::start().await);
    let with = |make: fn(&Sshd) -> Case| {
        let server = server.clone();
        move || std::future::ready(make(&server))
    };
    vec![named("ssh.command", with(of_command)), named("ssh.check", with(of_check)), named("ssh.file", with(of_file))]
}

fn bench(server: &Sshd) -> Bench {
    let mut bench = Bench::alone();
    bench.target("host", "ssh", server.settings(json!({})));
    bench
}

fn of(bench: Bench, action: impl pointsman::connectors::Act + 'static, params: Value) -> Case {
    let mut call = bench.call("do", Some("host"), params);
    // One call goes through many verbs, each with a session of its own.
    call.deadline += std::time::Duration::from_secs(280);
    case(bench, action, call)
}

fn of_check(server: &Sshd) -> Case {
    let params =
        json!({ "argv": ["echo", CANARY], "env": { "TOKEN": CANARY }, "stdin": CANARY, "stdout": { "contains": CANARY } });
    of(bench(server), SshCheck, params)
}

fn of_command(server: &Sshd) -> Case {
    let bench = bench(server);
    let made = bench.path("made").display().to_string();
    let params = json!({
        "argv": ["sh", "-c", "echo \"$1 $TOKEN\" | tee \"$2\" >&2; cat", "sh", CANARY, made], "env": { "TOKEN": CANARY },
        "stdin": CANARY, "prove": ["grep", CANARY, made],
    });
    of(bench, SshCommand, params).tampered(|bench| std::fs::remove_file(bench.path("made")).unwrap())
}

fn of_file(server: &Sshd) -> Case {
    let bench = bench(server);
    std::fs::write(bench.path("app.conf"), format!("old {CANARY}")).unwrap();
    let path = bench.path("app.conf").display().to_string();
    let params = json!({ "path": path, "content": format!("new {CANARY}"), "mode": "0600" });
    of(bench, SshFile, params).tampered(|bench| std::fs::write(bench.path("app.conf"), "other").unwrap())
}
