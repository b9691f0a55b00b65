//! The shop: three processes, two databases, one switch file.
//!
//! It must not know that anybody moves it. It reads the switch file before every order, takes an error for an error, and tries
//! again, as an application does.

mod control;
mod folder;
mod front;
mod ledger;
mod schema;
mod sync;
mod worker;
mod writer;

use std::path::PathBuf;

pub use control::Control;
pub use folder::{Folder, Page, Side, Trouble};
pub use ledger::{Entry, Ledger, Outcome};
pub use schema::{Shape, create, open, open_to_read};

/// What one process of the shop does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Takes orders and serves the shop's front.
    Writer,
    /// Works off the queue of jobs.
    Worker,
    /// Copies the orders of the old database to the new one.
    Sync,
}

impl Role {
    /// Every role, in the order in which they start.
    pub const ALL: [Self; 3] = [Self::Writer, Self::Worker, Self::Sync];

    /// The word on the command line.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Writer => "writer",
            Self::Worker => "worker",
            Self::Sync => "sync",
        }
    }

    /// Does this role's work until `control` ends it.
    ///
    /// # Errors
    /// When a file or a database of the shop cannot be used at all. A refused write is no error: it is tried again.
    pub fn run(self, folder: &Folder, control: &Control) -> Result<(), ShopError> {
        match self {
            Self::Writer => writer::run(folder, control),
            Self::Worker => worker::run(folder, control),
            Self::Sync => sync::run(folder, control),
        }
    }
}

/// Why the shop, or a look at it, cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ShopError {
    /// A file of the shop cannot be used.
    #[error("the shop's file {path} cannot be used")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// A file of the shop does not hold what it should.
    #[error("the shop's file {path} is wrong: {problem}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A database refuses a statement.
    #[error("the database answers with an error")]
    Database(#[from] rusqlite::Error),
}

impl ShopError {
    fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}
