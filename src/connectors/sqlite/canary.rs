//! Writes that are sent to be refused, in a savepoint that is always rolled back.
//!
//! Before a freeze the same writes must get past the triggers (a broken canary proves nothing); under a freeze each must be
//! refused with the freeze's own message; after a thaw they must get past again.

use std::time::Instant;

use rusqlite::ffi;
use serde_json::{Value, json};

use super::schema::{Table, columns, quoted};
use super::session::{Session, StatementError};
use super::trigger::{Operation, is_refusal};
use crate::connectors::ActionError;

/// How a canary write ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Canary {
    /// It got past the triggers: it succeeded, or a constraint that is checked after them refused it.
    Accepted,
    /// A freeze trigger refused it, with this message.
    Refused(String),
    /// The table is empty: no row exists that it could have touched.
    NoRow,
    /// It failed for another reason and proves nothing.
    Broken(String),
}

/// What a round of canaries must find.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Expected {
    /// Every write is accepted.
    Accepted,
    /// Every write is refused.
    Refused,
}

/// What a round of canaries found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Round {
    accepted: u64,
    refused: u64,
    no_row: u64,
    wrong: Vec<String>,
}

impl Round {
    /// For the evidence.
    pub(super) fn facts(&self) -> Value {
        json!({ "accepted": self.accepted, "refused": self.refused, "no_row_to_write": self.no_row })
    }

    /// Fails when a canary ended otherwise than expected.
    pub(super) fn verdict(&self) -> Result<(), String> {
        match self.wrong.split_first() {
            None => Ok(()),
            Some((first, [])) => Err(first.clone()),
            Some((first, rest)) => Err(format!("{first} (and {} more)", rest.len())),
        }
    }
}

/// Sends canaries of the given kinds to one table, inside the write transaction that is open.
pub(super) fn send(
    session: &Session,
    table: &Table,
    operations: &[Operation],
    expected: Expected,
    round: &mut Round,
) -> Result<(), ActionError> {
    if operations.is_empty() {
        return Ok(());
    }
    let begun = Instant::now();
    let (mut sent, mut ends) = (Vec::new(), Vec::new());
    for operation in operations {
        for sql in statements(session, table, *operation)? {
            let found = one(session, &sql)?;
            let table = &table.name;
            match (&found, expected) {
                (Canary::Accepted, _) => round.accepted += 1,
                (Canary::Refused(_), _) => round.refused += 1,
                (Canary::NoRow, _) => round.no_row += 1,
                (Canary::Broken(_), _) => {}
            }
            let wrong = match (&found, expected) {
                (Canary::Accepted, Expected::Refused) => Some(format!("{table}: {} was accepted", operation.word())),
                (Canary::Refused(message), Expected::Accepted) => {
                    Some(format!("{table}: {} was refused: {message}", operation.word()))
                }
                (Canary::Broken(why), _) => Some(format!("{table}: {} proves nothing: {why}", operation.word())),
                (Canary::Accepted, Expected::Accepted)
                | (Canary::Refused(_), Expected::Refused)
                | (Canary::NoRow, Expected::Accepted | Expected::Refused) => None,
            };
            round.wrong.extend(wrong);
            ends.push(match found {
                Canary::Accepted => "accepted and taken back".to_owned(),
                Canary::Refused(message) => message,
                Canary::NoRow => "no row".to_owned(),
                Canary::Broken(why) => why,
            });
            sent.push(sql);
        }
    }
    ends.dedup();
    session.recorder().question(&format!("SAVEPOINT; {}; ROLLBACK TO", sent.join("; ")), begun.elapsed(), &ends.join("; "));
    Ok(())
}

fn one(session: &Session, sql: &str) -> Result<Canary, ActionError> {
    session.silently(|c| c.execute_batch("SAVEPOINT pointsman_canary"))?;
    let result = session.silently(|c| c.prepare(sql)?.execute([]));
    session.silently(|c| c.execute_batch("ROLLBACK TO pointsman_canary; RELEASE pointsman_canary"))?;
    match result {
        Ok(0) => Ok(Canary::NoRow),
        Ok(_) => Ok(Canary::Accepted),
        Err(StatementError::Stopped(stopped)) => Err(stopped.into()),
        Err(StatementError::Sqlite(rusqlite::Error::SqliteFailure(error, message))) => {
            let message = message.unwrap_or_default();
            Ok(match error.extended_code {
                ffi::SQLITE_CONSTRAINT_TRIGGER if is_refusal(&message) => Canary::Refused(message),
                ffi::SQLITE_CONSTRAINT_TRIGGER => Canary::Broken(message),
                code if code & 0xff == ffi::SQLITE_CONSTRAINT => Canary::Accepted,
                _ => Canary::Broken(message),
            })
        }
        Err(StatementError::Sqlite(error)) => Ok(Canary::Broken(error.to_string())),
    }
}

/// The canary writes of one kind. Each touches one row at most, also when nothing refuses it.
fn statements(session: &Session, table: &Table, operation: Operation) -> Result<Vec<String>, ActionError> {
    let name = quoted(&table.name);
    if operation == Operation::Insert {
        return Ok(["INSERT", "INSERT OR REPLACE"].map(|verb| format!("{verb} INTO {name} DEFAULT VALUES")).to_vec());
    }
    let columns = columns(session, &table.name)?;
    let row = match table.row_id {
        Some(id) => format!("{id} = (SELECT {id} FROM {name} LIMIT 1)"),
        None => {
            let mut key: Vec<_> = columns.iter().filter(|column| column.key > 0).collect();
            key.sort_by_key(|column| column.key);
            let key = key.iter().map(|column| quoted(&column.name)).collect::<Vec<_>>().join(", ");
            format!("({key}) = (SELECT {key} FROM {name} LIMIT 1)")
        }
    };
    match operation {
        Operation::Insert => Ok(Vec::new()),
        Operation::Update => {
            let column = columns.iter().find(|column| column.writable);
            let column = column.ok_or_else(|| ActionError::untouched(format!("{name} has no column that can be written")))?;
            let column = quoted(&column.name);
            Ok(vec![format!("UPDATE {name} SET {column} = {column} WHERE {row}")])
        }
        Operation::Delete => Ok(vec![format!("DELETE FROM {name} WHERE {row}")]),
    }
}
