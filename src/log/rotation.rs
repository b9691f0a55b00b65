//! How one key of an installation followed another: a statement that both have signed.
//!
//! Whoever was given the first public key can follow the statements to the newest one, and trusts nothing on the way that the
//! key before did not sign.

use std::fs;

use super::folder::text_of;
use super::key::{Found, Signer, Use, Verifier};
use super::note::Note;
use super::{LogError, LogFolder};
use crate::journal::folder::write_whole;
use crate::model::Timestamp;

const TITLE: &str = "pointsman key rotation v1";

/// One statement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rotation {
    /// The key that ends.
    pub old: Verifier,
    /// The key that begins.
    pub new: Verifier,
    /// The statement with both signatures.
    pub note: Note,
}

impl Rotation {
    /// Reads a statement; `None` when it is none, or either key has not signed it.
    pub fn parse(text: &str) -> Option<Self> {
        let note = Note::parse(text).ok()?;
        let mut lines = note.text.strip_suffix('\n')?.split('\n');
        let key = |line: &str, word| Verifier::parse(line.strip_prefix(word)?).filter(|key| key.kind() == Use::Log);
        let (title, old, new) = (lines.next()?, key(lines.next()?, "old ")?, key(lines.next()?, "new ")?);
        lines.next()?.strip_prefix("at ")?;
        let signed = [&old, &new].iter().all(|key| key.look_at(&note) == Found::Signed(None));
        (title == TITLE && lines.next().is_none() && signed && old.name() == new.name()).then_some(Self { old, new, note })
    }
}

/// Every statement of a text, oldest first; `None` when one of them is none.
pub fn parse_all(text: &str) -> Option<Vec<Rotation>> {
    let mut rest = text;
    let mut found = Vec::new();
    while !rest.is_empty() {
        // The next statement begins with its title; what is before it belongs to this one.
        let end = rest[1..].find(TITLE).map_or(rest.len(), |at| at + 1);
        found.push(Rotation::parse(&rest[..end])?);
        rest = &rest[end..];
    }
    Some(found)
}

/// The keys that follow from `first` by these statements, `first` among them.
pub fn successors(first: &Verifier, rotations: &[Rotation]) -> Vec<Verifier> {
    let mut keys = vec![first.clone()];
    for rotation in rotations {
        // A statement whose new key never came into use, because of a crash, is followed by another one of the same old key.
        if keys.contains(&rotation.old) {
            keys.push(rotation.new.clone());
        }
    }
    keys
}

/// The keys of the log in `folder`: `newest`, and those before it.
pub(super) fn keys(folder: &LogFolder, newest: &Verifier) -> Result<Vec<Verifier>, LogError> {
    let path = folder.rotations();
    let text = text_of(&path)?.unwrap_or_default();
    let rotations = parse_all(&text).ok_or(LogError::Malformed { what: "a list of key rotations", path })?;
    let mut keys = vec![newest.clone()];
    for rotation in rotations.iter().rev() {
        if keys.last() == Some(&rotation.new) {
            keys.push(rotation.old.clone());
        }
    }
    Ok(keys)
}

/// Writes down that `new` follows `old`.
pub(super) fn record(folder: &LogFolder, old: &Signer, new: &Signer, at: Timestamp) -> Result<(), LogError> {
    let path = folder.rotations();
    let mut note = Note::of(format!("{TITLE}\nold {}\nnew {}\nat {at}\n", old.verifier(), new.verifier()));
    note.signatures = vec![old.sign(&note.text, 0), new.sign(&note.text, 0)];
    let text = text_of(&path)?.unwrap_or_default() + &note.to_string();
    write_whole(&path, text.as_bytes()).map_err(LogError::io("write", path))
}

/// Puts the new key into the place of the old one. The new public key is what counts: after a crash before it the old key is
/// still whole, after one behind it [`finish`] puts the private key into its place.
pub(super) fn replace(folder: &LogFolder, new: &Signer) -> Result<(), LogError> {
    let waiting = waiting(folder);
    let _ = fs::remove_file(&waiting);
    new.store(&waiting).map_err(LogError::Key)?;
    let path = folder.public_key();
    write_whole(&path, format!("{}\n", new.verifier()).as_bytes()).map_err(LogError::io("write", path))?;
    fs::rename(&waiting, folder.key()).map_err(LogError::io("replace", folder.key()))
}

/// The private key that belongs to `verifier`, where a crash left it beside its place.
pub(super) fn finish(folder: &LogFolder, verifier: &Verifier) -> Result<Option<Signer>, LogError> {
    let signer = Signer::load(&waiting(folder)).map_err(LogError::Key)?.filter(|signer| signer.verifier() == *verifier);
    if signer.is_some() {
        fs::rename(waiting(folder), folder.key()).map_err(LogError::io("replace", folder.key()))?;
    }
    Ok(signer)
}

fn waiting(folder: &LogFolder) -> std::path::PathBuf {
    folder.path().join("key.next")
}
