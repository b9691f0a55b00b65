//! What a verifier brings along, and has not from the bundle: keys, pasted checkpoints, a store, and what it asks for.

use std::fs;
use std::io;
use std::path::Path;

use crate::log::{Checkpoint, Signed, Verifier, WitnessLevel};

/// What is believed without a proof.
#[derive(Clone, Debug)]
pub struct Trust {
    /// The public keys of the installation, from the change ticket.
    pub keys: Vec<Verifier>,
    /// The public keys of witnesses.
    pub witnesses: Vec<Verifier>,
    /// Checkpoints that were pasted into a ticket.
    pub pasted: Vec<Checkpoint>,
    /// Checkpoints from a store that nobody can rewrite.
    pub stored: Vec<Checkpoint>,
    /// How far a proof has to reach.
    pub required: WitnessLevel,
}

impl Default for Trust {
    fn default() -> Self {
        Self { keys: Vec::new(), witnesses: Vec::new(), pasted: Vec::new(), stored: Vec::new(), required: WitnessLevel::L0 }
    }
}

/// The checkpoint in a text that was pasted: its three lines, with or without the signatures below.
pub fn pasted(text: &str) -> Option<Checkpoint> {
    let text = text.trim_start();
    let three: Vec<&str> = text.lines().map(str::trim_end).take(3).collect();
    Checkpoint::parse(&format!("{}\n", three.join("\n")))
}

/// The checkpoints in a store: every file of a folder that holds one, and those of the folders in it.
///
/// # Errors
/// When a folder or file cannot be read.
pub fn stored(folder: &Path) -> io::Result<Vec<Checkpoint>> {
    let mut found = Vec::new();
    let mut names: Vec<_> = fs::read_dir(folder)?.collect::<Result<_, _>>()?;
    names.sort_by_key(fs::DirEntry::file_name);
    for entry in names.into_iter().filter(|entry| !entry.file_name().to_string_lossy().starts_with('.')) {
        if entry.file_type()?.is_dir() {
            found.extend(stored(&entry.path())?);
        } else if let Some(signed) = fs::read(entry.path()).ok().and_then(|text| Signed::parse(&String::from_utf8(text).ok()?)) {
            found.push(signed.checkpoint);
        }
    }
    Ok(found)
}
