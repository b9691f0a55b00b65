//! Verification of one run's folder: the journal, its head, the stored plan, and what repairs kept.
//!
//! It changes nothing and takes no lock, so it works on a live run as well.

use std::fs::{self, File};
use std::io;

use super::claim::{Claim, Finding, Report, Standing, Subject};
use super::logged;
use crate::journal::frame::Header;
use crate::journal::head::Origin;
use crate::journal::reader::still;
use crate::journal::recovery::{Corruption, Examination, ExamineError, Verdict, examine_from};
use crate::journal::stream::Cursor;
use crate::journal::{ReadAt as _, RunFolder, wire};
use crate::log::{LogFolder, WitnessLevel};
use crate::model::{Digest, RunId, RunOutcome};
use crate::run::Event;

/// Why a folder could not be verified at all.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// A file cannot be read.
    #[error("{file} cannot be read")]
    Io {
        /// The file, as it is called in the run's folder.
        file: String,
        /// What the disk said.
        #[source]
        source: io::Error,
    },
}

/// Verifies the run in `folder`.
///
/// # Errors
/// When a file that is there cannot be read. A file that is missing or damaged is a finding and no error.
pub fn verify(folder: &RunFolder) -> Result<Report, VerifyError> {
    let failed = |source| VerifyError::Io { file: "journal".to_owned(), source };
    let file = match File::open(folder.journal()) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(malformed("the run has no journal".to_owned(), 0)),
        Err(error) => return Err(failed(error)),
    };
    let mut story = Story::default();
    let (examined, bytes) = match still(&file) {
        Ok((heads, still)) => {
            (examine_from(&still, heads, Cursor::START, &mut |header, payload| story.read(header, payload)), still.len)
        }
        Err(error) => (Err(error), file.size().map_err(failed)?),
    };
    let found = match examined {
        Ok(found) => found,
        Err(ExamineError::NotAJournal) => return Ok(malformed(ExamineError::NotAJournal.to_string(), bytes)),
        Err(ExamineError::Io(error)) => return Err(failed(error)),
    };
    let mut claims = places(&found);
    claims.extend([
        story.payloads(),
        story.first_record(),
        plan(folder, story.plan)?,
        story.epochs(),
        kept(folder, &story)?,
        story.end(),
    ]);
    let newest = found.heads.newest();
    Ok(Report {
        standing: standing(&claims),
        claims,
        records: found.end.position.seq,
        chain: found.end.position.chain,
        bytes,
        epoch: newest.map_or(found.end.epoch, |head| head.epoch.max(found.end.epoch)),
        run: story.run,
        outcome: story.outcome,
        witness: WitnessLevel::L0,
    })
}

/// Verifies the run in `folder` as [`verify`] does, and then against the log of its installation.
///
/// # Errors
/// As [`verify`].
pub fn verify_logged(folder: &RunFolder, log: &LogFolder) -> Result<Report, VerifyError> {
    let mut report = verify(folder)?;
    if report.records > 0 {
        report.claims.extend(logged::claims(folder, log)?);
        report.standing = standing(&report.claims);
    }
    Ok(report)
}

pub(super) fn standing(claims: &[Claim]) -> Standing {
    let any = |test: fn(&Finding) -> bool| claims.iter().any(|claim| test(&claim.finding));
    if any(|finding| matches!(finding, Finding::Tampered(_))) {
        Standing::Tampered
    } else if any(|finding| matches!(finding, Finding::Malformed(_))) {
        Standing::Malformed
    } else {
        Standing::Holds
    }
}

pub(super) fn malformed(why: String, bytes: u64) -> Report {
    Report {
        standing: Standing::Malformed,
        claims: vec![claim(Subject::Chain, Finding::Malformed(why))],
        run: None,
        records: 0,
        chain: Digest::ZERO,
        bytes,
        epoch: 0,
        outcome: None,
        witness: WitnessLevel::L0,
    }
}

pub(super) const fn claim(subject: Subject, finding: Finding) -> Claim {
    Claim { subject, finding }
}

/// The claims about bytes and places: chain, head, tail.
fn places(found: &Examination) -> Vec<Claim> {
    let last = found.end.position.seq;
    let whole = format!("records 1 to {last} are whole, in sequence, of this run, and each carries the hash of the one before");
    let head = || {
        let newest = found.heads.newest();
        let slots = found.heads.slots.iter().flatten().count();
        match newest {
            Some(head) if head.origin == Origin::Salvage => {
                Finding::Tampered("this journal was salvaged from a damaged one: acknowledged records were lost".to_owned())
            }
            Some(head) => Finding::Holds(format!(
                "record {} is acknowledged by epoch {}, with the hash that it has; {slots} of 2 slots can be read",
                head.acked.seq, head.epoch
            )),
            None => Finding::Tampered("neither slot can be read".to_owned()),
        }
    };
    let (chain, head, tail) = match found.verdict {
        Verdict::Clean => (Finding::Holds(whole), head(), Finding::Holds("nothing follows the last record".to_owned())),
        Verdict::Unacknowledged { records } => (
            Finding::Holds(whole),
            head(),
            Finding::Holds(format!("{records} records follow the acknowledged ones: written now, or kept at the next start")),
        ),
        Verdict::TornTail { offset, bytes, .. } => (
            Finding::Holds(whole),
            head(),
            Finding::Holds(format!(
                "{bytes} bytes at byte {offset} are no record yet: written now, or torn by a crash and cut at the next start"
            )),
        ),
        Verdict::HeadRebuilt => (Finding::Holds(whole), head(), Finding::NotReached),
        Verdict::Corrupt(corruption) => of_corruption(&corruption, whole),
    };
    vec![claim(Subject::Chain, chain), claim(Subject::Head, head), claim(Subject::Tail, tail)]
}

fn of_corruption(corruption: &Corruption, whole: String) -> (Finding, Finding, Finding) {
    let what = Finding::Tampered(corruption.to_string());
    match corruption {
        Corruption::AcknowledgedLost { .. } | Corruption::Shortened { .. } | Corruption::ChainBroken { .. } => {
            (what, Finding::NotReached, Finding::NotReached)
        }
        Corruption::HeadBehind { .. } | Corruption::HeadLost { .. } | Corruption::HeadsDisagree => {
            (Finding::Holds(whole), what, Finding::NotReached)
        }
        Corruption::RecordAfterHole { .. } | Corruption::TailTooLong { .. } => (Finding::Holds(whole), Finding::NotReached, what),
    }
}

/// The stored plan against the digest in the first record.
fn plan(folder: &RunFolder, started_with: Option<Digest>) -> Result<Claim, VerifyError> {
    let Some(expected) = started_with else { return Ok(claim(Subject::Plan, Finding::NotReached)) };
    let finding = match fs::read(folder.plan()) {
        Ok(stored) if Digest::of(&stored) == expected => {
            Finding::Holds(format!("plan.json is the plan that the run was started with, {expected}"))
        }
        Ok(stored) => Finding::Tampered(format!(
            "plan.json is not the plan that the run was started with: it hashes to {}, record 1 says {expected}",
            Digest::of(&stored)
        )),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Finding::Tampered(format!("plan.json is gone; record 1 says {expected}"))
        }
        Err(source) => return Err(VerifyError::Io { file: "plan.json".to_owned(), source }),
    };
    Ok(claim(Subject::Plan, finding))
}

/// The files that repairs kept, against the records that name them.
fn kept(folder: &RunFolder, story: &Story) -> Result<Claim, VerifyError> {
    let mut gone = Vec::new();
    for (name, bytes) in &story.kept {
        match fs::metadata(folder.path().join(name)) {
            Ok(file) if file.len() >= *bytes => {}
            Ok(file) => gone.push(format!("{name} has {} bytes, its record speaks of {bytes}", file.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => gone.push(format!("{name} is gone")),
            Err(source) => return Err(VerifyError::Io { file: name.clone(), source }),
        }
    }
    let finding = match (story.kept.len(), gone.is_empty()) {
        (0, _) => Finding::Holds("no repair is on record".to_owned()),
        (count, true) => Finding::Holds(format!("what {count} repairs took away is still there")),
        (_, false) => Finding::Tampered(gone.join("; ")),
    };
    Ok(claim(Subject::Kept, finding))
}

/// What the records themselves say, gathered while the chain is checked.
#[derive(Default)]
pub(super) struct Story {
    records: u64,
    unreadable: Option<String>,
    pub run: Option<RunId>,
    pub plan: Option<Digest>,
    starts: Vec<u64>,
    epoch: u64,
    executors: u64,
    kept: Vec<(String, u64)>,
    pub outcome: Option<RunOutcome>,
}

impl Story {
    pub fn read(&mut self, header: &Header, payload: &[u8]) {
        self.records += 1;
        self.epoch = header.epoch;
        let event = match wire::decode(payload) {
            Ok(content) => content.event,
            Err(error) => {
                self.unreadable.get_or_insert_with(|| format!("record {} cannot be read: {error}", header.seq));
                return;
            }
        };
        self.executors += u64::from(matches!(event, Event::ExecutorStarted { .. }));
        if let Event::RunReopened { .. } = event {
            self.outcome = None;
        } else if let Event::RunEnded { outcome } = event {
            self.outcome = Some(outcome);
        } else if let Event::RunStarted { run, plan, .. } = event {
            self.starts.push(header.seq);
            self.run.get_or_insert(run);
            self.plan.get_or_insert(plan);
        } else if let Event::JournalRepaired { bytes, kept } = event {
            self.kept.push((kept, bytes));
        }
    }

    pub fn payloads(&self) -> Claim {
        let finding = match &self.unreadable {
            None if self.records == 1 => Finding::Holds("what the record says can be read by this version".to_owned()),
            None => Finding::Holds(format!("what {} records say can be read by this version", self.records)),
            Some(why) => Finding::Malformed(why.clone()),
        };
        claim(Subject::Payloads, finding)
    }

    pub fn first_record(&self) -> Claim {
        let finding = match (self.starts.as_slice(), self.records) {
            ([1], _) => Finding::Holds("record 1, and no other, starts the run".to_owned()),
            (_, 0) => Finding::Malformed("the journal holds no record".to_owned()),
            ([], _) => Finding::Malformed("no record starts the run".to_owned()),
            (starts, _) => Finding::Tampered(format!("records {starts:?} start the run; only record 1 may")),
        };
        claim(Subject::FirstRecord, finding)
    }

    fn epochs(&self) -> Claim {
        let finding = match self.records {
            0 => Finding::NotReached,
            _ => Finding::Holds(format!(
                "epochs never fall, up to {}; executors that said who they are: {}",
                self.epoch, self.executors
            )),
        };
        claim(Subject::Epochs, finding)
    }

    fn end(&self) -> Claim {
        claim(
            Subject::End,
            Finding::Holds(match self.outcome {
                Some(outcome) => format!("the run ended: {outcome}"),
                None => "the run is not over".to_owned(),
            }),
        )
    }
}
