//! A journal that fails in the middle of a run: nothing new starts, and the way back is printed.

use pointsman::engine::{EngineError, Executor, load};
use pointsman::model::Actor;
use pointsman::run::Event;
use tokio_util::sync::CancellationToken;

use super::hands::{block_on, home, plan, registry, step};

#[test]
fn a_taken_over_executor_starts_nothing_more() {
    let (_folder, home) = home();
    let undo = "    undo: { action: command, with: { argv: [undo] } }\n";
    let a = step("a", "ok", "").replace("    undo: { nothing: \"a test\" }\n", undo);
    let text = format!("pointsman: 1\nrunbook: fenced\nsteps:\n{a}{}", step("b", "ok", "    needs: [a]\n"));
    let me = Actor::local(nix::unistd::getuid().as_raw(), "me");
    let executor = Executor::start(&home, plan(&text, home.path()), None, me).unwrap();
    let run = executor.run_id().clone();
    let (hands, log) = registry();
    // As soon as `a` is applied, the lock file says that a younger executor has taken over.
    let lock = home.run_dir(&run).join("lock");
    let watched = log.clone();
    let ending = block_on(async {
        tokio::spawn(async move {
            while watched.lock().unwrap().is_empty() {
                tokio::task::yield_now().await;
            }
            std::fs::write(lock, format!("pid {:010} epoch {:020}\n", 1, 99)).unwrap();
        });
        executor.drive(hands, &mut (), CancellationToken::new()).await
    });
    let Err(EngineError::Journal { card, .. }) = ending else { panic!("the fenced executor went on: {ending:?}") };
    assert_eq!(*log.lock().unwrap(), ["apply a"], "b is not started");
    assert_eq!(card.len(), 1, "the card tells how to undo a: {card:?}");
    assert_eq!(card[0].step.as_str(), "a");
    let (_, records) = load(&home, &run, None).unwrap();
    assert!(records.iter().any(|r| matches!(&r.event, Event::AttemptStarted { step, .. } if step.as_str() == "a")));
    assert!(!records.iter().any(|r| matches!(&r.event, Event::AttemptStarted { step, .. } if step.as_str() == "b")));
}
