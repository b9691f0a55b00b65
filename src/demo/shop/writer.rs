//! Takes orders: one after the other, into whichever database the switch file names at that moment.
//!
//! An order that is refused is tried again until some database takes it, so no customer is ever sent away; how long that takes
//! is what a cutover costs. Before an order is tried again after an error whose end nobody saw, the writer looks whether it is
//! there already.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, TransactionBehavior, params};

use super::front::{self, Sales};
use super::ledger::{Entry, Pen};
use super::{Control, Folder, Ledger, Outcome, ShopError, Side, schema};
use crate::model::Timestamp;

/// 200 orders a second, where the disk allows it.
const PACE: Duration = Duration::from_millis(5);
/// The pause after a refusal.
const AGAIN: Duration = Duration::from_millis(10);
/// A refusal that goes on is written down this often.
const REMIND: Duration = Duration::from_secs(1);

pub(super) fn run(folder: &Folder, control: &Control) -> Result<(), ShopError> {
    let sales = Arc::new(Sales::default());
    front::open(folder, Arc::clone(&sales))?;
    let last = Ledger::read(folder)?.acknowledged().map(|entry| entry.order).max().unwrap_or(0);
    let mut writer = Writer { folder, pen: Pen::open(&folder.ledger())?, connections: HashMap::new(), sales };
    let mut order = last + 1;
    let mut due = Instant::now();
    while !control.is_ended() {
        if !writer.take(order, control)? {
            break;
        }
        order += 1;
        due = (due + PACE).max(Instant::now());
        control.pause_until(due);
    }
    Ok(())
}

struct Writer<'a> {
    folder: &'a Folder,
    pen: Pen,
    connections: HashMap<Side, Connection>,
    sales: Arc<Sales>,
}

/// Why an attempt did not get through.
struct Refusal {
    side: Option<Side>,
    why: String,
    /// Whether the order may be in a database all the same.
    seen_to_the_end: bool,
}

impl Writer<'_> {
    /// Places one order; `false` when it was time to end before any database took it.
    fn take(&mut self, order: u64, control: &Control) -> Result<bool, ShopError> {
        let mut refusals = 0;
        let mut written: Option<(Instant, String)> = None;
        // The very first attempt looks too: a writer that died may have left an order that nobody was told about.
        let mut look_first = order == 1 || self.connections.is_empty();
        loop {
            let refusal = match self.attempt(order, refusals, look_first) {
                Ok(side) => {
                    self.write(order, Some(side), Outcome::Acknowledged { refusals })?;
                    self.sales.acknowledged(order, side);
                    return Ok(true);
                }
                Err(refusal) => refusal,
            };
            refusals += 1;
            look_first = look_first || !refusal.seen_to_the_end;
            let news = written.as_ref().is_none_or(|(at, why)| *why != refusal.why || at.elapsed() >= REMIND);
            if news {
                self.write(order, refusal.side, Outcome::Refused { why: refusal.why.clone() })?;
                written = Some((Instant::now(), refusal.why));
            }
            if control.is_ended() {
                return Ok(false);
            }
            control.pause(AGAIN);
        }
    }

    fn write(&mut self, order: u64, side: Option<Side>, outcome: Outcome) -> Result<(), ShopError> {
        let now = jiff::Timestamp::now().as_millisecond();
        self.pen.write(&Entry { at: Timestamp::from_millis(now), order, side, outcome })
    }

    fn attempt(&mut self, order: u64, refusals: u64, look_first: bool) -> Result<Side, Refusal> {
        let lost = |why: String| Refusal { side: None, why, seen_to_the_end: true };
        let side = self.folder.live_side().map_err(|error| lost(error.to_string()))?;
        let database = match self.connections.entry(side) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert(schema::open(self.folder, side).map_err(|error| lost(error.to_string()))?)
            }
        };
        place(database, order, refusals, look_first).map_err(|error| Refusal {
            side: Some(side),
            why: error.to_string(),
            seen_to_the_end: matches!(
                error.sqlite_error_code(),
                Some(ErrorCode::ConstraintViolation | ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::ReadOnly)
            ),
        })?;
        Ok(side)
    }
}

fn place(database: &mut Connection, order: u64, refusals: u64, look_first: bool) -> rusqlite::Result<()> {
    let number = i64::try_from(order).unwrap_or(i64::MAX);
    let work = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if look_first && work.query_row("SELECT EXISTS (SELECT 1 FROM orders WHERE number = ?1)", [number], |row| row.get(0))? {
        return Ok(());
    }
    let placed = jiff::Timestamp::now().as_millisecond();
    work.prepare_cached("INSERT INTO orders (attempt, number, customer, cents, placed_ms) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![format!("{order}.{refusals}"), number, customer(order), cents(order), placed])?;
    work.prepare_cached("INSERT INTO jobs (number) VALUES (?1)")?.execute([number])?;
    work.commit()
}

fn customer(order: u64) -> &'static str {
    const NAMES: [&str; 5] = ["ada", "grace", "edsger", "barbara", "tony"];
    NAMES[usize::try_from(order % 5).unwrap_or(0)]
}

fn cents(order: u64) -> i64 {
    i64::try_from(199 + order * 7_919 % 20_000).unwrap_or(199)
}
