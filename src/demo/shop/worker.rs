//! Works off the queue: takes an armful of pending jobs of the database of the moment, does them, marks them as done.
//!
//! A job stays in the database in which its order was placed, which is why a queue has to be drained before the shop moves:
//! after the switch nobody looks at the old one again.

use std::collections::HashMap;
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};

use super::{Control, Folder, ShopError, Side, schema};

/// How many jobs are taken at a time.
const ARMFUL: usize = 100;
/// How long one job takes.
const JOB: Duration = Duration::from_millis(1);
/// The walk to the next armful, so that a queue is there to be drained.
const WALK: Duration = Duration::from_millis(150);
/// The pause when there is nothing to do, or when the database does not let the worker do it.
const IDLE: Duration = Duration::from_millis(10);

pub(super) fn run(folder: &Folder, control: &Control) -> Result<(), ShopError> {
    let mut connections: HashMap<Side, Connection> = HashMap::new();
    while !control.is_ended() {
        let Ok(side) = folder.live_side() else {
            control.pause(IDLE);
            continue;
        };
        let database = match connections.entry(side) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => entry.insert(schema::open(folder, side)?),
        };
        match work(database) {
            Ok(count) if count > 0 => control.pause(WALK),
            Ok(_) => control.pause(IDLE),
            Err(error) => {
                eprintln!("worker: {error}; trying again");
                control.pause(IDLE);
            }
        }
    }
    Ok(())
}

/// Does one armful; answers how many jobs that were.
fn work(database: &mut Connection) -> rusqlite::Result<usize> {
    let jobs: Vec<i64> = database
        .prepare_cached("SELECT id FROM jobs WHERE state = 'pending' ORDER BY id LIMIT ?1")?
        .query_map([i64::try_from(ARMFUL).unwrap_or(1)], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    if jobs.is_empty() {
        return Ok(0);
    }
    std::thread::sleep(JOB * u32::try_from(jobs.len()).unwrap_or(1));
    let marking = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for job in &jobs {
        marking.prepare_cached("UPDATE jobs SET state = 'done' WHERE id = ?1 AND state = 'pending'")?.execute([job])?;
    }
    marking.commit()?;
    Ok(jobs.len())
}
