//! Copies the orders of the old database to the new one, through the log of changes and in its order.
//!
//! The position in the log is written in the same transaction as the changes up to it, so a crash repeats nothing and leaves
//! nothing out. As a replication account does elsewhere, the sync writes past the triggers that close the new side for others.

use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, Row, TransactionBehavior, params};

use super::{Control, Folder, ShopError, Side, schema};

/// How many changes are copied in one transaction.
const BATCH: i64 = 200;
/// The pause when there is nothing new.
const IDLE: Duration = Duration::from_millis(10);

pub(super) fn run(folder: &Folder, control: &Control) -> Result<(), ShopError> {
    let old = schema::open_to_read(&folder.database(Side::Old))?;
    let mut new = schema::open(folder, Side::New)?;
    new.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    while !control.is_ended() {
        match copy(&old, &mut new) {
            Ok(count) if count > 0 => {}
            Ok(_) => control.pause(IDLE),
            Err(error) => {
                eprintln!("sync: {error}; trying again");
                control.pause(IDLE);
            }
        }
    }
    Ok(())
}

struct Change {
    id: i64,
    attempt: String,
    /// The row as it is now; none when it was removed.
    row: Option<(i64, String, i64, i64)>,
}

fn change(row: &Row<'_>) -> rusqlite::Result<Change> {
    let kind: String = row.get("kind")?;
    let content = if kind == "put" {
        Some((row.get("number")?, row.get("customer")?, row.get("cents")?, row.get("placed_ms")?))
    } else {
        None
    };
    Ok(Change { id: row.get("id")?, attempt: row.get("attempt")?, row: content })
}

/// Copies one batch; answers how many changes that were.
fn copy(old: &Connection, new: &mut Connection) -> rusqlite::Result<usize> {
    let position: i64 = new.query_row("SELECT position FROM copied WHERE log = 'changes'", [], |row| row.get(0))?;
    let changes: Vec<Change> = old
        .prepare_cached("SELECT * FROM changes WHERE id > ?1 ORDER BY id LIMIT ?2")?
        .query_map([position, BATCH], change)?
        .collect::<Result<_, _>>()?;
    let Some(last) = changes.last().map(|change| change.id) else { return Ok(0) };
    let copying = new.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for Change { attempt, row, .. } in &changes {
        match row {
            Some((number, customer, cents, placed)) => copying
                .prepare_cached(
                    "INSERT OR REPLACE INTO orders (attempt, number, customer, cents, placed_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
                )?
                .execute(params![attempt, number, customer, cents, placed])?,
            None => copying.prepare_cached("DELETE FROM orders WHERE attempt = ?1")?.execute([attempt])?,
        };
    }
    let moved = copying.execute("UPDATE copied SET position = ?1 WHERE log = 'changes' AND position = ?2", [last, position])?;
    if moved == 0 {
        // Another sync was faster: its work stands and this one is thrown away.
        return copying.rollback().map(|()| 0);
    }
    copying.commit()?;
    Ok(changes.len())
}
