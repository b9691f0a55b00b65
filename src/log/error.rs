//! Why the log could not be used, or must not be believed.

use std::io;
use std::path::PathBuf;

use super::key::KeyError;

/// What went wrong with the log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A file operation failed.
    #[error("cannot {attempted} {}", path.display())]
    Io {
        /// What was tried.
        attempted: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// There is no randomness.
    #[error("the system has no randomness to give")]
    NoChance(#[source] io::Error),
    /// The key cannot be used.
    #[error("the key of this installation cannot be used")]
    Key(#[source] KeyError),
    /// Another process has held the log for too long.
    #[error("another process holds the log of this installation")]
    Busy,
    /// The log has fewer entries than its checkpoint signs.
    #[error("the log has {there} whole entries, its checkpoint signs {signed}: entries were lost or damaged")]
    Shortened {
        /// How many entries can be read.
        there: u64,
        /// How many are signed.
        signed: u64,
    },
    /// The entries are not those that the checkpoint signs.
    #[error("the first {size} entries of the log are not those that its checkpoint signs")]
    Contradicted {
        /// The size of the checkpoint.
        size: u64,
    },
    /// The checkpoint is not signed by the key of this installation.
    #[error("the checkpoint of the log is not signed by the key of this installation")]
    NotSigned,
    /// A file does not hold what it should.
    #[error("{} is not {what}", path.display())]
    Malformed {
        /// What should be there.
        what: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// A journal does not go on from what the log has of it.
    #[error("{}: record {seq} is not the one that the log has", journal.display())]
    Foreign {
        /// The journal.
        journal: PathBuf,
        /// The record that differs.
        seq: u64,
    },
}

impl LogError {
    pub(super) fn io(attempted: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { attempted, path, source }
    }

    /// Whether the log contradicts itself, as opposed to not being usable now.
    pub const fn is_damage(&self) -> bool {
        match self {
            Self::Shortened { .. }
            | Self::Contradicted { .. }
            | Self::NotSigned
            | Self::Malformed { .. }
            | Self::Foreign { .. } => true,
            Self::Io { .. } | Self::NoChance(_) | Self::Key(_) | Self::Busy => false,
        }
    }
}
