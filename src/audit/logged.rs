//! A run against the log of its installation: whether its records are entries of the log, and who has signed that.

use std::fs::File;
use std::io;

use super::claim::{Claim, Finding, Subject};
use super::verify::{VerifyError, claim};
use crate::journal::reader::still;
use crate::journal::recovery::ExamineError;
use crate::journal::stream::{Cursor, Frames, Step};
use crate::journal::{RunFolder, lock};
use crate::log::entry::Entry;
use crate::log::store::Origin;
use crate::log::tree::leaf_hash;
use crate::log::{Log, LogError, LogFolder, diary};

/// The claims about the log and its newest checkpoint.
pub(super) fn claims(folder: &RunFolder, log: &LogFolder) -> Result<Vec<Claim>, VerifyError> {
    let both = |log: Finding, checkpoint: Finding| Ok(vec![claim(Subject::Log, log), claim(Subject::Checkpoint, checkpoint)]);
    if !log.public_key().exists() {
        let none = "this installation has no log; `pointsman init`, or the next run, begins one".to_owned();
        return both(Finding::Unproven(none), Finding::NotReached);
    }
    let log = match Log::open(log) {
        Ok(log) => log,
        Err(error) if error.is_damage() => return both(Finding::Tampered(error.to_string()), Finding::NotReached),
        Err(LogError::Io { path, source, .. }) => {
            return Err(VerifyError::Io { file: path.to_string_lossy().into_owned(), source });
        }
        Err(error) => return both(Finding::Unproven(error.to_string()), Finding::NotReached),
    };
    let found = Found::of(folder, &log)?;
    both(found.entries(folder), found.checkpoint(&log))
}

/// What the log has of a run.
struct Found {
    /// The last whole record of the journal.
    records: u64,
    /// The entries of the run, by index.
    entries: Vec<(u64, Entry)>,
    /// The first record that the log has with other bytes, or has and the journal has not.
    wrong: Option<u64>,
}

impl Found {
    fn of(folder: &RunFolder, log: &Log) -> Result<Self, VerifyError> {
        let failed = |source| VerifyError::Io { file: "journal".to_owned(), source };
        let file = File::open(folder.journal()).map_err(failed)?;
        let (heads, still) = match still(&file) {
            Ok(found) => found,
            Err(ExamineError::Io(error)) => return Err(failed(error)),
            Err(ExamineError::NotAJournal) => return Err(failed(io::ErrorKind::InvalidData.into())),
        };
        let Some(head) = heads.newest() else { return Ok(Self { records: 0, entries: Vec::new(), wrong: None }) };
        let entries = log
            .entries_of(head.nonce)
            .map_err(|error| VerifyError::Io { file: "log".to_owned(), source: io::Error::other(error) })?;
        let (mut known, mut wrong, mut records) = (entries.iter(), None, 0);
        let mut frames = Frames::new(head.nonce, Cursor::START);
        while let Step::Frame { header, frame, .. } = frames.next(&still).map_err(failed)? {
            records = header.seq;
            if let Some((_, entry)) = known.next()
                && (entry.seq != header.seq || entry.leaf != leaf_hash(frame))
            {
                wrong.get_or_insert(header.seq);
            }
        }
        if let Some((_, lost)) = known.next() {
            wrong.get_or_insert(lost.seq);
        }
        Ok(Self { records, entries, wrong })
    }

    fn entries(&self, folder: &RunFolder) -> Finding {
        if let Some(seq) = self.wrong {
            return Finding::Tampered(format!(
                "record {seq} is not the one that the log has: the journal was written anew, or cut"
            ));
        }
        let logged = self.entries.len() as u64;
        if logged == self.records {
            return Finding::Holds(format!("records 1 to {logged} are entries of the log of this installation, byte for byte"));
        }
        let live = lock::holder(folder).is_ok_and(|holder| holder.is_some());
        let why = if live { "with the next checkpoint" } else { "when Pointsman runs here next" };
        let text = format!("records {} to {} are not in the log yet; they enter it {why}", logged + 1, self.records);
        if live { Finding::Holds(text) } else { Finding::Unproven(text) }
    }

    fn checkpoint(&self, log: &Log) -> Finding {
        let Some(signed) = log.signed() else {
            return Finding::Unproven("the log has no signed checkpoint yet".to_owned());
        };
        let size = signed.checkpoint.size;
        let covered = self.entries.iter().take_while(|(index, _)| *index < size).count() as u64;
        let key = log.verifier();
        let text = format!("{key} signs {size} entries, and with them records 1 to {covered} of this run; {}", made_by(log));
        if covered == self.records && covered > 0 {
            Finding::Holds(text)
        } else {
            Finding::Unproven(format!("{text}. The records after that are not signed yet"))
        }
    }
}

/// A key that a run made has no witness in a ticket; a key of `init` may have one.
fn made_by(log: &Log) -> &'static str {
    let first = log.diary().ok().and_then(|diary| diary.into_iter().next());
    match first.map(|line| line.event) {
        Some(diary::Entry::KeyMade { by: Origin::Init, .. }) => "the key was made by `pointsman init`",
        Some(diary::Entry::KeyMade { by: Origin::FirstRun, .. }) => {
            "the first run made the key, and nobody outside this host had it before: compare it with what a ticket says"
        }
        Some(_) | None => "when the key was made is not on record",
    }
}
