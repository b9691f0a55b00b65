//! Simulated runs: from a seed, or from a script of what goes wrong.

use std::sync::Arc;

use super::Chance;
use super::night::{Night, statuses};
use super::random_plan::random_plan;
use crate::journal::Reader;
use crate::journal::memory::{Fault, Memory};
use crate::model::StepId;
use crate::plan::Plan;
use crate::run::Record;

/// The faults that really fired, and the ends that were really reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Faults {
    /// Executors that ended with the page cache intact.
    pub kills: u64,
    /// Machines that lost power.
    pub power_cuts: u64,
    /// Writes or syncs of the journal that failed.
    pub disk_errors: u64,
    /// Crashes during recovery.
    pub crashes_in_recovery: u64,
    /// Preparations that failed.
    pub failed_preparations: u64,
    /// Attempts that failed and left the target untouched.
    pub failed_untouched: u64,
    /// Attempts that failed and may have changed the target.
    pub failed_touched: u64,
    /// Attempts and undos whose answer was lost.
    pub lost_answers: u64,
    /// Undos that failed.
    pub failed_undos: u64,
    /// Looks at what an attempt left.
    pub probes: u64,
    /// Results delivered a second time.
    pub late_results: u64,
    /// Orders of people.
    pub orders: u64,
    /// Orders that were refused.
    pub refusals: u64,
    /// Runs that succeeded.
    pub succeeded: u64,
    /// Runs that rolled back.
    pub rolled_back: u64,
    /// Runs that need attention.
    pub needs_attention: u64,
    /// Runs that were aborted.
    pub aborted: u64,
    /// Runs that were taken up again after their end.
    pub reopened: u64,
}

/// What a simulation found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Simulation {
    /// The seed.
    pub seed: u64,
    /// The faults that fired.
    pub faults: Faults,
    /// What does not hold; empty when all is well.
    pub wrong: Vec<String>,
    /// How many records the journal has.
    pub records: u64,
}

/// What goes wrong in a night that is otherwise quiet: no other faults, and people who do what is asked.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Script {
    /// Disk faults, by the number of the operation.
    pub disk: Vec<(u64, Fault)>,
    /// Turns after which the executor is killed, between its records and its next input.
    pub kill_after: Vec<u32>,
    /// Turns in which another executor takes over between this one's decision and its commit.
    pub overtake_in: Vec<u32>,
    /// A step whose every attempt fails.
    pub fail: Option<StepId>,
    /// A step whose first attempt happens at the target and whose answer is lost.
    pub lose: Option<StepId>,
}

/// How large a quiet night is: what a script can hit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Size {
    /// Operations of the disk.
    pub operations: u64,
    /// Turns of the state machine.
    pub turns: u32,
    /// Faults of the script that fired.
    pub fired: u64,
}

/// Simulates a quiet night over `plan` in which only the script goes wrong.
pub fn rehearse(plan: &Arc<Plan>, script: &Script) -> (Simulation, Size) {
    let disk = Memory::new(1);
    for (operation, fault) in &script.disk {
        disk.fail_at(*operation, *fault);
    }
    let mut night = Night::new(plan.clone(), disk, Chance::new(1));
    night.script = Some(script.clone());
    night.world.fail.clone_from(&script.fail);
    night.world.lose.clone_from(&script.lose);
    let (wrong, records) = match night.live() {
        Ok(state) => (night.close(&state), state.last_seq()),
        Err(problem) => (vec![problem], 0),
    };
    let fired = night.fired + night.disk.fired().len() as u64 + night.world.broken;
    let size = Size { operations: night.disk.operations(), turns: night.turns, fired };
    (Simulation { seed: 1, faults: night.faults, wrong, records }, size)
}

/// Simulates the run that follows from `seed`.
pub fn simulate(seed: u64) -> Simulation {
    let mut chance = Chance::new(seed);
    let plan = Arc::new(random_plan(&mut chance));
    let disk = Memory::new(seed);
    let mut night = Night::new(plan, disk, chance);
    let (wrong, records) = match night.live() {
        Ok(state) => (night.close(&state), state.last_seq()),
        Err(problem) => (vec![problem], 0),
    };
    Simulation { seed, faults: night.faults, wrong, records }
}

/// The journal of a seed as text, for whoever looks into a seed that broke something.
pub fn transcript(seed: u64) -> String {
    let (plan, records, end) = journal(seed);
    let steps: Vec<String> = plan.steps().iter().map(|step| format!("{step:?}")).collect();
    let records = records.map(|records| {
        let shown = records.iter().map(|record| format!("{} {} {:?}", record.seq, record.epoch, record.event));
        shown.collect::<Vec<_>>().join("\n")
    });
    format!("{}\n\n{}\n\n{end:?}", steps.join("\n"), records.unwrap_or_else(|error| error))
}

/// The plan of a seed and what its run left in the journal.
pub fn records(seed: u64) -> (Arc<Plan>, Vec<Record>) {
    let (plan, records, _) = journal(seed);
    (plan, records.unwrap_or_default())
}

type Lived = (Arc<Plan>, Result<Vec<Record>, String>, Result<String, String>);

fn journal(seed: u64) -> Lived {
    let mut chance = Chance::new(seed);
    let plan = Arc::new(random_plan(&mut chance));
    let disk = Memory::new(seed);
    let mut night = Night::new(plan.clone(), disk.clone(), chance);
    let end = night.live().map(|state| statuses(&state));
    disk.restart();
    let records = Reader::over(disk).map_err(|error| error.to_string());
    (plan, records.map(|reader| reader.filter_map(Result::ok).map(|entry| entry.record).collect()), end)
}
