//! Programs at a host that only look: their words, their streams, their ends.

use std::time::{Duration, Instant};

use pointsman::connectors::ssh::SshCheck;
use serde_json::json;

use super::{ask, world};
use crate::bench::attempt;

#[tokio::test]
async fn words_arrive_as_they_are_and_in_no_process_list() {
    let Some((_server, mut bench)) = world().await else { return };
    let hostile = ["", "'", "\"", "$HOME `id` $(id)", "a\nb\n.\nxc", "*", "\\", "é—☃\u{202e}", "-n", "!!", "; rm -rf /", "%s"];
    let mut argv = vec!["printf", "[%s]"];
    argv.extend(hostile);
    let wanted = hostile.iter().map(|word| format!("[{word}]")).collect::<String>();
    assert_eq!(ask(&bench, json!(argv)).await.unwrap(), wanted);
    let params = json!({
        "argv": ["sh", "-c", "printf '%s|' \"$TOKEN\" \"$PWD\" \"$POINTSMAN_STEP\"; cat; cat /proc/$PPID/cmdline | tr '\\0' ' '"],
        "env": { "TOKEN": "it's\n.\n$x" }, "stdin": ".\nin\n", "cwd": "/var/tmp",
    });
    let (_, applied, _) = attempt(&SshCheck, &bench.call("words", Some("host"), params)).await.unwrap();
    let printed = applied.outputs["stdout"].as_str().unwrap();
    assert!(printed.starts_with("it's\n.\n$x|/var/tmp|words|.\nin\n"), "{printed}");
    let statements = bench.statements().join("\n");
    assert!(statements.contains("TOKEN=… sh -c") && !statements.contains("it's"), "{statements}");
}

#[tokio::test]
async fn killed_by_a_signal_is_no_exit_status_of_zero() {
    let Some((_server, bench)) = world().await else { return };
    let error = ask(&bench, json!(["sh", "-c", "echo half; kill -KILL $$"])).await.unwrap_err();
    assert!(error.message.contains("was killed by SIGKILL"), "{error}");
    let error = ask(&bench, json!(["sh", "-c", "echo no >&2; exit 3"])).await.unwrap_err();
    assert!(error.message.ends_with("exited with 3: no"), "{error}");
    let error = ask(&bench, json!(["/no/such/program"])).await.unwrap_err();
    assert!(error.message.contains("exited with 127"), "{error}");
}

#[tokio::test]
async fn a_big_stderr_before_stdout_does_not_hang() {
    let Some((_server, bench)) = world().await else { return };
    let begun = Instant::now();
    let script = "head -c 8000000 /dev/zero | tr '\\0' e >&2; echo done; head -c 8000000 /dev/zero | tr '\\0' o; cat >/dev/null";
    let params = json!({ "argv": ["sh", "-c", script], "stdin": "i".repeat(4_000_000), "stdout": { "contains": "done" } });
    let (_, applied, _) = attempt(&SshCheck, &bench.call("big", Some("host"), params)).await.unwrap();
    assert!(applied.outputs["stderr"].as_str().unwrap().len() == 64 * 1024);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    // A program that reads nothing of what it is fed.
    let params = json!({ "argv": ["true"], "stdin": "i".repeat(4_000_000) });
    attempt(&SshCheck, &bench.call("deaf", Some("host"), params)).await.unwrap();
}

#[tokio::test]
async fn conditions_are_held() {
    let Some((_server, bench)) = world().await else { return };
    let check = |params| bench.call("check", Some("host"), params);
    let passes = json!({ "argv": ["sh", "-c", "echo 7; exit 4"], "exit_codes": [4], "stdout": "7" });
    attempt(&SshCheck, &check(passes)).await.unwrap();
    for (params, why) in [
        (json!({ "argv": ["echo", "7"], "stdout": "8" }), "printed something else"),
        (json!({ "argv": ["false"] }), "exited with 1"),
        (json!({ "argv": ["true"], "cwd": "/no/such/folder" }), "exited with 126"),
        (json!({ "argv": ["true"], "env": { "A B": "1" } }), "no name of an environment variable"),
        (json!({ "argv": [] }), "give `argv`"),
    ] {
        let error = attempt(&SshCheck, &check(params)).await.unwrap_err();
        assert!(error.message.contains(why), "{error}");
    }
}
