//! Crash consistency: random appends, commits and settles, a crash at any operation, and again during the recovery.

use std::sync::Mutex;

use pointsman::journal::memory::{Fault, Loss, Memory};
use pointsman::journal::{JournalError, OpenError, Verdict, Writer, open};
use pointsman::run::{Event, Record};

use super::damage::count_all;
use super::ledger;
use super::sample::{NONCE, at, clocks, note, read_all, started};

/// A small seeded generator (xorshift), so that a failure can be run again.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }
}

/// What the test knows from outside: what was appended, and how much of it was acknowledged.
#[derive(Default)]
struct Known {
    appended: Vec<Record>,
    acknowledged: usize,
    crashes: usize,
    errors: usize,
    repairs: usize,
    copies: usize,
}

#[test]
fn no_acknowledged_record_is_lost_at_any_crash() {
    const SEEDS: usize = 1_500;
    let total = Mutex::new(Known::default());
    count_all(SEEDS, |seed| {
        let known = std::panic::catch_unwind(|| life(seed as u64)).unwrap_or_else(|_| panic!("seed {seed} failed"));
        let mut total = total.lock().unwrap();
        total.crashes += known.crashes;
        total.errors += known.errors;
        total.repairs += known.repairs;
        total.copies += known.copies;
        1
    });
    let total = total.into_inner().unwrap();
    ledger::check(
        "journal crashes",
        &[
            ledger::row("seeds", SEEDS),
            ledger::row("crashes and kills that fired", total.crashes),
            ledger::row("failed writes and syncs that fired", total.errors),
            ledger::row("torn tails repaired", total.repairs),
            ledger::row("journals copied after a failed write or sync", total.copies),
            ledger::never("acknowledged records lost, or others found"),
        ],
    );
}

/// One disk through several executors, each ended by a fault.
fn life(seed: u64) -> Known {
    let mut dice = Dice::new(seed);
    let memory = Memory::new(seed);
    let mut known = Known::default();
    let mut writer = Writer::create(memory.clone(), NONCE, clocks()).unwrap();
    for _ in 0..4 {
        let fault = [Fault::Crash, Fault::Kill, Fault::Error, Fault::NoSpace(100)][dice.below(4) as usize];
        memory.fail_at(memory.operations() + dice.below(24), fault);
        work(&mut writer, &mut dice, &mut known);
        // A process that saw an error ends; the machine may fail a moment later as well.
        if !memory.is_down() {
            memory.stop(if dice.below(3) == 0 { Loss::Power } else { Loss::Nothing });
        }
        memory.restart();
        drop(writer);
        writer = reopen(&memory, &mut dice, &mut known);
    }
    known.crashes = memory.fired().iter().filter(|(_, fault)| matches!(fault, Fault::Crash | Fault::Kill)).count();
    known.errors = memory.fired().len() - known.crashes;
    known
}

fn work(writer: &mut Writer, dice: &mut Dice, known: &mut Known) {
    for _ in 0..12 {
        for _ in 0..dice.below(4) {
            let n = known.appended.len() as u64;
            let event = if n == 0 { started() } else { padded(n, dice) };
            match writer.append(at(n), n, event) {
                Ok(record) => known.appended.push(record),
                Err(_) => return,
            }
        }
        let done = if dice.below(3) == 0 { writer.settle() } else { writer.commit() };
        match done {
            Ok(()) => known.acknowledged = known.appended.len(),
            Err(JournalError::Failed { .. }) => {
                assert!(writer.is_poisoned());
                assert!(matches!(writer.commit(), Err(JournalError::Poisoned(_))), "a poisoned writer wrote");
                return;
            }
            Err(other) => panic!("{other}"),
        }
    }
}

fn padded(n: u64, dice: &mut Dice) -> Event {
    match note(n) {
        Event::ProgressNoted { step, attempt, text } => {
            let text = text + &"x".repeat(dice.below(6) as usize * 400);
            Event::ProgressNoted { step, attempt, text }
        }
        other => other,
    }
}

/// Opens until it works, with crashes inside the recovery too.
fn reopen(memory: &Memory, dice: &mut Dice, known: &mut Known) -> Writer {
    loop {
        if dice.below(2) == 0 {
            let fault = [Fault::Crash, Fault::Kill, Fault::Error][dice.below(3) as usize];
            memory.fail_at(memory.operations() + dice.below(8), fault);
        }
        match open(memory.clone(), clocks()) {
            Ok(opened) => {
                let found = read_all(&opened.writer);
                assert!(found.len() >= known.acknowledged, "{} acknowledged, {} found", known.acknowledged, found.len());
                assert_eq!(found[..], known.appended[..found.len()], "what is found is a prefix of what was appended");
                known.repairs += usize::from(matches!(opened.verdict, Verdict::TornTail { .. }));
                assert!(opened.repaired.is_some() || !matches!(opened.verdict, Verdict::TornTail { .. }));
                if let Some(repaired) = &opened.repaired {
                    let kept = memory.kept();
                    let file = kept.get(&repaired.kept).expect("what a repair took away is kept");
                    assert!(file.len() as u64 >= repaired.bytes);
                    known.copies += usize::from(repaired.kept.contains("journal-before"));
                }
                known.appended.truncate(found.len());
                known.acknowledged = found.len();
                return opened.writer;
            }
            Err(OpenError::Io { .. }) => {
                if !memory.is_down() && dice.below(2) == 0 {
                    memory.stop(Loss::Power);
                }
                memory.restart();
            }
            Err(error @ (OpenError::Corrupt(_) | OpenError::NotAJournal)) => panic!("false alarm: {error}"),
        }
    }
}
