//! Whole runs: forward, back, held, suspended and resumed.

use pointsman::connectors::Registry;
use pointsman::engine::{Ending, Executor, load};
use pointsman::model::{Actor, RunId, RunOutcome, StepId};
use pointsman::run::{Event, StepStatus};
use tokio_util::sync::CancellationToken;

use super::hands::{Log, block_on, home, plan, registry, run, step};

const HEAD: &str = "pointsman: 1\nrunbook: engine-test\nsteps:\n";

#[test]
fn a_chain_succeeds_and_its_journal_tells_it() {
    let (_folder, home) = home();
    let text = format!("{HEAD}{}{}", step("a", "ok", ""), step("b", "ok", "    needs: [a]\n"));
    let (ending, run, log) = run(&home, &text);
    assert_eq!(ending.unwrap(), Ending::Ended(RunOutcome::Succeeded));
    assert_eq!(log, ["apply a", "apply b"]);
    let (state, records) = load(&home, &run, None).unwrap();
    assert_eq!(state.last_seq(), records.len() as u64);
    let names: Vec<_> = records.iter().filter(|r| matches!(r.event, Event::AttemptStarted { .. })).collect();
    assert_eq!(names.len(), 2, "every apply has its intent");
    // The state as it was after record 3: `a` had its intent and no outcome.
    let (early, _) = load(&home, &run, Some(3)).unwrap();
    assert_eq!(early.step(early.find(&StepId::new("a")).unwrap()).status, StepStatus::Running);
}

#[test]
fn a_failure_turns_the_run_back() {
    let (_folder, home) = home();
    let undo = "    undo: { action: command, with: { argv: [undo] } }\n";
    let a = step("a", "ok", "").replace("    undo: { nothing: \"a test\" }\n", undo);
    let text = format!("{HEAD}{a}{}{}", step("b", "fail", "    needs: [a]\n"), step("c", "ok", "    needs: [b]\n"));
    let (ending, run, log) = run(&home, &text);
    assert_eq!(ending.unwrap(), Ending::Ended(RunOutcome::RolledBack));
    assert_eq!(log, ["apply a", "apply b", "apply a"], "the author's undo is the action `command` again");
    let (state, _) = load(&home, &run, None).unwrap();
    let status = |id: &str| state.step(state.find(&StepId::new(id)).unwrap()).status;
    assert_eq!((status("a"), status("b"), status("c")), (StepStatus::Undone, StepStatus::Failed, StepStatus::NotReached));
}

/// Drives a run and stops the executor as soon as the step `look` is under way.
fn drive_until_it_looks(executor: Executor, hands: Registry, log: &Log) -> Ending {
    let stop = CancellationToken::new();
    block_on(async {
        let (stopper, watched) = (stop.clone(), log.clone());
        tokio::spawn(async move {
            while !watched.lock().unwrap().contains(&"apply look".to_owned()) {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            stopper.cancel();
        });
        executor.drive(hands, &mut (), stop).await.unwrap()
    })
}

#[test]
fn a_suspended_run_is_resumed_where_it_was() {
    let (_folder, home) = home();
    let check = "  look:\n    action: command.check\n    with: { argv: [slow] }\n    needs: [a]\n";
    let text = format!("{HEAD}{}{check}", step("a", "ok", ""));
    let (hands, log) = registry();
    let me = Actor::local(nix::unistd::getuid().as_raw(), "me");
    let executor = Executor::start(&home, plan(&text, home.path()), None, me).unwrap();
    let run = executor.run_id().clone();
    assert_eq!(drive_until_it_looks(executor, hands, &log), Ending::Suspended);
    let (state, records) = load(&home, &run, None).unwrap();
    assert!(matches!(records.last().unwrap().event, Event::ExecutorStopped { .. }));
    assert!(state.ended().is_none());

    // The look changes nothing, so the next executor simply looks again: no person is asked.
    let executor = Executor::resume(&home, &run).unwrap();
    let (hands, log) = registry();
    assert_eq!(drive_until_it_looks(executor, hands, &log), Ending::Suspended);
    assert_eq!(*log.lock().unwrap(), ["apply look"], "a is not run again");
}

#[test]
fn one_executor_per_run() {
    let (_folder, home) = home();
    let me = Actor::local(nix::unistd::getuid().as_raw(), "me");
    let text = format!("{HEAD}{}", step("a", "ok", ""));
    let first = Executor::start(&home, plan(&text, home.path()), None, me).unwrap();
    let second = Executor::resume(&home, first.run_id());
    assert!(matches!(second, Err(pointsman::engine::EngineError::Busy { .. })), "{second:?}");
}

#[test]
fn one_live_run_per_target() {
    let (_folder, home) = home();
    std::fs::write(home.path().join("switch.json"), "{}").unwrap();
    let me = || Actor::local(nix::unistd::getuid().as_raw(), "me");
    let text = format!(
        "pointsman: 1\nrunbook: targets\ntargets:\n  shop: {{ connector: file, path: switch.json }}\nsteps:\n{}",
        step("a", "ok", "")
    );
    let first = Executor::start(&home, plan(&text, home.path()), None, me()).unwrap();
    let second = Executor::start(&home, plan(&text, home.path()), None, me());
    assert!(
        matches!(&second, Err(pointsman::engine::EngineError::TargetBusy { holder, .. }) if holder == first.run_id().as_str()),
        "{second:?}"
    );
    assert_eq!(home.runs().unwrap().len(), 1, "the refused run left nothing behind");
    drop(first);
    Executor::start(&home, plan(&text, home.path()), None, me()).unwrap();
}

#[test]
fn a_start_that_died_before_its_first_record_is_no_run() {
    let (_folder, home) = home();
    let me = || Actor::local(nix::unistd::getuid().as_raw(), "me");
    let text = format!("pointsman: 1\nrunbook: unbegun\nsteps:\n{}", step("a", "ok", ""));
    let id = || Some(RunId::new("unbegun"));
    // The folder and its plan are there, the journal is not: what a kill between the two leaves.
    std::fs::create_dir_all(home.run_dir(&RunId::new("unbegun"))).unwrap();
    std::fs::write(home.run_dir(&RunId::new("unbegun")).join("plan.json"), "{}").unwrap();
    let executor = Executor::start(&home, plan(&text, home.path()), id(), me()).unwrap();
    drop(executor);
    // Its first record was never committed: the journal has a head and nothing behind it.
    let executor = Executor::start(&home, plan(&text, home.path()), id(), me()).unwrap();
    let (hands, _) = registry();
    assert_eq!(block_on(executor.drive(hands, &mut (), CancellationToken::new())).unwrap(), Ending::Ended(RunOutcome::Succeeded));
    // Now it is a run, and stays one.
    let again = Executor::start(&home, plan(&text, home.path()), id(), me());
    assert!(matches!(again, Err(pointsman::engine::EngineError::RunExists(_))), "{again:?}");
}
