//! Programs at a host that change something: they outlive the session, and are found with their end.

use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pointsman::connectors::ssh::SshCommand;
use pointsman::connectors::{Act as _, Inspect as _};
use pointsman::model::{Finding, Touch};
use serde_json::{Value, json};

use super::world;
use crate::bench::{attempt, eventually};

fn is_alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim().starts_with('Z'))
}

async fn pid_in(path: &Path) -> String {
    eventually("the program runs", || std::fs::read_to_string(path).ok().filter(|text| text.ends_with('\n'))).await
}

#[tokio::test]
async fn a_killed_session_is_in_doubt_and_the_probe_finds_the_program_and_its_end() {
    let Some((server, bench)) = world().await else { return };
    let (pid, go) = (bench.path("pid"), bench.path("go"));
    let script = "echo $$ > \"$0\"; until [ -e \"$1\" ]; do sleep 0.05; done; echo done; echo late >&2";
    let params = json!({ "argv": ["sh", "-c", script, pid, go] });
    let call = bench.call("do", Some("host"), params.clone());
    assert_eq!(SshCommand.probe(&call, &Value::Null).await.unwrap().finding, Finding::NotApplied, "never started");
    let (result, pid) = tokio::join!(SshCommand.apply(&call, &Value::Null), async {
        let pid = pid_in(&pid).await;
        let sessions = server.sessions();
        assert!(!sessions.is_empty(), "no session was there to kill");
        for session in sessions {
            kill(Pid::from_raw(session), Signal::SIGKILL).unwrap();
        }
        pid
    });
    let error = result.unwrap_err();
    assert!(error.in_doubt && error.touch == Touch::Possible, "{error}");
    assert!(is_alive(&pid), "the program died with the session");
    // It is found while it runs,
    let mut looking = call.clone();
    looking.deadline = Instant::now() + Duration::from_secs(3);
    let probed = SshCommand.probe(&looking, &Value::Null).await.unwrap();
    assert!(matches!(&probed.finding, Finding::Unknown(why) if why.contains("still runs as pid")), "{probed:?}");
    let blockers = SshCommand.inspect(&call).await.unwrap().blockers;
    assert_eq!(blockers.len(), 1, "{blockers:?}");
    // it is waited for,
    let late = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        std::fs::write(&go, "").unwrap();
    };
    let (probed, ()) = tokio::join!(SshCommand.probe(&call, &Value::Null), late);
    let probed = probed.unwrap();
    // and its end is known with what it printed to nobody.
    assert_eq!(probed.finding, Finding::Applied);
    assert_eq!(probed.outputs, json!({ "exit_code": 0, "stdout": "done", "stderr": "late" }));
    assert!(!is_alive(&pid));
    // The same attempt is never started twice.
    let error = SshCommand.apply(&call, &Value::Null).await.unwrap_err();
    assert!(error.message.contains("started before") && error.touch == Touch::Untouched, "{error}");
}

#[tokio::test]
async fn what_the_recorded_end_says_and_what_it_cannot_say() {
    let Some((_server, bench)) = world().await else { return };
    let of = |step: &str, script: &str| bench.call(step, Some("host"), json!({ "argv": ["sh", "-c", script] }));
    let call = of("fails", "echo no >&2; exit 7");
    let error = SshCommand.apply(&call, &Value::Null).await.unwrap_err();
    assert!(error.message.contains("exited with 7: no") && !error.in_doubt, "{error}");
    let probed = SshCommand.probe(&call, &Value::Null).await.unwrap();
    assert!(matches!(&probed.finding, Finding::Partial(why) if why.contains("exited with 7")), "{probed:?}");
    let call = of("killed", "kill -KILL $$");
    let error = SshCommand.apply(&call, &Value::Null).await.unwrap_err();
    assert!(error.message.contains("exited with 137, as after signal 9"), "{error}");
    // Killed together with its shell: nobody wrote down an end.
    let call = of("gone", "kill -KILL 0");
    let error = SshCommand.apply(&call, &Value::Null).await.unwrap_err();
    assert!(error.in_doubt, "{error}");
    let probed = SshCommand.probe(&call, &Value::Null).await.unwrap();
    assert!(matches!(&probed.finding, Finding::Unknown(why) if why.contains("no exit code")), "{probed:?}");
    // Words, streams and sizes.
    let params = json!({
        "argv": ["sh", "-c", "printf '[%s]' \"$@\"; cat; head -c 300000 /dev/zero | tr '\\0' e >&2; pwd", "sh", "", "'", "a\nb", "$x", "*", "é☃"],
        "stdin": "i'n\n.\n", "env": { "TOKEN": "x" }, "cwd": "/var/tmp",
    });
    let (_, applied, _) = attempt(&SshCommand, &bench.call("words", Some("host"), params)).await.unwrap();
    assert_eq!(applied.outputs["stdout"], json!("[]['][a\nb][$x][*][é☃]i'n\n.\n/var/tmp"));
    assert_eq!(applied.outputs["stderr"].as_str().unwrap().len(), 64 * 1024);
}

#[tokio::test]
async fn when_the_time_is_up_everything_of_the_program_is_ended() {
    let Some((_server, bench)) = world().await else { return };
    let pid = bench.path("pid");
    let script = "trap '' TERM; sh -c 'trap \"\" TERM; echo $$ > \"$0\"; while :; do sleep 0.1; done' \"$0\" & while :; do sleep 0.1; done";
    let mut call = bench.call("stuck", Some("host"), json!({ "argv": ["sh", "-c", script, pid] }));
    call.deadline = Instant::now() + Duration::from_secs(9);
    let begun = Instant::now();
    let error = SshCommand.apply(&call, &Value::Null).await.unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(9), "{:?}", begun.elapsed());
    assert!(error.message.contains("was ended with everything it had started") && !error.in_doubt, "{error}");
    assert!(!is_alive(&pid_in(&pid).await));
    // A stop by the engine does the same.
    std::fs::remove_file(&pid).unwrap();
    let call = bench.call("stopped", Some("host"), json!({ "argv": ["sh", "-c", "echo $$ > \"$0\"; exec sleep 60", pid] }));
    let (result, running) = tokio::join!(SshCommand.apply(&call, &Value::Null), async {
        let running = pid_in(&pid).await;
        call.cancel.cancel();
        running
    });
    assert!(result.unwrap_err().message.contains("told to stop") && !is_alive(&running));
}

#[tokio::test]
async fn a_new_attempt_first_ends_what_is_alive_of_an_earlier_one() {
    let Some((server, bench)) = world().await else { return };
    let pid = bench.path("pid");
    let params = json!({ "argv": ["sh", "-c", "echo $$ > \"$0\"; sleep 60", pid] });
    let first = bench.call("do", Some("host"), params);
    let (result, running) = tokio::join!(SshCommand.apply(&first, &Value::Null), async {
        let running = pid_in(&pid).await;
        for session in server.sessions() {
            kill(Pid::from_raw(session), Signal::SIGKILL).unwrap();
        }
        running
    });
    assert!(result.unwrap_err().in_doubt && is_alive(&running));
    let mut second = bench.call("do", Some("host"), json!({ "argv": ["echo", "second"] }));
    second.attempt = 2;
    assert_eq!(attempt(&SshCommand, &second).await.unwrap().1.outputs["stdout"], json!("second"));
    assert!(!is_alive(&running));
    // An end of the first attempt is known, too: the shell above it wrote it down.
    let probed = SshCommand.probe(&first, &Value::Null).await.unwrap();
    assert!(matches!(probed.finding, Finding::Partial(_)), "{probed:?}");
}
