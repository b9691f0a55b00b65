//! Recovery, exhaustively: fail at every step, lose every answer, crash at every disk operation and after every turn, crash
//! again in the recovery, overtake an executor in every turn. Every count is of faults that really fired.

use std::sync::Arc;

use pointsman::journal::memory::Fault;
use pointsman::plan::{Plan, Section};
use pointsman::rehearsal::{Chance, Script, Size, random_plan::random_plan, rehearse};

use crate::journal::ledger::{self, never, row};

/// Plans over which everything is tried; each is another mixture of steps, waits, groups, policies and branches.
const PLANS: u64 = 24;

#[derive(Default)]
struct Count {
    tried: u64,
    fired: u64,
}

fn size(count: Count) -> usize {
    usize::try_from(count.fired).unwrap()
}

fn plans() -> Vec<Arc<Plan>> {
    (0..PLANS).map(|seed| Arc::new(random_plan(&mut Chance::new(1_000_000 + seed)))).collect()
}

fn quiet(plan: &Arc<Plan>) -> Size {
    let (found, size) = rehearse(plan, &Script::default());
    assert!(found.wrong.is_empty(), "a quiet night: {:?}", found.wrong);
    size
}

fn attempt(plan: &Arc<Plan>, script: &Script, count: &mut Count) {
    let (found, size) = rehearse(plan, script);
    assert!(found.wrong.is_empty(), "{script:?}: {:?}", found.wrong);
    count.tried += 1;
    count.fired += u64::from(size.fired > 0);
}

#[test]
fn fail_at_every_step_and_lose_every_answer() {
    let (mut failed, mut lost) = (Count::default(), Count::default());
    for plan in plans() {
        for step in plan.steps().iter().filter(|s| s.section != Section::Finally) {
            attempt(&plan, &Script { fail: Some(step.id.clone()), ..Script::default() }, &mut failed);
            attempt(&plan, &Script { lose: Some(step.id.clone()), ..Script::default() }, &mut lost);
        }
    }
    assert!(failed.fired > PLANS && lost.fired > PLANS, "too few steps were reached: {} {}", failed.fired, lost.fired);
    ledger::check(
        "steps",
        &[
            row("steps made to fail", size(failed)),
            row("steps whose answer was lost", size(lost)),
            never("runs that did not end whole"),
        ],
    );
}

#[test]
fn crash_at_every_disk_operation_and_after_every_turn() {
    let (mut crashes, mut errors, mut kills, mut overtaken) =
        (Count::default(), Count::default(), Count::default(), Count::default());
    for plan in plans() {
        let night = quiet(&plan);
        for operation in 0..night.operations {
            for fault in [Fault::Crash, Fault::Kill] {
                attempt(&plan, &Script { disk: vec![(operation, fault)], ..Script::default() }, &mut crashes);
            }
            for fault in [Fault::Error, Fault::NoSpace(7)] {
                attempt(&plan, &Script { disk: vec![(operation, fault)], ..Script::default() }, &mut errors);
            }
        }
        for turn in 0..night.turns {
            attempt(&plan, &Script { kill_after: vec![turn], ..Script::default() }, &mut kills);
            attempt(&plan, &Script { overtake_in: vec![turn], ..Script::default() }, &mut overtaken);
        }
    }
    assert_eq!(crashes.fired, crashes.tried, "every crash point is reached");
    assert_eq!(errors.fired, errors.tried, "every disk operation is reached");
    assert!(kills.fired > 100 && overtaken.fired > 100, "too few turns were reached: {} {}", kills.fired, overtaken.fired);
    let rows = [
        row("crashes at a disk operation, of the process or of the power", size(crashes)),
        row("disk operations that failed (EIO, ENOSPC)", size(errors)),
        row("executors killed between two turns", size(kills)),
        row("executors overtaken between decision and commit", size(overtaken)),
        never("runs that did not end whole"),
    ];
    ledger::check("executor crashes", &rows);
}

#[test]
fn crash_again_in_the_recovery() {
    let mut twice = Count::default();
    for plan in plans().iter().take(6) {
        let night = quiet(plan);
        for first in (0..night.operations).step_by(3) {
            for second in 1..12 {
                let disk = vec![(first, Fault::Crash), (first + second, Fault::Kill)];
                attempt(plan, &Script { disk, ..Script::default() }, &mut twice);
            }
        }
    }
    assert!(twice.fired > 500, "only {} double crashes", twice.fired);
    let rows = [row("crashes followed by a crash of the recovery", size(twice)), never("runs that did not end whole")];
    ledger::check("recovery crashes", &rows);
}
