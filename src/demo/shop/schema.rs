//! The two databases: orders and jobs on both sides, a log of changes on the old one, a position in it on the new one.
//!
//! The key of an order row is the *attempt* that wrote it and not the order's number: an order that two attempts got through
//! would stand there twice and be counted, instead of being hidden by a constraint.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::{Folder, ShopError, Side};
use crate::model::{Object, Value};

const BOTH: &str = "
    CREATE TABLE orders (
        attempt   TEXT PRIMARY KEY,
        number    INTEGER NOT NULL,
        customer  TEXT NOT NULL,
        cents     INTEGER NOT NULL,
        placed_ms INTEGER NOT NULL
    );
    CREATE INDEX orders_by_number ON orders (number);
    CREATE TABLE jobs (
        id     INTEGER PRIMARY KEY AUTOINCREMENT,
        number INTEGER NOT NULL,
        state  TEXT NOT NULL DEFAULT 'pending'
    );
    CREATE INDEX jobs_by_state ON jobs (state);
";

const OLD: &str = "
    PRAGMA application_id = 101;
    CREATE TABLE changes (
        id        INTEGER PRIMARY KEY AUTOINCREMENT,
        kind      TEXT NOT NULL,
        attempt   TEXT NOT NULL,
        number    INTEGER,
        customer  TEXT,
        cents     INTEGER,
        placed_ms INTEGER
    );
    CREATE TRIGGER orders_put AFTER INSERT ON orders BEGIN
        INSERT INTO changes (kind, attempt, number, customer, cents, placed_ms)
        VALUES ('put', new.attempt, new.number, new.customer, new.cents, new.placed_ms);
    END;
    CREATE TRIGGER orders_changed AFTER UPDATE ON orders BEGIN
        INSERT INTO changes (kind, attempt) SELECT 'removed', old.attempt WHERE old.attempt <> new.attempt;
        INSERT INTO changes (kind, attempt, number, customer, cents, placed_ms)
        VALUES ('put', new.attempt, new.number, new.customer, new.cents, new.placed_ms);
    END;
    CREATE TRIGGER orders_removed AFTER DELETE ON orders BEGIN
        INSERT INTO changes (kind, attempt) VALUES ('removed', old.attempt);
    END;
";

const NEW: &str = "
    PRAGMA application_id = 909;
    CREATE TABLE copied (log TEXT PRIMARY KEY, position INTEGER NOT NULL);
    INSERT INTO copied VALUES ('changes', 0);
";

/// How long one statement waits for another program's transaction.
const PATIENCE: Duration = Duration::from_secs(1);

/// Makes an empty shop: both databases, and the switch on the old one.
///
/// # Errors
/// When the folder is not empty of a shop, or cannot be written.
pub fn create(folder: &Folder) -> Result<(), ShopError> {
    fs::create_dir_all(folder.path()).map_err(ShopError::file(folder.path()))?;
    for (side, own) in [(Side::Old, OLD), (Side::New, NEW)] {
        let database = open(folder, side)?;
        database.execute_batch(&format!("BEGIN IMMEDIATE; {BOTH} {own} COMMIT;"))?;
    }
    let shape = Shape::of(folder)?;
    for (path, text) in [
        (folder.first_shape(), serde_json::to_string_pretty(&shape.0).unwrap_or_default()),
        (folder.switch(), "{\n  \"database\": \"old\",\n  \"locked\": false\n}\n".to_owned()),
    ] {
        fs::write(&path, text).map_err(ShopError::file(&path))?;
    }
    Ok(())
}

/// A connection that may write, as durable as the shop promises its customers.
///
/// # Errors
/// When the database cannot be opened.
pub fn open(folder: &Folder, side: Side) -> Result<Connection, ShopError> {
    let database = Connection::open(folder.database(side))?;
    prepare(&database)?;
    database.pragma_update(None, "journal_mode", "WAL")?;
    database.pragma_update(None, "synchronous", "FULL")?;
    Ok(database)
}

/// A connection that only reads.
///
/// # Errors
/// When the database is not there or cannot be opened.
pub fn open_to_read(path: &Path) -> Result<Connection, ShopError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let database = Connection::open_with_flags(path, flags)?;
    prepare(&database)?;
    database.pragma_update(None, "query_only", true)?;
    Ok(database)
}

fn prepare(database: &Connection) -> Result<(), ShopError> {
    database.busy_timeout(PATIENCE)?;
    Ok(())
}

/// Every table, index and trigger of both sides with its text: what the databases look like to a program that may write.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shape(Value);

impl Shape {
    /// The shape of now.
    ///
    /// # Errors
    /// When a database cannot be read.
    pub fn of(folder: &Folder) -> Result<Self, ShopError> {
        let mut sides = Object::new();
        for side in [Side::Old, Side::New] {
            let database = open_to_read(&folder.database(side))?;
            let mut statement =
                database.prepare("SELECT type || ' ' || name || ': ' || coalesce(sql, '') FROM sqlite_master ORDER BY 1")?;
            let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
            sides.insert(side.word().to_owned(), rows.collect::<Result<Vec<_>, _>>()?.into());
        }
        Ok(Self(Value::Object(sides)))
    }

    /// The shape that the shop was made with.
    ///
    /// # Errors
    /// When the file that keeps it cannot be read.
    pub fn at_first(folder: &Folder) -> Result<Self, ShopError> {
        let path = folder.first_shape();
        let text = fs::read_to_string(&path).map_err(ShopError::file(&path))?;
        serde_json::from_str(&text).map(Self).map_err(|error| ShopError::Content { path, problem: error.to_string() })
    }
}
