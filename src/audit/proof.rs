//! The proof of one record (c2sp.org/tlog-proof): the record, its place in the log, and the checkpoint that leads to, as a text
//! that can be verified anywhere, also by other people's programs.
//!
//! ```text
//! c2sp.org/tlog-proof@v1
//! extra <base64 of the record's frame, as it stands in the journal>
//! index <its place in the log>
//! <the hashes beside its way to the root, one a line>
//!
//! <the signed checkpoint>
//! ```

use std::fmt;
use std::fs::File;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::bundling::{BundlingError, opened};
use super::claim::{Finding, Report, Subject};
use super::offline::standing;
use super::seal::Seal;
use super::trust::Trust;
use super::verify::{Story, claim, malformed};
use crate::journal::frame::Header;
use crate::journal::stream::{Cursor, Frames, Step};
use crate::journal::{Nonce, RunFolder};
use crate::log::checkpoint::{hash, hash_text, number};
use crate::log::tree::{inclusion_holds, leaf_hash};
use crate::log::{Checkpoint, Found, Log, Signed, Use};
use crate::model::Digest;

/// The first line.
const TITLE: &str = "c2sp.org/tlog-proof@v1";
/// The most hashes that lead to a root.
const MOST_HASHES: usize = 63;
/// The longest proof that is read: the largest frame in base64, and what stands around it.
pub const LONGEST: u64 = 4 << 20;

/// The proof of one record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Proof {
    /// The record, as its frame stands in the journal.
    pub frame: Vec<u8>,
    /// Its place in the log.
    pub index: u64,
    /// The hashes beside its way to the root, from below.
    pub hashes: Vec<Digest>,
    /// The checkpoint.
    pub signed: Signed,
}

impl Proof {
    /// Reads a proof; verifies nothing.
    pub fn parse(text: &str) -> Option<Self> {
        let (head, note) = text.split_once("\n\n")?;
        let mut lines = head.split('\n');
        (lines.next()? == TITLE).then_some(())?;
        let frame = BASE64.decode(lines.next()?.strip_prefix("extra ")?).ok()?;
        let index = number(lines.next()?.strip_prefix("index ")?)?;
        let hashes: Vec<Digest> = lines.map(hash).collect::<Option<_>>()?;
        (hashes.len() <= MOST_HASHES).then_some(())?;
        Some(Self { frame, index, hashes, signed: Signed::parse(note)? })
    }

    /// Whether the record stands where the proof says.
    fn leads_to_root(&self) -> bool {
        let Checkpoint { size, root, .. } = self.signed.checkpoint;
        inclusion_holds(leaf_hash(&self.frame), self.index, size, &self.hashes, root)
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{TITLE}\nextra {}\nindex {}", BASE64.encode(&self.frame), self.index)?;
        for hash in &self.hashes {
            writeln!(f, "{}", hash_text(hash))?;
        }
        write!(f, "\n{}", self.signed.note)
    }
}

/// Whether a file begins as a proof does.
pub fn is_proof(start: &[u8]) -> bool {
    start.strip_prefix(TITLE.as_bytes()).is_some_and(|rest| rest.first() == Some(&b'\n'))
}

/// Proves the record `seq` of the run in `folder`, by the newest checkpoint that a witness has signed, or else by the newest.
///
/// # Errors
/// When something cannot be read, or no checkpoint covers the record.
pub fn prove(folder: &RunFolder, log: &Log, seq: u64) -> Result<Proof, BundlingError> {
    let file = File::open(folder.journal())?;
    let (journal, nonce) = opened(&file)?;
    let mut frames = Frames::new(nonce, Cursor::START);
    let frame = loop {
        match frames.next(&journal)? {
            Step::Frame { header, frame, .. } if header.seq == seq => break frame.to_vec(),
            Step::Frame { .. } => {}
            Step::End | Step::Flaw(_) => return Err(BundlingError::NoRecord(seq)),
        }
    };
    let entries = log.entries_of(nonce)?;
    let (index, entry) = *entries.iter().find(|(_, entry)| entry.seq == seq).ok_or(BundlingError::NotSigned)?;
    if entry.leaf != leaf_hash(&frame) {
        return Err(BundlingError::Foreign(seq));
    }
    let signed = checkpoint_over(log, index)?;
    let hashes = log.tree().inclusion(index, signed.checkpoint.size).ok_or(BundlingError::NotSigned)?;
    Ok(Proof { frame, index, hashes, signed })
}

/// The checkpoint that says most about the entry `index`.
fn checkpoint_over(log: &Log, index: u64) -> Result<Signed, BundlingError> {
    let ours = |signed: &Signed| log.verifier().look_at(&signed.note) == Found::Signed(None);
    let covers = |signed: &Signed| signed.checkpoint.size > index && signed.checkpoint.size <= log.tree().size();
    let published = log.published()?.into_iter().rev();
    let mut witnessed = published.filter(|signed| signed.note.signatures.len() > 1 && covers(signed) && ours(signed));
    let newest = || log.signed().cloned().filter(covers);
    witnessed.next().or_else(newest).ok_or(BundlingError::NotSigned)
}

/// Verifies the proof of one record, with nothing but it and what the verifier brings along.
pub fn verify_proof(text: &str, trust: &Trust) -> Report {
    let bytes = text.len() as u64;
    let Some(proof) = Proof::parse(text) else {
        return malformed("this is no proof of a record, to the letter".to_owned(), bytes);
    };
    let mut story = Story::default();
    let record = whole(&proof.frame, &mut story);
    let size = proof.signed.checkpoint.size;
    let log = if proof.leads_to_root() {
        Finding::Holds(format!(
            "the record is entry {} of the log: its bytes lead to the root of its {size} entries",
            proof.index
        ))
    } else {
        Finding::Tampered(format!("the bytes of the record do not lead to the root of the log of {size} entries"))
    };
    let seal = Seal { key: signer(&proof.signed, trust), signed: Some(proof.signed.clone()), ..Seal::default() };
    let (checkpoint, witness, level) = match (&seal.key, trust.keys.is_empty()) {
        (None, true) => {
            let origin = &proof.signed.checkpoint.origin;
            let text = format!("whether {origin} signs it, only somebody can tell who has its key from elsewhere (`--key`)");
            let (_, witness, level) = seal.claims(trust, proof.index);
            (claim(Subject::Checkpoint, Finding::Unproven(text)), witness, level)
        }
        _ => seal.claims(trust, proof.index),
    };
    let epoch = Header::parse(&proof.frame).map_or(0, |header| header.epoch);
    let mut claims = vec![claim(Subject::Chain, record), story.payloads(), claim(Subject::Log, log), checkpoint, witness];
    claims.sort_by_key(|claim| claim.subject);
    Report {
        standing: standing(&claims),
        run: story.run.clone(),
        records: 1,
        chain: Digest::of(&proof.frame),
        bytes,
        epoch,
        outcome: None,
        witness: level,
        claims,
    }
}

/// The key that was brought along and has signed; where none has, the first one, so that the claim says so.
fn signer(signed: &Signed, trust: &Trust) -> Option<String> {
    let mut keys = trust.keys.iter().filter(|key| key.kind() == Use::Log);
    let has_signed =
        keys.clone().find(|key| key.name() == signed.checkpoint.origin && key.look_at(&signed.note) == Found::Signed(None));
    has_signed.or_else(|| keys.next()).map(ToString::to_string)
}

/// Whether the bytes of the proof are one whole record, and what it says of itself.
fn whole(frame: &[u8], story: &mut Story) -> Finding {
    let read = || -> Result<(Header, &[u8]), String> {
        let header = Header::parse(frame).map_err(|flaw| flaw.to_string())?;
        let payload = header.payload_of(frame).map_err(|flaw| flaw.to_string())?;
        if header.frame_len() == frame.len() { Ok((header, payload)) } else { Err("bytes follow its end".to_owned()) }
    };
    match read() {
        Ok((header, payload)) => {
            story.read(&header, payload);
            let Header { seq, nonce, prev, .. } = header;
            Finding::Holds(format!(
                "it is record {seq}, whole, of the journal {}, and carries the hash of the one before it, {prev}",
                journal_name(nonce)
            ))
        }
        Err(why) => Finding::Tampered(format!("the record: {why}")),
    }
}

/// The number that all records of one run carry.
fn journal_name(nonce: Nonce) -> String {
    nonce.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}
