//! Does a trouble to the shop and takes it back.

use std::fs;
use std::path::Path;

use rusqlite::Connection;
use serde_json::json;

use super::crew::{Crew, CrewError};
use super::shop::{Folder, ShopError, Side, Trouble as Sign, open};
use super::story::Trouble;
use crate::model::Value;

/// A trouble that has begun.
#[derive(Debug)]
pub struct Mischief {
    /// What it is.
    pub trouble: Trouble,
    /// The connection that holds a transaction open; letting go of it ends the transaction.
    held: Option<Connection>,
    /// The order that was deleted, as a statement that puts it back.
    deleted: Option<String>,
}

impl Mischief {
    /// Does it.
    ///
    /// # Errors
    /// When the shop's files or processes do not let it.
    pub fn begin(trouble: Trouble, crew: &mut Crew, folder: &Folder) -> Result<Self, CrewError> {
        let mut mischief = Self { trouble, held: None, deleted: None };
        match trouble {
            Trouble::PageBroken(page) => put(&folder.sign(page, Sign::Broken))?,
            Trouble::PageStuck(page) => put(&folder.sign(page, Sign::Stuck))?,
            Trouble::Locked(side) => mischief.held = Some(hold(folder, side)?),
            Trouble::Gone(role) => crew.dismiss(role)?,
            Trouble::RowMissing => mischief.deleted = Some(delete_one(crew, folder)?),
            Trouble::SwitchLocked => set_locked(folder, true)?,
            Trouble::Nobody => {}
        }
        Ok(mischief)
    }

    /// Takes it back; `None` when there is nothing to take back, else what was done, in words.
    ///
    /// # Errors
    /// When the shop's files or processes do not let it.
    pub fn end(self, crew: &mut Crew, folder: &Folder) -> Result<Option<String>, CrewError> {
        Ok(match self.trouble {
            Trouble::PageBroken(page) => {
                take(&folder.sign(page, Sign::Broken))?;
                Some(format!("the shop's page /{} works again", page.word()))
            }
            Trouble::PageStuck(page) => {
                take(&folder.sign(page, Sign::Stuck))?;
                Some(format!("the shop's page /{} answers again", page.word()))
            }
            Trouble::Locked(side) => {
                drop(self.held);
                Some(format!("the other program lets go of {side}.db"))
            }
            Trouble::Gone(role) => {
                crew.bring(role)?;
                Some(format!("the shop's {} is started again", role.word()))
            }
            Trouble::RowMissing => {
                if let Some(repair) = self.deleted {
                    past_triggers(folder)?.execute_batch(&repair).map_err(ShopError::from)?;
                }
                Some("the missing order is put back into new.db".to_owned())
            }
            Trouble::SwitchLocked => {
                set_locked(folder, false)?;
                Some("the lock in shop.json is taken away".to_owned())
            }
            Trouble::Nobody => None,
        })
    }
}

fn put(sign: &Path) -> Result<(), ShopError> {
    fs::write(sign, "").map_err(|source| ShopError::File { path: sign.to_owned(), source })
}

fn take(sign: &Path) -> Result<(), ShopError> {
    fs::remove_file(sign).map_err(|source| ShopError::File { path: sign.to_owned(), source })
}

/// A write transaction that stays open; it waits its turn like any other.
fn hold(folder: &Folder, side: Side) -> Result<Connection, ShopError> {
    let database = open(folder, side)?;
    database.execute_batch("BEGIN IMMEDIATE")?;
    Ok(database)
}

/// A connection that writes where the new side is closed, as the sync's does.
fn past_triggers(folder: &Folder) -> Result<Connection, ShopError> {
    let database = open(folder, Side::New)?;
    database.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    Ok(database)
}

fn delete_one(crew: &mut Crew, folder: &Folder) -> Result<String, CrewError> {
    let find =
        "SELECT format('INSERT INTO orders VALUES (%Q, %d, %Q, %d, %d)', attempt, number, customer, cents, placed_ms), attempt
        FROM orders WHERE number = 7";
    let database = past_triggers(folder)?;
    crew.wait("order 7 is copied", |_| {
        Ok(database.query_row("SELECT count(*) FROM orders WHERE number = 7", [], |row| row.get::<_, i64>(0))? == 1)
    })?;
    let row = database.query_row(find, [], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)));
    let (repair, attempt) = row.map_err(ShopError::from)?;
    database.execute("DELETE FROM orders WHERE attempt = ?1", [attempt]).map_err(ShopError::from)?;
    Ok(repair)
}

/// Replaces the shop's configuration atomically, as whoever locked it would.
fn set_locked(folder: &Folder, locked: bool) -> Result<(), ShopError> {
    let path = folder.switch();
    let failed = |source| ShopError::File { path: path.clone(), source };
    let text = fs::read_to_string(&path).map_err(failed)?;
    let mut value: Value =
        serde_json::from_str(&text).map_err(|error| ShopError::Content { path: path.clone(), problem: error.to_string() })?;
    value["locked"] = json!(locked);
    let fresh = folder.path().join("shop.json.fresh");
    fs::write(&fresh, format!("{value:#}\n")).map_err(failed)?;
    fs::rename(&fresh, &path).map_err(failed)
}
