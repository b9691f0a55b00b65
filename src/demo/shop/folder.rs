//! The folder of one shop: where its databases, its switch and its ledger lie.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use super::ShopError;
use crate::model::Value;

/// One of the two databases.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Side {
    /// The database that the shop moves away from.
    Old,
    /// The database that the shop moves to.
    New,
}

impl Side {
    /// The word in the switch file and in the ledger.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Old => "old",
            Self::New => "new",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Old, Self::New].into_iter().find(|side| side.word() == word)
    }

    /// The other one.
    pub const fn other(self) -> Self {
        match self {
            Self::Old => Self::New,
            Self::New => Self::Old,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A page of the shop's front.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Page {
    /// Whether the shop is open, and into which database the last order went.
    Health,
    /// What a customer sees of the last order.
    LastOrder,
    /// The box for notices.
    Notices,
}

impl Page {
    /// The word in its address.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Health => "health",
            Self::LastOrder => "last-order",
            Self::Notices => "notices",
        }
    }
}

/// What can be wrong with a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// It answers with an error.
    Broken,
    /// It does not answer until the trouble is over.
    Stuck,
}

/// The folder of one shop.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// The shop in this folder.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A database.
    pub fn database(&self, side: Side) -> PathBuf {
        self.0.join(match side {
            Side::Old => "old.db",
            Side::New => "new.db",
        })
    }

    /// The configuration file that names the database of the moment.
    pub fn switch(&self) -> PathBuf {
        self.0.join("shop.json")
    }

    /// Where the writer records every acknowledged order.
    pub fn ledger(&self) -> PathBuf {
        self.0.join("ledger.jsonl")
    }

    /// Where the writer leaves the address of the shop's front.
    pub fn front(&self) -> PathBuf {
        self.0.join("front.url")
    }

    /// While this file is there, that page of the shop's front has that trouble.
    pub fn sign(&self, page: Page, trouble: Trouble) -> PathBuf {
        let trouble = match trouble {
            Trouble::Broken => "broken",
            Trouble::Stuck => "stuck",
        };
        self.0.join(format!("front-{}-is-{trouble}", page.word()))
    }

    /// What both databases looked like when the shop was made.
    pub fn first_shape(&self) -> PathBuf {
        self.0.join("shape.json")
    }

    /// The notices that the front took, one a line.
    pub fn notices(&self) -> PathBuf {
        self.0.join("notices.jsonl")
    }

    /// The database that the switch file names.
    ///
    /// # Errors
    /// When the file cannot be read or names neither database.
    pub fn live_side(&self) -> Result<Side, ShopError> {
        let path = self.switch();
        let text = fs::read_to_string(&path).map_err(ShopError::file(&path))?;
        let wrong = |problem: &str| ShopError::Content { path: path.clone(), problem: problem.to_owned() };
        let value: Value = serde_json::from_str(&text).map_err(|_| wrong("it is not JSON"))?;
        let word = value.get("database").and_then(Value::as_str).ok_or_else(|| wrong("it has no `database`"))?;
        Side::parse(word).ok_or_else(|| wrong("its `database` is neither `old` nor `new`"))
    }

    /// The address of the shop's front, once the writer has it.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn front_url(&self) -> Result<Option<String>, ShopError> {
        let path = self.front();
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text.trim().to_owned())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(ShopError::file(&path)(error)),
        }
    }
}
