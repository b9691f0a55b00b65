//! What the shop told its customers, written by the shop itself: one line per acknowledged order and per kind of refusal.
//!
//! An acknowledgement is on disk before the next order is taken, so that after any crash the ledger is the truth against which
//! the databases are compared.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::{Folder, ShopError, Side};
use crate::model::{Timestamp, Value};

/// What became of one attempt to place an order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The database took it and the customer was told so.
    Acknowledged {
        /// How many attempts were refused before.
        refusals: u64,
    },
    /// The database did not take it.
    Refused {
        /// What the database said.
        why: String,
    },
}

/// One line of the ledger.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// The order.
    pub order: u64,
    /// The database that was asked, where the switch file named one.
    pub side: Option<Side>,
    /// What came of it.
    pub outcome: Outcome,
}

/// The ledger as read, oldest line first.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Ledger {
    /// The lines.
    pub entries: Vec<Entry>,
}

impl Ledger {
    /// Reads the shop's ledger. A last line without its line break was never acknowledged and is left out.
    ///
    /// # Errors
    /// When the file cannot be read, or a whole line is not one of the ledger.
    pub fn read(folder: &Folder) -> Result<Self, ShopError> {
        let path = folder.ledger();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(ShopError::file(&path)(error)),
        };
        let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
        let parse = |(number, line): (usize, &str)| {
            entry(line)
                .ok_or_else(|| ShopError::Content { path: path.clone(), problem: format!("line {} is not an entry", number + 1) })
        };
        Ok(Self { entries: whole.lines().enumerate().map(parse).collect::<Result<_, _>>()? })
    }

    /// The acknowledged orders, in the order in which customers were told.
    pub fn acknowledged(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| match entry.outcome {
            Outcome::Acknowledged { .. } => true,
            Outcome::Refused { .. } => false,
        })
    }

    /// How often an order was refused before it was acknowledged, over all orders.
    pub fn refusals(&self) -> u64 {
        self.entries
            .iter()
            .map(|entry| match entry.outcome {
                Outcome::Acknowledged { refusals } => refusals,
                Outcome::Refused { .. } => 0,
            })
            .sum()
    }

    /// For each time in which writes were refused: from the last acknowledgement before to the first one after.
    pub fn outages(&self) -> Vec<Duration> {
        let mut outages = Vec::new();
        let mut last = None;
        for entry in self.acknowledged() {
            let refused = matches!(entry.outcome, Outcome::Acknowledged { refusals } if refusals > 0);
            if let (true, Some(before)) = (refused, last) {
                outages.push(entry.at.since(before));
            }
            last = Some(entry.at);
        }
        outages
    }
}

/// The end of the ledger that the writer holds.
#[derive(Debug)]
pub(super) struct Pen {
    file: File,
    path: std::path::PathBuf,
}

impl Pen {
    pub(super) fn open(path: &Path) -> Result<Self, ShopError> {
        let file = OpenOptions::new().create(true).append(true).open(path).map_err(ShopError::file(path))?;
        Ok(Self { file, path: path.to_owned() })
    }

    /// Writes a line; an acknowledgement is on disk when this returns.
    pub(super) fn write(&mut self, entry: &Entry) -> Result<(), ShopError> {
        let line = line(entry);
        self.file.write_all(line.as_bytes()).map_err(ShopError::file(&self.path))?;
        match entry.outcome {
            Outcome::Acknowledged { .. } => self.file.sync_data().map_err(ShopError::file(&self.path)),
            Outcome::Refused { .. } => Ok(()),
        }
    }
}

fn line(entry: &Entry) -> String {
    let side = entry.side.map(Side::word);
    let at = entry.at.as_millis();
    let value = match &entry.outcome {
        Outcome::Acknowledged { refusals } => {
            json!({ "at_ms": at, "order": entry.order, "database": side, "acknowledged": true, "refusals": refusals })
        }
        Outcome::Refused { why } => {
            json!({ "at_ms": at, "order": entry.order, "database": side, "acknowledged": false, "why": why })
        }
    };
    format!("{value}\n")
}

fn entry(line: &str) -> Option<Entry> {
    let value: Value = serde_json::from_str(line).ok()?;
    let outcome = if value.get("acknowledged")?.as_bool()? {
        Outcome::Acknowledged { refusals: value.get("refusals")?.as_u64()? }
    } else {
        Outcome::Refused { why: value.get("why")?.as_str()?.to_owned() }
    };
    let side = match value.get("database")? {
        Value::Null => None,
        word => Some(Side::parse(word.as_str()?)?),
    };
    Some(Entry { at: Timestamp::from_millis(value.get("at_ms")?.as_i64()?), order: value.get("order")?.as_u64()?, side, outcome })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acknowledged(at: i64, order: u64, refusals: u64) -> Entry {
        let outcome = Outcome::Acknowledged { refusals };
        Entry { at: Timestamp::from_millis(at), order, side: Some(Side::Old), outcome }
    }

    #[test]
    fn lines_come_back_and_a_torn_one_does_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let shop = Folder::new(folder.path());
        let refused = Entry {
            at: Timestamp::from_millis(7),
            order: 2,
            side: None,
            outcome: Outcome::Refused { why: "no \"switch\"".to_owned() },
        };
        let entries = vec![acknowledged(5, 1, 0), refused, acknowledged(9, 2, 4)];
        let mut pen = Pen::open(&shop.ledger()).expect("a ledger");
        entries.iter().for_each(|entry| pen.write(entry).expect("written"));
        assert_eq!(Ledger::read(&shop).expect("readable").entries, entries);

        let whole = fs::read(shop.ledger()).expect("bytes");
        fs::write(shop.ledger(), &whole[..whole.len() - 1]).expect("torn");
        assert_eq!(Ledger::read(&shop).expect("readable").entries, entries[..2]);
        fs::write(shop.ledger(), b"{}\n").expect("wrong");
        assert!(Ledger::read(&shop).is_err(), "a whole line that is no entry is an error");
    }

    #[test]
    fn an_outage_runs_from_acknowledgement_to_acknowledgement() {
        let entries =
            vec![acknowledged(100, 1, 0), acknowledged(105, 2, 0), acknowledged(2_105, 3, 80), acknowledged(2_110, 4, 0)];
        let ledger = Ledger { entries };
        assert_eq!(ledger.outages(), [Duration::from_secs(2)]);
        assert_eq!(ledger.refusals(), 80);
    }
}
