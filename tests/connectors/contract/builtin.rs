//! Programs, files and waits under the contract.

use pointsman::connectors::{command, file, wait};
use serde_json::json;

use super::{Case, Named, case, named};
use crate::bench::{Bench, CANARY};

pub fn cases() -> Vec<Named> {
    vec![
        named("command", of_command),
        named("command.check", of_command_check),
        named("wait.until", of_wait),
        named("switch.file", of_switch),
    ]
}

async fn of_command() -> Case {
    let bench = Bench::alone();
    let params = json!({
        "argv": ["sh", "-c", "echo \"$1 $TOKEN\" | tee made >&2", "sh", CANARY], "env": { "TOKEN": CANARY }, "stdin": CANARY,
        "prove": ["grep", CANARY, "made"], "probe": ["test", "-e", "made"],
    });
    let call = bench.call("do", None, params);
    case(bench, command::Command, call).tampered(|bench| std::fs::remove_file(bench.path("made")).unwrap())
}

async fn of_command_check() -> Case {
    let bench = Bench::new();
    let params = json!({ "argv": ["echo", CANARY], "env": { "TOKEN": CANARY }, "stdout": { "contains": CANARY } });
    let call = bench.call("look", None, params);
    case(bench, command::CommandCheck, call)
}

async fn of_wait() -> Case {
    let bench = Bench::new();
    let look = json!({ "argv": ["echo", CANARY], "stdout": CANARY });
    let call = bench.call("wait", None, json!({ "command": look, "every": "10ms", "within": "5s" }));
    case(bench, wait::WaitUntil, call)
}

async fn of_switch() -> Case {
    let mut bench = Bench::new();
    std::fs::write(bench.path("app.json"), format!("{{\"db\": \"old\",\n\n \"password\": \"{CANARY}\"}}")).unwrap();
    bench.target("lb", "file", json!({ "path": "app.json" }));
    let params = json!({ "set": { "db": format!("new-{CANARY}") }, "applied_by": { "command": ["grep", CANARY, "app.json"] } });
    let call = bench.call("switch", Some("lb"), params);
    case(bench, file::SwitchFile, call).tampered(|bench| std::fs::write(bench.path("app.json"), "{}").unwrap())
}
