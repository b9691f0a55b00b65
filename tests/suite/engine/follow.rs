//! A run is followed by the tail of its journal: while it is driven, over its end, a torn write and a takeover.

use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use pointsman::connectors::Registry;
use pointsman::engine::{Ending, Executor, Follow, Home, Observer, load};
use pointsman::model::{Actor, RunId, RunOutcome};
use pointsman::run::{Event, Record, State};
use tokio_util::sync::CancellationToken;

use super::hands::{block_on, home, plan, registry, run, step};

const HEAD: &str = "pointsman: 1\nrunbook: followed\nsteps:\n";

fn journal(home: &Home, run: &RunId) -> PathBuf {
    home.run_dir(run).join("journal")
}

fn numbers(records: &[Record]) -> Vec<u64> {
    records.iter().map(|record| record.seq).collect()
}

/// Polls at every turn of the executor that it watches, as another process might.
struct Follower {
    home: Home,
    follow: Option<Follow>,
    seen: Vec<Record>,
}

impl Observer for Follower {
    fn recorded(&mut self, state: &State, _: &[Record]) {
        let follow = self.follow.get_or_insert_with(|| Follow::open(&self.home, state.run().unwrap()).unwrap());
        self.seen.extend(follow.poll().unwrap());
        assert_eq!(follow.state().last_seq(), state.last_seq(), "what is durable is there for everybody");
        assert!(follow.is_driven());
    }
}

#[test]
fn a_follower_sees_every_record_once_while_the_run_is_driven() {
    let (_folder, home) = home();
    let text = format!("{HEAD}{}{}", step("a", "ok", ""), step("b", "ok", "    needs: [a]\n"));
    let (hands, _): (Registry, _) = registry();
    let me = Actor::local(nix::unistd::getuid().as_raw(), "me");
    let executor = Executor::start(&home, plan(&text, home.path()), None, me).unwrap();
    let run = executor.run_id().clone();
    let mut follower = Follower { home: home.clone(), follow: None, seen: Vec::new() };
    let ending = block_on(executor.drive(hands, &mut follower, CancellationToken::new())).unwrap();
    assert_eq!(ending, Ending::Ended(RunOutcome::Succeeded));
    let (_, records) = load(&home, &run, None).unwrap();
    assert_eq!(follower.seen, records);
    let mut follow = follower.follow.unwrap();
    assert!(follow.is_ended() && !follow.is_driven());
    assert!(follow.poll().unwrap().is_empty(), "an end that stands brings nothing more");
}

#[test]
fn a_torn_tail_is_waited_for_and_a_takeover_goes_on_behind_it() {
    let (_folder, home) = home();
    let text = format!("{HEAD}{}", step("a", "lose", ""));
    let me = Actor::local(nix::unistd::getuid().as_raw(), "me");
    let executor = Executor::start(&home, plan(&text, home.path()), None, me).unwrap();
    let run = executor.run_id().clone();
    let stop = CancellationToken::new();
    let (hands, log) = registry();
    let ending = block_on(async {
        let stopper = stop.clone();
        tokio::spawn(async move {
            while log.lock().unwrap().is_empty() {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            stopper.cancel();
        });
        executor.drive(hands, &mut (), stop).await.unwrap()
    });
    assert_eq!(ending, Ending::Suspended);

    let mut follow = Follow::open(&home, &run).unwrap();
    let before = follow.poll().unwrap();
    let path = journal(&home, &run);
    let len = std::fs::metadata(&path).unwrap().len();
    // The first bytes of a frame that is being written.
    let whole = std::fs::read(&path).unwrap();
    let first_frame = &whole[3 * 4096..3 * 4096 + 40];
    std::fs::File::options().write(true).open(&path).unwrap().write_all_at(first_frame, len).unwrap();
    assert!(follow.poll().unwrap().is_empty(), "half a frame is no record");

    // Whoever opens the run now cuts the torn bytes and goes on.
    let taken = Executor::resume(&home, &run).unwrap();
    let stop = CancellationToken::new();
    stop.cancel();
    let (hands, _) = registry();
    assert_eq!(block_on(taken.drive(hands, &mut (), stop)).unwrap(), Ending::Suspended);
    let after = follow.poll().unwrap();
    assert_eq!(after[0].seq, before.last().unwrap().seq + 1, "it goes on where it was: {:?}", numbers(&after));
    assert!(after.iter().any(|record| matches!(record.event, Event::JournalRepaired { .. })), "{after:?}");
    assert!(after.iter().all(|record| record.epoch > before.last().unwrap().epoch));
    assert_eq!(follow.state().last_seq(), load(&home, &run, None).unwrap().0.last_seq());
}

#[test]
fn what_was_never_acknowledged_and_is_gone_is_taken_back() {
    let (_folder, home) = home();
    let text = format!("{HEAD}{}", step("a", "ok", ""));
    let (_, run, _) = run(&home, &text);
    let path = journal(&home, &run);
    let whole = std::fs::read(&path).unwrap();
    let (_, records) = load(&home, &run, None).unwrap();
    let mut follow = Follow::open(&home, &run).unwrap();
    assert_eq!(numbers(&follow.poll().unwrap()), numbers(&records));

    // Another file stands in its place, as after a failed write; here it is the same one, so nothing is told twice.
    let copy = home.run_dir(&run).join("journal.copy");
    std::fs::write(&copy, &whole).unwrap();
    std::fs::rename(&copy, &path).unwrap();
    assert!(follow.poll().unwrap().is_empty());

    // Another story of the same plan: it begins anew, and says so by its number.
    let (_, other, _) = self::run(&home, &text);
    let replaced = |by: PathBuf| {
        std::fs::copy(by, &copy).unwrap();
        std::fs::rename(&copy, &path).unwrap();
    };
    replaced(journal(&home, &other));
    assert_eq!(follow.poll().unwrap()[0].seq, 1);
    assert_eq!(follow.state().run(), Some(&other));

    // A journal of another plan is not told as if it were this run's.
    let (_, foreign, _) = self::run(&home, &format!("{HEAD}{}", step("b", "ok", "")));
    replaced(journal(&home, &foreign));
    follow.poll().unwrap_err();
}

#[test]
fn a_journal_that_lost_what_it_acknowledged_is_damage_and_no_end() {
    let (_folder, home) = home();
    let (_, run, _) = run(&home, &format!("{HEAD}{}", step("a", "ok", "")));
    let path = journal(&home, &run);
    let mut follow = Follow::open(&home, &run).unwrap();
    let len = std::fs::metadata(&path).unwrap().len();
    std::fs::File::options().write(true).open(&path).unwrap().set_len(len - 1).unwrap();
    follow.poll().unwrap_err();
}
