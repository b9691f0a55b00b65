//! Making a bundle of a run, from its journal and the log of the installation; what is withheld keeps its leaf hash.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};

use super::bundle::Part;
use crate::journal::reader::{Still, still};
use crate::journal::recovery::ExamineError;
use crate::journal::stream::{Cursor, Frames, Step};
use crate::journal::{Nonce, RunFolder, wire};
use crate::log::folder::text_of;
use crate::log::tree::leaf_hash;
use crate::log::{Log, LogError};
use crate::run::Event;

/// What is left out of a bundle. Whole records are: the leaf is over all bytes of a record, so a part of one cannot be shown.
#[derive(Clone, Debug, Default)]
pub struct Withhold {
    /// Records by number.
    pub records: BTreeSet<u64>,
    /// Every record that contains one of these texts.
    pub texts: Vec<String>,
    /// The stored plan.
    pub plan: bool,
}

/// What a bundle holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bundled {
    /// How many records are in it, shown or not.
    pub records: u64,
    /// Those that are not shown.
    pub withheld: Vec<u64>,
    /// How many entries the checkpoint covers.
    pub size: u64,
}

/// Why no bundle was made.
#[derive(Debug, thiserror::Error)]
pub enum BundlingError {
    /// The journal or the file cannot be used.
    #[error("the bundle cannot be made")]
    Io(#[from] io::Error),
    /// The log cannot be used.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The log has no checkpoint over the run.
    #[error("no checkpoint covers this yet; `pointsman audit checkpoint` signs one")]
    NotSigned,
    /// The journal does not hold what the log has of it.
    #[error("record {0} is not the one that the log has; `pointsman audit verify` says more")]
    Foreign(u64),
    /// The journal has no such record.
    #[error("the run has no record {0}")]
    NoRecord(u64),
    /// The first record names the run and its plan.
    #[error("record 1 starts the run and cannot be withheld")]
    First,
}

impl Withhold {
    fn hides(&self, seq: u64, payload: &[u8]) -> bool {
        let contains = |text: &String| payload.windows(text.len().max(1)).any(|part| part == text.as_bytes());
        self.records.contains(&seq) || self.texts.iter().any(contains)
    }
}

/// Writes the bundle of the run in `folder` into `out`, held against the newest checkpoint of `log`.
///
/// # Errors
/// When something cannot be read or written, or the log does not cover the run.
pub fn bundle(folder: &RunFolder, log: &Log, withhold: &Withhold, out: &mut dyn Write) -> Result<Bundled, BundlingError> {
    let signed = log.signed().ok_or(BundlingError::NotSigned)?;
    let size = signed.checkpoint.size;
    let file = File::open(folder.journal())?;
    let (journal, nonce) = opened(&file)?;
    let entries = log.entries_of(nonce)?;
    let covered = entries.partition_point(|(index, _)| *index < size);
    let mut frames = Frames::new(nonce, Cursor::START);
    let mut withheld = Vec::new();
    for (index, entry) in &entries[..covered] {
        let Step::Frame { header, payload, frame, .. } = frames.next(&journal)? else {
            return Err(BundlingError::Foreign(entry.seq));
        };
        if entry.seq != header.seq || entry.leaf != leaf_hash(frame) {
            return Err(BundlingError::Foreign(header.seq));
        }
        if header.seq == 1 {
            head(folder, log, withhold, payload, out)?;
        }
        if withhold.hides(header.seq, payload) {
            if header.seq == 1 {
                return Err(BundlingError::First);
            }
            withheld.push(header.seq);
            Part::Withheld(*index, entry.leaf).write(out)?;
        } else {
            Part::Frame(*index, frame.to_vec()).write(out)?;
        }
    }
    let indexes: Vec<u64> = entries[..covered].iter().map(|(index, _)| *index).collect();
    let first = *indexes.first().ok_or(BundlingError::NotSigned)?;
    let tree = log.tree();
    for other in tree.others(&indexes, size).ok_or(BundlingError::NotSigned)? {
        Part::Other(other).write(out)?;
    }
    for earlier in log.published()?.into_iter().filter(|earlier| (first + 1..=size).contains(&earlier.checkpoint.size)) {
        if let Some(proof) = tree.consistency(earlier.checkpoint.size, size) {
            Part::Earlier(earlier, proof).write(out)?;
        }
    }
    Part::Checkpoint(signed.clone()).write(out)?;
    Ok(Bundled { records: covered as u64, withheld, size })
}

/// The journal as it stands, and the number that all of its records carry.
pub(super) fn opened(file: &File) -> Result<(Still<'_, File>, Nonce), BundlingError> {
    match still(file) {
        Ok((heads, journal)) => Ok((journal, heads.newest().ok_or(BundlingError::NotSigned)?.nonce)),
        Err(ExamineError::Io(error)) => Err(error.into()),
        Err(ExamineError::NotAJournal) => Err(io::Error::from(io::ErrorKind::InvalidData).into()),
    }
}

/// The lines before the records.
fn head(folder: &RunFolder, log: &Log, withhold: &Withhold, first: &[u8], out: &mut dyn Write) -> Result<(), BundlingError> {
    let content = wire::decode(first).map_err(io::Error::from)?;
    let Event::RunStarted { run, .. } = content.event else { return Err(io::Error::from(io::ErrorKind::InvalidData).into()) };
    Part::Run(run.to_string()).write(out)?;
    Part::Key(log.verifier().to_string()).write(out)?;
    if let Some(rotations) = text_of(&log.folder().rotations())? {
        Part::Rotations(rotations).write(out)?;
    }
    if !withhold.plan {
        Part::Plan(fs::read(folder.plan())?).write(out)?;
    }
    Ok(())
}
