//! Where a secret comes from. The value itself is never here: only its place.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A reference to a secret; the engine reads it just before use and nobody stores it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretRef {
    /// An environment variable of the executor.
    Env(String),
    /// The first line of a file, which others must not be able to read.
    File(String),
    /// The first line that a program prints; an argv list, never a shell line.
    Command(Vec<String>),
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "secret from env {name}"),
            Self::File(path) => write!(f, "secret from file {path}"),
            Self::Command(argv) => write!(f, "secret from command {}", argv.first().map_or("", String::as_str)),
        }
    }
}
