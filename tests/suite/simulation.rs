//! Seeded simulation of whole runs: random plans, faults, crashes, humans.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use pointsman::rehearsal::{Faults, simulate};

use crate::journal::ledger::{self, never, row};

/// How many seeds; `POINTSMAN_SEEDS` asks for more, `POINTSMAN_SEED` for one.
fn seeds() -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    match number("POINTSMAN_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("POINTSMAN_SEEDS").unwrap_or(20_000),
    }
}

#[test]
fn every_seed_ends_whole() {
    let seeds = seeds();
    let next = AtomicU64::new(seeds.start);
    let broken = Mutex::new(Vec::new());
    let total = Mutex::new(Faults::default());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end || broken.lock().unwrap().len() > 5 {
                        break;
                    }
                    match std::panic::catch_unwind(|| simulate(seed)) {
                        Ok(found) if found.wrong.is_empty() => add(&mut total.lock().unwrap(), &found.faults),
                        Ok(found) => broken.lock().unwrap().push(format!("seed {seed}: {}", found.wrong.join("; "))),
                        Err(_) => broken.lock().unwrap().push(format!("seed {seed}: panicked")),
                    }
                }
            });
        }
    });
    let broken = broken.into_inner().unwrap();
    if let (Some(_), true) = (std::env::var_os("POINTSMAN_SEED"), !broken.is_empty()) {
        println!("{}", pointsman::rehearsal::simulation::transcript(seeds.start));
    }
    assert!(broken.is_empty(), "{}\nrepeat one with POINTSMAN_SEED=<seed>", broken.join("\n"));
    let total = total.into_inner().unwrap();
    println!("{} seeds: {total:?}", seeds.end - seeds.start);
    if seeds == (0..20_000) {
        let seeds = row("seeds", 20_000);
        let rows = fields(&total).map(|(name, count)| row(name, usize::try_from(count).unwrap()));
        ledger::check("seeds", &[&[seeds], rows.as_slice(), &[never("seeds that broke a promise")]].concat());
    }
    if seeds.end - seeds.start > 1_000 {
        for (name, count) in fields(&total) {
            assert!(count > 0, "no {name} in {} seeds: the simulation does not test it", seeds.end - seeds.start);
        }
    }
}

fn add(total: &mut Faults, one: &Faults) {
    let pairs = [
        (&mut total.kills, one.kills),
        (&mut total.power_cuts, one.power_cuts),
        (&mut total.disk_errors, one.disk_errors),
        (&mut total.crashes_in_recovery, one.crashes_in_recovery),
        (&mut total.failed_preparations, one.failed_preparations),
        (&mut total.failed_untouched, one.failed_untouched),
        (&mut total.failed_touched, one.failed_touched),
        (&mut total.lost_answers, one.lost_answers),
        (&mut total.failed_undos, one.failed_undos),
        (&mut total.probes, one.probes),
        (&mut total.late_results, one.late_results),
        (&mut total.orders, one.orders),
        (&mut total.refusals, one.refusals),
        (&mut total.succeeded, one.succeeded),
        (&mut total.rolled_back, one.rolled_back),
        (&mut total.needs_attention, one.needs_attention),
        (&mut total.aborted, one.aborted),
        (&mut total.reopened, one.reopened),
    ];
    for (sum, count) in pairs {
        *sum += count;
    }
}

fn fields(f: &Faults) -> [(&'static str, u64); 18] {
    [
        ("kills", f.kills),
        ("power cuts", f.power_cuts),
        ("disk errors", f.disk_errors),
        ("crashes in recovery", f.crashes_in_recovery),
        ("failed preparations", f.failed_preparations),
        ("failures that left the target untouched", f.failed_untouched),
        ("failures that may have changed the target", f.failed_touched),
        ("lost answers", f.lost_answers),
        ("failed undos", f.failed_undos),
        ("probes", f.probes),
        ("late results", f.late_results),
        ("orders", f.orders),
        ("refusals", f.refusals),
        ("runs that succeeded", f.succeeded),
        ("runs that rolled back", f.rolled_back),
        ("runs that need attention", f.needs_attention),
        ("runs that were aborted", f.aborted),
        ("runs taken up again", f.reopened),
    ]
}
