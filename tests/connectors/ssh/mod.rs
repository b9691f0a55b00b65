//! Hosts over SSH, against a real sshd.

mod acting;
mod hosts;
mod login;
mod looking;

use pointsman::connectors::ActionError;
use pointsman::connectors::ssh::SshCheck;
use serde_json::{Value, json};

use crate::bench::{Bench, attempt};
use crate::servers::missing;
use crate::servers::sshd::Sshd;

/// A server and a bench with a target `host`; none when sshd is missing here.
async fn world() -> Option<(Sshd, Bench)> {
    if missing("sshd", "openssh-server") || missing("ssh-agent", "openssh-client") {
        return None;
    }
    let server = Sshd::start().await;
    let mut bench = Bench::alone();
    bench.target("host", "ssh", server.settings(json!({})));
    Some((server, bench))
}

/// What a program at the host prints.
async fn ask(bench: &Bench, argv: Value) -> Result<String, ActionError> {
    let call = bench.call("ask", Some("host"), json!({ "argv": argv }));
    attempt(&SshCheck, &call).await.map(|(_, applied, _)| applied.outputs["stdout"].as_str().unwrap().to_owned())
}
