//! How it ended, asked of the ledger and the databases and of nobody else.
//!
//! It is taken after the shop's processes have ended, so that nothing moves under it.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use super::shop::{self, Folder, Ledger, Shape, ShopError, Side};

/// What the ledger and the databases say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// The database that the switch file names.
    pub live: Side,
    /// How many orders the shop acknowledged.
    pub acknowledged: u64,
    /// How many of these are in the live database.
    pub found: u64,
    /// The acknowledged orders that are not there.
    pub lost: Vec<u64>,
    /// The orders that are there more than once.
    pub duplicated: Vec<u64>,
    /// Jobs that nobody will ever do: pending in the database that is no longer looked at.
    pub left_behind: u64,
    /// Orders without a job, or with more than one, over both databases.
    pub wrong_jobs: u64,
    /// What is true of the side that the shop does not use, and should not be.
    pub other_side: Option<&'static str>,
    /// How many attempts to place an order were refused.
    pub refusals: u64,
    /// From the last acknowledgement before to the first one after, for each time in which writes were refused.
    pub outages: Vec<Duration>,
}

impl Verdict {
    /// Looks at a shop whose processes have ended.
    ///
    /// # Errors
    /// When the ledger, the switch or a database cannot be read.
    pub fn of(folder: &Folder) -> Result<Self, ShopError> {
        let ledger = Ledger::read(folder)?;
        let live = folder.live_side()?;
        let acknowledged: BTreeSet<u64> = ledger.acknowledged().map(|entry| entry.order).collect();
        let present = orders(folder, live)?;
        let lost: Vec<u64> = acknowledged.iter().copied().filter(|order| !present.contains_key(order)).collect();
        Ok(Self {
            live,
            acknowledged: acknowledged.len() as u64,
            found: (acknowledged.len() - lost.len()) as u64,
            lost,
            duplicated: present.iter().filter(|(_, times)| **times > 1).map(|(order, _)| *order).collect(),
            left_behind: count(folder, live.other(), "SELECT count(*) FROM jobs WHERE state = 'pending'")?,
            wrong_jobs: wrong_jobs(folder, live)?,
            other_side: complaint(folder, live)?,
            refusals: ledger.refusals(),
            outages: ledger.outages(),
        })
    }

    /// Whether the shop is whole: nothing lost, nothing twice, no work left behind, and only one side that takes orders.
    pub fn is_whole(&self) -> bool {
        self.lost.is_empty()
            && self.duplicated.is_empty()
            && self.left_behind == 0
            && self.wrong_jobs == 0
            && self.other_side.is_none()
    }

    /// How long writes were refused in all.
    pub fn refused_for(&self) -> Duration {
        self.outages.iter().sum()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { live, acknowledged, found, .. } = self;
        writeln!(f, "orders acknowledged by the shop   {acknowledged:>6}")?;
        writeln!(f, "orders found in the {live} database  {found:>6}")?;
        writeln!(f, "lost                              {:>6}{}", self.lost.len(), some(&self.lost))?;
        writeln!(f, "duplicated                        {:>6}{}", self.duplicated.len(), some(&self.duplicated))?;
        writeln!(f, "jobs left behind                  {:>6}", self.left_behind + self.wrong_jobs)?;
        let state = match (live, self.other_side) {
            (_, Some(complaint)) => complaint,
            (Side::New, None) => "the old database refuses orders",
            (Side::Old, None) => "both databases have the shape they began with",
        };
        writeln!(f, "{state}")?;
        match self.outages.len() {
            0 => write!(f, "writes were never refused"),
            times => {
                let longer = if times > 1 { format!(", {times} times") } else { String::new() };
                write!(
                    f,
                    "writes were refused for           {:>6.2} s ({} attempts{longer})",
                    self.refused_for().as_secs_f64(),
                    self.refusals
                )
            }
        }
    }
}

fn some(orders: &[u64]) -> String {
    const SHOWN: usize = 5;
    if orders.is_empty() {
        return String::new();
    }
    let shown: Vec<String> = orders.iter().take(SHOWN).map(u64::to_string).collect();
    let more = if orders.len() > SHOWN { ", …" } else { "" };
    format!("  (orders {}{more})", shown.join(", "))
}

fn number(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// Order numbers and how often they stand in the database.
fn orders(folder: &Folder, side: Side) -> Result<std::collections::BTreeMap<u64, u64>, ShopError> {
    let database = shop::open_to_read(&folder.database(side))?;
    let mut statement = database.prepare("SELECT number, count(*) FROM orders GROUP BY number")?;
    let rows = statement.query_map([], |row| Ok((number(row.get(0)?), number(row.get(1)?))))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn count(folder: &Folder, side: Side, question: &str) -> Result<u64, ShopError> {
    let database = shop::open_to_read(&folder.database(side))?;
    Ok(number(database.query_row(question, [], |row| row.get(0))?))
}

/// Orders of the live database that do not have exactly one job, wherever they were placed.
fn wrong_jobs(folder: &Folder, live: Side) -> Result<u64, ShopError> {
    let database = shop::open_to_read(&folder.database(live))?;
    let other = folder.database(live.other());
    database.execute("ATTACH ?1 AS other", [other.to_string_lossy().as_ref()])?;
    let question = "SELECT count(*) FROM (SELECT number FROM orders GROUP BY number) o
        LEFT JOIN (SELECT number, count(*) AS jobs FROM (SELECT number FROM jobs UNION ALL SELECT number FROM other.jobs)
            GROUP BY number) j USING (number)
        WHERE coalesce(j.jobs, 0) <> 1";
    Ok(number(database.query_row(question, [], |row| row.get(0))?))
}

/// On the new side for good, the old one must refuse orders. Back on the old side, everything must look as it did at first.
fn complaint(folder: &Folder, live: Side) -> Result<Option<&'static str>, ShopError> {
    Ok(match live {
        Side::New if !refuses_orders(folder, Side::Old)? => Some("THE OLD DATABASE TAKES ORDERS TOO"),
        Side::Old if Shape::of(folder)? != Shape::at_first(folder)? => Some("SOMETHING WAS LEFT IN A DATABASE"),
        Side::New | Side::Old => None,
    })
}

/// Tries an order in a transaction that is never committed.
fn refuses_orders(folder: &Folder, side: Side) -> Result<bool, ShopError> {
    let mut database = shop::open(folder, side)?;
    let trial = database.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let answer =
        trial.execute("INSERT INTO orders (attempt, number, customer, cents, placed_ms) VALUES ('trial', 0, 'nobody', 0, 0)", []);
    trial.rollback()?;
    match answer {
        Ok(_) => Ok(false),
        Err(error) if error.sqlite_error().is_some_and(|e| e.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_TRIGGER) => {
            Ok(true)
        }
        Err(error) => Err(error.into()),
    }
}
