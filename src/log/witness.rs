//! A witness (c2sp.org/tlog-witness): signs that it saw a log grow, and nothing before changed. The other half of a proof, on
//! another host.
//!
//! It keeps the newest checkpoint of each log that it knows, durably before it answers, and signs no smaller and no other one.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::checkpoint::{hash, hash_text, number};
use super::folder::text_of;
use super::tree::consistency_holds;
use super::{Found, KeyError, LogError, Note, Signed, Signer, Use, Verifier};
use crate::journal::folder::write_whole;
use crate::model::Digest;

/// The most hashes that a proof may have.
const MOST_HASHES: usize = 63;

/// A witness with its key and what it has seen.
#[derive(Debug)]
pub struct Witness {
    folder: PathBuf,
    signer: Signer,
    logs: Vec<Verifier>,
    /// Held as long as the witness lives: two processes on one folder could sign a fork.
    _lock: File,
}

/// What a witness answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// The lines of its signatures.
    Signed(String),
    /// What was asked does not begin where the witness is: it has seen this many entries.
    Behind(u64),
    /// It has seen another root over the same number of entries.
    Forked,
    /// It does not know the log.
    Unknown,
    /// The checkpoint is not signed by the key of the log.
    NotSigned,
    /// The proof does not hold.
    NoProof,
    /// The request is none.
    Malformed,
}

impl Answer {
    /// The status of HTTP, and the body.
    pub fn http(&self) -> (u16, String) {
        match self {
            Self::Signed(lines) => (200, lines.clone()),
            Self::Behind(size) => (409, format!("{size}\n")),
            Self::Forked => (409, "another root over the same number of entries\n".to_owned()),
            Self::Unknown => (404, "this witness does not know the log\n".to_owned()),
            Self::NotSigned => (403, "not signed by the key of the log\n".to_owned()),
            Self::NoProof => (422, "the proof of consistency does not hold\n".to_owned()),
            Self::Malformed => (400, "this is no request to add a checkpoint\n".to_owned()),
        }
    }
}

/// What is asked of a witness.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// How many entries the witness has seen, as far as the log knows.
    pub old: u64,
    /// The proof that the log goes on from there.
    pub proof: Vec<Digest>,
    /// The checkpoint.
    pub signed: Signed,
}

impl Request {
    /// The body of the request.
    pub fn body(&self) -> String {
        let proof: String = self.proof.iter().map(|hash| format!("{}\n", hash_text(hash))).collect();
        format!("old {}\n{proof}\n{}", self.old, self.signed.note)
    }

    /// Reads a body.
    pub fn parse(body: &str) -> Option<Self> {
        let (head, note) = body.split_once("\n\n")?;
        let mut lines = head.split('\n');
        let old = number(lines.next()?.strip_prefix("old ")?)?;
        let proof: Vec<Digest> = lines.map(hash).collect::<Option<_>>()?;
        (proof.len() <= MOST_HASHES).then_some(())?;
        Some(Self { old, proof, signed: Signed::parse(note)? })
    }
}

impl Witness {
    /// Opens the witness in `folder`, or makes it there with a new key that is named `name`. It witnesses `logs` and no others.
    ///
    /// # Errors
    /// When its files cannot be used, or another process is this witness already.
    pub fn open(folder: &Path, name: &str, logs: Vec<Verifier>) -> Result<Self, LogError> {
        fs::create_dir_all(folder).map_err(LogError::io("make", folder))?;
        let path = folder.join("lock");
        let lock = File::create(&path).map_err(LogError::io("open", &path))?;
        lock.try_lock().map_err(|_| LogError::Busy)?;
        let key = folder.join("key");
        let signer = match Signer::load(&key).map_err(LogError::Key)? {
            Some(signer) => signer,
            None => {
                let signer = Signer::draw(name, Use::Witness).map_err(LogError::Key)?;
                signer.store(&key).map_err(LogError::Key)?;
                signer
            }
        };
        if signer.verifier().kind() != Use::Witness {
            return Err(LogError::Key(KeyError::NoKey));
        }
        Ok(Self { folder: folder.to_owned(), signer, logs, _lock: lock })
    }

    /// The public key that its signatures are verified with.
    pub fn verifier(&self) -> Verifier {
        self.signer.verifier()
    }

    /// Answers a request at `time`, in seconds since 1970.
    ///
    /// # Errors
    /// When what it has seen cannot be read or written; then nothing was signed.
    pub fn add_checkpoint(&mut self, body: &str, time: u64) -> Result<Answer, LogError> {
        let Some(Request { old, proof, signed }) = Request::parse(body) else { return Ok(Answer::Malformed) };
        let Signed { checkpoint, note } = &signed;
        let mut keys = self.logs.iter().filter(|key| key.name() == checkpoint.origin).peekable();
        if keys.peek().is_none() {
            return Ok(Answer::Unknown);
        }
        if !keys.any(|key| key.look_at(note) == Found::Signed(None)) {
            return Ok(Answer::NotSigned);
        }
        if old > checkpoint.size {
            return Ok(Answer::Malformed);
        }
        let path = self.seen(&checkpoint.origin);
        let before = match text_of(&path)? {
            Some(text) => {
                Some(Signed::parse(&text).ok_or(LogError::Malformed { what: "a checkpoint", path: path.clone() })?.checkpoint)
            }
            None => None,
        };
        let (size, root) = before.map_or((0, super::tree::empty_root()), |before| (before.size, before.root));
        if old != size {
            return Ok(Answer::Behind(size));
        }
        if size == checkpoint.size && root != checkpoint.root {
            return Ok(Answer::Forked);
        }
        if !consistency_holds(size, root, checkpoint.size, checkpoint.root, &proof) {
            return Ok(Answer::NoProof);
        }
        write_whole(&path, note.to_string().as_bytes()).map_err(LogError::io("write", path))?;
        Ok(Answer::Signed(format!("{}\n", self.signer.sign(&note.text, time))))
    }

    /// The newest checkpoint of a log.
    fn seen(&self, origin: &str) -> PathBuf {
        self.folder.join(format!("seen-{}", Digest::of(origin.as_bytes()).short()))
    }
}

/// Whether a signature line is that of `witness` over the checkpoint.
pub(super) fn cosigned(signed: &Signed, lines: &str, witness: &Verifier) -> Option<Signed> {
    let mut with = signed.clone();
    with.note = Note::parse(&format!("{}{lines}", signed.note)).ok()?;
    let Found::Signed(Some(_)) = witness.look_at(&with.note) else { return None };
    // Signatures of keys that nobody asked for are left out.
    with.note.signatures.retain(|line| line.name == witness.name() || signed.note.signatures.contains(line));
    Some(with)
}
