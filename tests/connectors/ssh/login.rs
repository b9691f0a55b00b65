//! Who the host is, who Pointsman is there, and that nothing of it can hang.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use pointsman::connectors::Inspect as _;
use pointsman::connectors::ssh::SshCheck;
use pointsman::model::Touch;
use serde_json::json;

use super::{ask, world};
use crate::bench::attempt;
use crate::servers::proxy::{Fault, Proxy};

#[tokio::test]
async fn an_unknown_or_changed_host_key_is_refused_and_never_learned() {
    let Some((mut server, mut bench)) = world().await else { return };
    assert_eq!(ask(&bench, json!(["echo", "in"])).await.unwrap(), "in");
    let before = std::fs::read(server.path("known")).unwrap();
    server.restart_as("other").await;
    let error = ask(&bench, json!(["echo", "in"])).await.unwrap_err();
    assert!(error.message.contains("its key is not the known one; it shows SHA256:"), "{error}");
    assert_eq!(error.touch, Touch::Untouched);
    assert_eq!(std::fs::read(server.path("known")).unwrap(), before);
    std::fs::write(server.path("known"), "").unwrap();
    let error = ask(&bench, json!(["echo", "in"])).await.unwrap_err();
    assert!(error.message.contains("it is not among the known hosts"), "{error}");
    assert_eq!(std::fs::read(server.path("known")).unwrap(), b"");
    // Known again, also under a hashed name; and not when the same key is revoked.
    server.know("other");
    assert!(ask(&bench, json!(["true"])).await.is_ok());
    assert!(
        Command::new("ssh-keygen")
            .args(["-q", "-H", "-f"])
            .arg(server.path("known"))
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .status()
            .unwrap()
            .success()
    );
    let hashed = std::fs::read_to_string(server.path("known")).unwrap();
    assert!(hashed.starts_with("|1|"), "{hashed}");
    assert!(ask(&bench, json!(["true"])).await.is_ok());
    let line = std::fs::read_to_string(server.path("other.pub")).unwrap();
    std::fs::write(server.path("known"), format!("{hashed}@revoked * {line}")).unwrap();
    assert!(ask(&bench, json!(["true"])).await.unwrap_err().message.contains("revoked"));
    // Pinned by fingerprint or by line, to the right key and to another one.
    let fingerprint = |name: &str| {
        let output = Command::new("ssh-keygen").arg("-lf").arg(server.path(name)).output().unwrap();
        String::from_utf8(output.stdout).unwrap().split_whitespace().nth(1).unwrap().to_owned()
    };
    for (pin, passes) in [
        (fingerprint("other.pub"), true),
        (line, true),
        (fingerprint("host.pub"), false),
        (std::fs::read_to_string(server.path("host.pub")).unwrap(), false),
    ] {
        bench.target("host", "ssh", server.settings(json!({ "known_hosts": null, "host_key": pin })));
        let result = ask(&bench, json!(["true"])).await;
        assert_eq!(result.is_ok(), passes, "{pin}: {result:?}");
    }
    // No trust at all is an error and not a question.
    bench.target("host", "ssh", server.settings(json!({ "known_hosts": null })));
    assert!(ask(&bench, json!(["true"])).await.unwrap_err().message.contains("`known_hosts` or `host_key`"));
}

#[tokio::test]
async fn a_host_whose_known_key_is_of_another_kind_is_asked_for_that_kind() {
    let Some((mut server, mut bench)) = world().await else { return };
    server.restart_as("host_rsa").await;
    server.know("host_rsa");
    assert!(ask(&bench, json!(["true"])).await.is_ok());
    let output = Command::new("ssh-keygen").arg("-lf").arg(server.path("host_rsa.pub")).output().unwrap();
    let pin = String::from_utf8(output.stdout).unwrap().split_whitespace().nth(1).unwrap().to_owned();
    bench.target("host", "ssh", server.settings(json!({ "known_hosts": null, "host_key": pin })));
    ask(&bench, json!(["true"])).await.unwrap();
    // The known host has no such key any more: refused, although another kind would do.
    server.restart_as("host").await;
    bench.target("host", "ssh", server.settings(json!({})));
    assert!(ask(&bench, json!(["true"])).await.is_err());
}

#[tokio::test]
async fn login_by_agent_by_key_and_by_a_key_with_a_passphrase() {
    let Some((server, mut bench)) = world().await else { return };
    let locked = server.path("locked").display().to_string();
    bench.target("host", "ssh", server.settings(json!({ "key": locked, "passphrase": "open sesame" })));
    ask(&bench, json!(["true"])).await.unwrap();
    for (settings, why) in [
        (json!({ "key": locked, "passphrase": "wrong" }), "does not let Pointsman in"),
        (json!({ "key": server.path("other").display().to_string() }), "does not let Pointsman in"),
        (json!({ "key": "nowhere" }), "cannot be read"),
        (json!({ "key": null }), "`key` or `agent: true`"),
    ] {
        bench.target("host", "ssh", server.settings(settings));
        let error = ask(&bench, json!(["true"])).await.unwrap_err();
        assert!(error.message.contains(why), "{error}");
        assert_eq!((error.touch, error.in_doubt), (Touch::Untouched, false));
    }
    let socket = server.path("agent.sock");
    let mut agent = Command::new("ssh-agent").arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).spawn().unwrap();
    crate::bench::eventually("the agent listens", || socket.exists().then_some(())).await;
    let with_agent = json!({ "key": null, "agent": true, "agent_socket": socket.display().to_string() });
    bench.target("host", "ssh", server.settings(with_agent));
    assert!(ask(&bench, json!(["true"])).await.unwrap_err().message.contains("holds no key"));
    for key in ["other", "login"] {
        let add = Command::new("ssh-add").arg("-q").arg(server.path(key)).env("SSH_AUTH_SOCK", &socket).status();
        assert!(add.unwrap().success());
    }
    ask(&bench, json!(["true"])).await.unwrap();
    agent.kill().unwrap();
    agent.wait().unwrap();
    assert!(ask(&bench, json!(["true"])).await.unwrap_err().message.contains("agent cannot be used"));
}

#[tokio::test]
async fn a_timeout_ends_in_its_time_wherever_the_host_hangs() {
    let Some((server, mut bench)) = world().await else { return };
    let proxy = Proxy::before(server.port).await;
    let line = std::fs::read_to_string(server.path("host.pub")).unwrap();
    let settings = server.settings(json!({ "port": proxy.port, "known_hosts": null, "host_key": line, "connect_within": "1s" }));
    bench.target("host", "ssh", settings);
    assert!(ask(&bench, json!(["true"])).await.is_ok());
    // A program that does not end.
    let mut call = bench.call("slow", Some("host"), json!({ "argv": ["sleep", "60"] }));
    call.deadline = Instant::now() + Duration::from_secs(2);
    let begun = Instant::now();
    let error = attempt(&SshCheck, &call).await.unwrap_err();
    assert!(begun.elapsed() < Duration::from_millis(2_300), "{:?}: {error}", begun.elapsed());
    assert!(begun.elapsed() > Duration::from_millis(1_500) && error.message.contains("the time for it was up"), "{error}");
    // A stop by the engine.
    let call = bench.call("stopped", Some("host"), json!({ "argv": ["sleep", "60"] }));
    let (cancel, begun) = (call.cancel.clone(), Instant::now());
    let (result, ()) = tokio::join!(attempt(&SshCheck, &call), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        cancel.cancel();
    });
    assert!(begun.elapsed() < Duration::from_millis(800), "{:?}", begun.elapsed());
    assert!(result.unwrap_err().message.contains("told to stop"));
    // A host that swallows everything, at connecting and in the middle.
    proxy.set(Fault::Blackhole);
    let begun = Instant::now();
    assert!(SshCheck.inspect(&call_of(&bench, 3_000)).await.is_err());
    assert!(begun.elapsed() < Duration::from_millis(1_400), "{:?}", begun.elapsed());
    proxy.set(Fault::None);
    let call = call_of(&bench, 2_000);
    let begun = Instant::now();
    let (result, ()) = tokio::join!(attempt(&SshCheck, &call), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        proxy.set(Fault::Blackhole);
    });
    assert!(result.is_err() && begun.elapsed() < Duration::from_millis(2_300), "{:?}", begun.elapsed());
    assert!(proxy.fired() > 0);
    proxy.set(Fault::None);
    // No session is left behind that would take up room: there are four.
    for _ in 0..6 {
        ask(&bench, json!(["true"])).await.unwrap();
    }
}

fn call_of(bench: &crate::bench::Bench, within_ms: u64) -> pointsman::connectors::Call {
    let mut call = bench.call("slow", Some("host"), json!({ "argv": ["sh", "-c", "while sleep 0.05; do echo x; done"] }));
    call.deadline = Instant::now() + Duration::from_millis(within_ms);
    call
}

#[tokio::test]
async fn no_more_sessions_than_the_target_allows() {
    let Some((server, mut bench)) = world().await else { return };
    bench.target("host", "ssh", server.settings(json!({ "max_sessions": 2 })));
    let script = "echo 1 >> \"$0\"; sleep 0.3; echo -1 >> \"$0\"";
    let file = bench.path("count").display().to_string();
    let call = |n| bench.call(&format!("s{n}"), Some("host"), json!({ "argv": ["sh", "-c", script, file] }));
    let tasks: Vec<_> = (0..6).map(call).map(|call| tokio::spawn(async move { attempt(&SshCheck, &call).await })).collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let counts = std::fs::read_to_string(&file).unwrap();
    let steps: Vec<i32> = counts.lines().map(|line| line.parse().unwrap()).collect();
    let running = steps.iter().scan(0, |sum, step| {
        *sum += step;
        Some(*sum)
    });
    assert_eq!((steps.len(), running.max()), (12, Some(2)), "{counts}");
}
