//! Programs: how they end is told apart, and nothing of them is left when their time is up.

use std::process::{Command as Process, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pointsman::connectors::command::{Command, CommandCheck};
use pointsman::connectors::recorder::NoteKind;
use pointsman::connectors::{Act as _, Inspect as _};
use pointsman::model::{Finding, Touch};
use serde_json::{Value, json};

use crate::bench::{Bench, CANARY, attempt, eventually};

fn sh(line: &str) -> Value {
    json!({ "argv": ["sh", "-c", line] })
}

fn alive(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.rsplit(')').next().unwrap().starts_with(" Z"))
}

fn pid_in(bench: &Bench, name: &str) -> Option<i32> {
    std::fs::read_to_string(bench.path(name)).ok()?.trim().parse().ok()
}

#[tokio::test]
async fn the_end_of_a_program_is_told_apart() {
    let bench = Bench::alone();
    let call = |params: Value| bench.call("do", None, params);
    let (_, applied, _) = attempt(&Command, &call(sh("echo out; echo err >&2"))).await.unwrap();
    assert_eq!(applied.outputs, json!({ "exit_code": 0, "stdout": "out", "stderr": "err" }));
    for (params, touch, why) in [
        (sh("echo no such order >&2; exit 3"), Touch::Possible, "exited with 3: no such order"),
        (sh("kill -SEGV $$"), Touch::Possible, "was killed by SIGSEGV"),
        (json!({ "argv": ["no-such-program-here"] }), Touch::Untouched, "could not be started"),
        (json!({ "argv": ["/etc/passwd"] }), Touch::Untouched, "could not be started"),
        (json!({ "argv": ["true"], "cwd": "nowhere" }), Touch::Untouched, "could not be started"),
        (json!({ "argv": ["echo", "a"], "stdout": "b" }), Touch::Possible, "expected \"b\", found \"a\""),
        (json!({ "argv": ["true"], "shell": "true" }), Touch::Untouched, "not both"),
        (json!({}), Touch::Untouched, "give `argv`"),
    ] {
        let error = attempt(&Command, &call(params)).await.unwrap_err();
        assert!(error.message.contains(why), "{error}");
        assert_eq!((error.touch, error.in_doubt), (touch, false), "{error}");
    }
    let three = json!({ "argv": ["sh", "-c", "exit 3"], "exit_codes": [0, 3] });
    assert_eq!(attempt(&CommandCheck, &call(three)).await.unwrap().1.outputs["exit_code"], json!(3));
    assert_eq!(attempt(&CommandCheck, &call(sh("exit 1"))).await.unwrap_err().touch, Touch::Untouched);
    assert!(Command.inspect(&call(json!({ "argv": ["no-such-program-here"] }))).await.unwrap().blockers.len() == 1);
}

#[tokio::test]
async fn the_environment_is_clean_and_names_the_attempt() {
    let bench = Bench::alone();
    let mut params = json!({ "argv": ["env"], "env": { "TOKEN": CANARY, "PLAIN": "p q" }, "stdin": "unused" });
    let (_, applied, _) = attempt(&Command, &bench.call("do", None, params.clone())).await.unwrap();
    let printed = applied.outputs["stdout"].as_str().unwrap();
    let mut names: Vec<_> = printed.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    names.sort_unstable();
    let own = ["PLAIN", "POINTSMAN_ATTEMPT", "POINTSMAN_ATTEMPT_KEY", "POINTSMAN_RUN", "POINTSMAN_STEP", "TOKEN"];
    names.retain(|name| !["PATH", "HOME", "LANG"].contains(name));
    assert_eq!(names, own, "{printed}");
    assert!(
        printed.contains("TOKEN=[redacted]") && printed.contains(&format!("POINTSMAN_ATTEMPT_KEY={}/do/1", bench.run)),
        "{printed}"
    );
    // A value is data: no shell reads an argument list.
    params = json!({ "argv": ["echo", "$HOME; rm -rf /", "`id`"] });
    assert_eq!(attempt(&Command, &bench.call("do", None, params)).await.unwrap().1.outputs["stdout"], "$HOME; rm -rf / `id`");
    params = json!({ "shell": "echo \"$V\" | tr a b", "env": { "V": "a'; exit 9; '" } });
    assert_eq!(attempt(&Command, &bench.call("do", None, params)).await.unwrap().1.outputs["stdout"], "b'; exit 9; '");
    params = json!({ "argv": ["cat"], "stdin": "typed in" });
    assert_eq!(attempt(&Command, &bench.call("do", None, params)).await.unwrap().1.outputs["stdout"], "typed in");
}

#[tokio::test]
async fn output_is_streamed_capped_and_counted() {
    let mut bench = Bench::alone();
    let line = "i=0; while [ $i -lt 20000 ]; do echo line-$i; i=$((i+1)); done; echo complaint >&2";
    let (_, applied, _) = attempt(&Command, &bench.call("do", None, sh(line))).await.unwrap();
    let kept = applied.outputs["stdout"].as_str().unwrap();
    assert!(kept.len() <= 64 * 1024 && kept.starts_with("line-0\nline-1\n"));
    let lines: Vec<_> = bench
        .notes()
        .into_iter()
        .filter_map(|note| match note.kind {
            NoteKind::Output { stream, text } => Some((stream, text)),
            NoteKind::Statement { .. } | NoteKind::Question { .. } | NoteKind::Progress(_) => None,
        })
        .collect();
    assert!(lines.contains(&("stderr", "complaint".to_owned())) && lines.contains(&("stdout", "line-77".to_owned())));
    let total: usize = (0..20_000).map(|n: u32| format!("line-{n}\n").len()).sum();
    let note = format!("[{} bytes more were printed and are not kept]", total - 64 * 1024);
    assert!(lines.iter().any(|(_, text)| *text == note), "{:?}", lines.last());
}

#[tokio::test]
async fn the_whole_group_is_dead_at_the_deadline_and_on_cancel() {
    let bench = Bench::alone();
    // The child ignores the polite signal, starts one that leaves the group, and another one in the group.
    let stubborn = "trap '' TERM; sleep 300 & echo $! > one; setsid sleep 300 & echo $! > two; echo $$ > shell; wait; wait; wait";
    for cancelled in [false, true] {
        for name in ["one", "two", "shell"] {
            let _ = std::fs::remove_file(bench.path(name));
        }
        let mut call = bench.call("do", None, sh(stubborn));
        let begun = Instant::now();
        if !cancelled {
            call.deadline = begun + Duration::from_millis(1500);
        }
        let (cancel, deadline) = (call.cancel.clone(), call.deadline);
        let running = tokio::spawn(async move { attempt(&Command, &call).await });
        let pids =
            eventually("three processes", || Some([pid_in(&bench, "one")?, pid_in(&bench, "two")?, pid_in(&bench, "shell")?]))
                .await;
        assert!(pids.into_iter().all(alive));
        if cancelled {
            cancel.cancel();
        }
        let error = running.await.unwrap().unwrap_err();
        assert!(Instant::now() < deadline, "it ended {:?} after the start", begun.elapsed());
        assert_eq!((error.touch, error.in_doubt), (Touch::Possible, false), "{error}");
        assert_eq!(pids.map(alive), [false; 3], "somebody survived");
    }
}

#[tokio::test]
async fn a_background_process_does_not_hold_up_the_step() {
    let bench = Bench::alone();
    let begun = Instant::now();
    let (_, applied, _) = attempt(&Command, &bench.call("do", None, sh("sleep 60 & echo $!"))).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5));
    let pid: i32 = applied.outputs["stdout"].as_str().unwrap().parse().unwrap();
    assert!(alive(pid), "a process that was left on purpose is not killed");
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
}

#[tokio::test]
async fn an_action_that_nobody_waits_for_leaves_no_process() {
    let bench = Bench::alone();
    let call = bench.call("do", None, sh("echo $$ > shell; sleep 300"));
    let running = tokio::spawn(async move { Command.apply(&call, &json!(null)).await });
    let pid = eventually("a process", || pid_in(&bench, "shell")).await;
    running.abort();
    eventually("its end", || (!alive(pid)).then_some(())).await;
}

#[tokio::test]
async fn proof_and_probe_are_programs_of_their_own() {
    let bench = Bench::alone();
    let params = json!({ "argv": ["touch", "done"], "prove": ["test", "-e", "done"], "probe": ["test", "-e", "done"] });
    let call = bench.call("do", None, params);
    assert_eq!(Command.probe(&call, &json!(null)).await.unwrap().finding, Finding::NotApplied);
    attempt(&Command, &call).await.unwrap();
    assert_eq!(Command.probe(&call, &json!(null)).await.unwrap().finding, Finding::Applied);
    std::fs::remove_file(bench.path("done")).unwrap();
    let lying = json!({ "argv": ["true"], "prove": ["test", "-e", "done"] });
    let error = attempt(&Command, &bench.call("do", None, lying)).await.unwrap_err();
    assert!(error.message.contains("not proven") && error.touch == Touch::Possible, "{error}");
    let broken = bench.call("do", None, json!({ "argv": ["true"], "probe": ["sh", "-c", "exit 7"] }));
    assert!(matches!(Command.probe(&broken, &json!(null)).await.unwrap().finding, Finding::Unknown(_)));
    let none = bench.call("do", None, json!({ "argv": ["true"] }));
    assert!(matches!(Command.probe(&none, &json!(null)).await.unwrap().finding, Finding::Unknown(_)));
}

/// Not a test of its own: the parent that `a_killed_executor…` kills.
#[tokio::test]
async fn parent_to_be_killed() {
    let Some(folder) = std::env::var_os("POINTSMAN_TEST_PARENT") else { return };
    let mut bench = Bench::alone();
    bench.run = pointsman::model::RunId::new(std::env::var("POINTSMAN_TEST_RUN").unwrap());
    let line = "echo $$ > child; setsid sleep 300 & echo $! > escaped; sleep 300";
    let mut call = bench.call("do", None, sh(line));
    call.base_dir = folder.into();
    let _ = attempt(&Command, &call).await;
}

#[tokio::test]
async fn a_killed_executor_leaves_a_program_that_is_found_and_ended_before_the_next_attempt() {
    let mut bench = Bench::alone();
    bench.run = pointsman::model::RunId::new(format!("crash-{}", std::process::id()));
    let mut parent = Process::new(std::env::current_exe().unwrap())
        .args(["--exact", "command::parent_to_be_killed", "--nocapture"])
        .env("POINTSMAN_TEST_PARENT", bench.folder())
        .env("POINTSMAN_TEST_RUN", bench.run.as_str())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let pids = eventually("the child", || Some([pid_in(&bench, "child")?, pid_in(&bench, "escaped")?])).await;
    parent.kill().unwrap();
    parent.wait().unwrap();
    assert!(pids.into_iter().all(alive), "the child died with its parent: there is nothing to test");
    let params = json!({ "argv": ["true"], "probe": ["true"] });
    let mut call = bench.call("do", None, params);
    call.attempt = 2;
    call.deadline = Instant::now() + Duration::from_millis(600);
    let probed = Command.probe(&call, &json!(null)).await.unwrap();
    let Finding::Unknown(why) = probed.finding else { panic!("{:?}", probed.finding) };
    assert!(why.contains("the program of attempt 1 still runs as pid"), "{why}");
    call.deadline = Instant::now() + Duration::from_secs(10);
    assert_eq!(Command.inspect(&call).await.unwrap().blockers.len(), 3, "shell, sleep, and the one that left the group");
    // A probe only looks; the next attempt ends the old one first.
    assert!(pids.into_iter().all(alive));
    attempt(&Command, &call).await.unwrap();
    assert_eq!(pids.map(alive), [false, false]);
    assert!(bench.statements().iter().any(|sent| sent == "end what is alive of earlier attempts"));
    assert_eq!(Command.probe(&call, &json!(null)).await.unwrap().finding, Finding::Applied);
}
