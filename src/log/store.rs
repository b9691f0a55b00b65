//! The log on disk: entries are appended and synced, then a checkpoint over them is signed. It never signs two checkpoints
//! that contradict each other: before each one it computes the root that the last one signed, from the entries that are there.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

use super::checkpoint::Checkpoint;
use super::diary;
use super::entry::{ENTRY, Entry, entries};
use super::folder::text_of;
use super::key::{Found, KeyError, Signer, Use, Verifier};
use super::note::Note;
use super::{LogError, LogFolder, Tree, rotation};
use crate::journal::Nonce;
use crate::journal::folder::write_whole;
use crate::model::Timestamp;

/// The log of an installation.
#[derive(Debug)]
pub struct Log {
    pub(super) folder: LogFolder,
    pub(super) tree: Tree,
    /// The last entry of every run.
    pub(super) last: HashMap<Nonce, Entry>,
    file: File,
    verifier: Verifier,
    signer: Option<Signer>,
    signed: Option<Signed>,
}

/// A checkpoint with its signatures.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Signed {
    /// What is signed.
    pub checkpoint: Checkpoint,
    /// The same as a note.
    pub note: Note,
}

/// Whether a log was made just now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Made {
    /// It was there.
    Before,
    /// Its key is new: nobody outside this host has the public half yet.
    Now,
}

/// Who asked for the key of a log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A person, with `pointsman init`: the public half can be in a ticket before the first record.
    Init,
    /// The first run of an installation without a log.
    FirstRun,
}

impl Log {
    /// Opens the log in `folder`; where there is none, makes it, with a new key that is named `name`.
    ///
    /// # Errors
    /// When it cannot be read or made, or contradicts its checkpoint.
    pub fn open_or_make(folder: &LogFolder, name: &str, by: Origin, at: Timestamp) -> Result<(Self, Made), LogError> {
        folder.make()?;
        let turn = folder.lock()?;
        if folder.public_key().exists() {
            drop(turn);
            return Ok((Self::open(folder)?, Made::Before));
        }
        // A key without its public file is what a crash left that made it: it is taken up.
        let signer = match Signer::load(&folder.key()).map_err(LogError::Key)? {
            Some(signer) => signer,
            None => {
                let signer = Signer::draw(name, Use::Log).map_err(LogError::Key)?;
                signer.store(&folder.key()).map_err(LogError::Key)?;
                signer
            }
        };
        let verifier = signer.verifier();
        write_whole(&folder.public_key(), format!("{verifier}\n").as_bytes())
            .map_err(LogError::io("write", folder.public_key()))?;
        drop(turn);
        let mut log = Self::open(folder)?;
        log.note(at, diary::Entry::KeyMade { key: verifier.to_string(), by })?;
        Ok((log, Made::Now))
    }

    /// Opens the log in `folder`. Without the right to read the private key it can be read and followed, and signs nothing.
    ///
    /// # Errors
    /// When it is not there, cannot be read, or contradicts its checkpoint.
    pub fn open(folder: &LogFolder) -> Result<Self, LogError> {
        let failed = || LogError::io("read", folder.public_key());
        let text = fs::read_to_string(folder.public_key()).map_err(failed())?;
        let malformed = || LogError::Malformed { what: "a public key", path: folder.public_key() };
        let verifier = Verifier::parse(&text).filter(|key| key.kind() == Use::Log).ok_or_else(malformed)?;
        let signer = match Signer::load(&folder.key()) {
            Err(KeyError::Io(error)) if error.kind() == io::ErrorKind::PermissionDenied => None,
            loaded => match loaded.map_err(LogError::Key)? {
                Some(signer) if signer.verifier() == verifier => Some(signer),
                Some(_) | None => rotation::finish(folder, &verifier)?,
            },
        };
        let path = folder.leaves();
        let mut options = OpenOptions::new();
        let file = match options.read(true).write(true).create(true).truncate(false).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => File::open(&path),
            opened => opened,
        };
        let mut log = Self {
            folder: folder.clone(),
            tree: Tree::default(),
            last: HashMap::new(),
            file: file.map_err(LogError::io("open", path))?,
            verifier,
            signer,
            signed: None,
        };
        log.refresh()?;
        Ok(log)
    }

    /// The public key that checkpoints are verified with.
    pub const fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// The tree over the entries.
    pub const fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The newest checkpoint.
    pub const fn signed(&self) -> Option<&Signed> {
        self.signed.as_ref()
    }

    /// Whether this process can sign checkpoints.
    pub const fn can_sign(&self) -> bool {
        self.signer.is_some()
    }

    /// Where it lies.
    pub const fn folder(&self) -> &LogFolder {
        &self.folder
    }

    /// The checkpoints that left this host, in the order in which they did.
    ///
    /// # Errors
    /// When the list cannot be read.
    pub fn published(&self) -> Result<Vec<Signed>, LogError> {
        let path = self.folder.published();
        let text = text_of(&path)?.unwrap_or_default();
        let note = |line: &str| Signed::parse(&String::from_utf8(BASE64.decode(line).ok()?).ok()?);
        // A line that a crash tore is the last one: that checkpoint was not given away yet.
        Ok(text.lines().map_while(note).collect())
    }

    /// How many entries a witness has signed, as far as this log knows.
    pub fn witnessed(&self, witness: &Verifier) -> Option<u64> {
        let published = self.published().ok()?;
        let signed = published.iter().rev().find(|signed| matches!(witness.look_at(&signed.note), Found::Signed(_)));
        signed.map(|signed| signed.checkpoint.size)
    }

    /// Remembers that a checkpoint is about to leave this host, or came back with the signature of a witness.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn publish(&self, signed: &Signed) -> Result<(), LogError> {
        let path = self.folder.published();
        let _turn = self.folder.lock()?;
        let mut lines: String =
            text_of(&path)?.unwrap_or_default().split_inclusive('\n').filter(|line| line.ends_with('\n')).collect();
        lines.push_str(&BASE64.encode(signed.note.to_string()));
        lines.push('\n');
        write_whole(&path, lines.as_bytes()).map_err(LogError::io("write", path))
    }

    /// The entries of one run with their indexes, in the order of the log.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn entries_of(&self, nonce: Nonce) -> Result<Vec<(u64, Entry)>, LogError> {
        let bytes = self.bytes(0, self.tree.size() * ENTRY as u64)?;
        Ok((0..).zip(entries(&bytes)).filter(|(_, entry)| entry.nonce == nonce).collect())
    }

    /// Signs the state of the log, durably before anybody sees it. Where nothing came since the last time, that one is given.
    ///
    /// # Errors
    /// When it cannot be written, the log contradicts its last checkpoint, or this process has no key.
    pub fn sign(&mut self) -> Result<Signed, LogError> {
        let _turn = self.folder.lock()?;
        self.refresh()?;
        let size = self.tree.size();
        if let Some(signed) = self.signed.as_ref().filter(|signed| signed.checkpoint.size == size) {
            return Ok(signed.clone());
        }
        let signer = self.signer.as_ref().ok_or(LogError::Key(KeyError::NoKey))?;
        let origin = self.verifier.name().to_owned();
        let checkpoint = Checkpoint { origin, size, root: self.tree.root() };
        let mut note = Note::of(checkpoint.to_string());
        note.signatures.push(signer.sign(&note.text, 0));
        let path = self.folder.checkpoint();
        write_whole(&path, note.to_string().as_bytes()).map_err(LogError::io("write", path))?;
        let signed = Signed { checkpoint, note };
        self.signed = Some(signed.clone());
        Ok(signed)
    }

    /// Puts a new key in the place of the old one. The statement about it is signed by both, and so is the next checkpoint's
    /// log: whoever holds the old public key can follow.
    ///
    /// # Errors
    /// When this process has no key, or a file cannot be written.
    pub fn rotate(&mut self, at: Timestamp) -> Result<Verifier, LogError> {
        self.sign()?;
        let old = self.signer.as_ref().ok_or(LogError::Key(KeyError::NoKey))?;
        let new = Signer::draw(self.verifier.name(), Use::Log).map_err(LogError::Key)?;
        let verifier = new.verifier();
        let turn = self.folder.lock()?;
        rotation::record(&self.folder, old, &new, at)?;
        rotation::replace(&self.folder, &new)?;
        drop(turn);
        let replaced = std::mem::replace(&mut self.verifier, verifier.clone());
        self.signer = Some(new);
        self.note(at, diary::Entry::KeyReplaced { old: replaced.to_string(), new: verifier.to_string() })?;
        self.sign()?;
        Ok(verifier)
    }

    /// Adds entries, durably. The caller holds the lock and has refreshed.
    pub(super) fn append(&mut self, new: &[Entry]) -> Result<(), LogError> {
        let path = self.folder.leaves();
        let end = self.tree.size() * ENTRY as u64;
        let failed = |attempted| LogError::io(attempted, &path);
        // What a crash tore behind the whole entries is written over; the journals still have it.
        self.file.set_len(end).map_err(failed("cut"))?;
        let bytes: Vec<u8> = new.iter().flat_map(|entry| entry.to_bytes()).collect();
        self.file.write_all_at(&bytes, end).map_err(failed("write"))?;
        self.file.sync_data().map_err(failed("sync"))?;
        self.take(new.iter().copied());
        Ok(())
    }

    /// Reads what other processes added, and holds it against the newest checkpoint.
    pub(super) fn refresh(&mut self) -> Result<(), LogError> {
        // The checkpoint first: it is written after its entries, so these are there when it is.
        let path = self.folder.checkpoint();
        let text = text_of(&path)?;
        let have = self.tree.size() * ENTRY as u64;
        let len = self.file.metadata().map_err(LogError::io("read", self.folder.leaves()))?.len();
        if len > have {
            let bytes = self.bytes(have, len)?;
            self.take(entries(&bytes));
        }
        let Some(text) = text else { return Ok(()) };
        if self.signed.as_ref().is_some_and(|signed| signed.note.to_string() == text) {
            return Ok(());
        }
        let signed = Signed::parse(&text).ok_or(LogError::Malformed { what: "a checkpoint", path })?;
        self.check(&signed)?;
        self.signed = Some(signed);
        Ok(())
    }

    fn check(&self, signed: &Signed) -> Result<(), LogError> {
        let Checkpoint { origin, size, root } = &signed.checkpoint;
        let signers = rotation::keys(&self.folder, &self.verifier)?;
        let by_us = signers.iter().any(|key| key.look_at(&signed.note) == Found::Signed(None));
        if !by_us || origin != self.verifier.name() {
            return Err(LogError::NotSigned);
        }
        match self.tree.root_at(*size) {
            None => Err(LogError::Shortened { there: self.tree.size(), signed: *size }),
            Some(there) if there != *root => Err(LogError::Contradicted { size: *size }),
            Some(_) => Ok(()),
        }
    }

    fn take(&mut self, new: impl Iterator<Item = Entry>) {
        for entry in new {
            self.tree.push(entry.leaf);
            self.last.insert(entry.nonce, entry);
        }
    }

    fn bytes(&self, from: u64, upto: u64) -> Result<Vec<u8>, LogError> {
        let mut bytes = vec![0; usize::try_from(upto - from).unwrap_or(usize::MAX)];
        self.file.read_exact_at(&mut bytes, from).map_err(LogError::io("read", self.folder.leaves()))?;
        Ok(bytes)
    }
}

impl Signed {
    /// Reads the note of a checkpoint; verifies nothing.
    pub fn parse(text: &str) -> Option<Self> {
        let note = Note::parse(text).ok()?;
        Some(Self { checkpoint: Checkpoint::parse(&note.text)?, note })
    }
}
