//! The records of a run as JSON lines, so that `pointsman audit show --json | jq` is a natural habit.

use std::io::{self, BufRead, Write};

use super::bundle::{BundleError, Part, read};
use super::proof::Proof;
use crate::journal::frame::Header;
use crate::journal::{Entry, ReadError, Reader, RunFolder, wire};
use crate::model::Digest;

/// Why a journal could not be shown.
#[derive(Debug, thiserror::Error)]
pub enum ShowError {
    /// A record cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The file is no bundle.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A record of a bundle is none.
    #[error("record {0} of the file is damaged; `audit verify` says more")]
    NoRecord(u64),
    /// A record cannot be printed.
    #[error("a record cannot be printed")]
    Print(#[source] io::Error),
}

/// Writes one JSON object per record: `seq`, `epoch`, `batch`, `at`, `uptime_ms`, `chain`, `event`; gives how many.
///
/// Works on a live run too, and ends with its last whole record.
///
/// # Errors
/// When an acknowledged record cannot be read, or `out` fails.
pub fn lines(folder: &RunFolder, out: &mut dyn Write) -> Result<u64, ShowError> {
    let mut count = 0;
    for entry in Reader::open(&folder.journal())? {
        line(&entry?, out).map_err(ShowError::Print)?;
        count += 1;
    }
    Ok(count)
}

/// Writes the records of a bundle in the same way, as they stand in it; a withheld one as its number. Verifies nothing.
///
/// # Errors
/// When the file is no bundle, a record is none, or `out` fails.
pub fn bundle_lines(file: &mut dyn BufRead, out: &mut dyn Write) -> Result<u64, ShowError> {
    let (mut count, mut failed) = (0, Ok(()));
    let mut show = |part: Part| -> Result<(), ShowError> {
        match part {
            Part::Frame(_, frame) => {
                count += 1;
                frame_line(&frame, count, out)
            }
            Part::Withheld(..) => {
                count += 1;
                writeln!(out, "{{\"seq\":{count},\"withheld\":true}}").map_err(ShowError::Print)
            }
            Part::Run(_) | Part::Key(_) | Part::Rotations(_) | Part::Plan(_) => Ok(()),
            Part::Other(_) | Part::Earlier(..) | Part::Checkpoint(_) => Ok(()),
        }
    };
    read(file, &mut |part| {
        if failed.is_ok() {
            failed = show(part);
        }
    })?;
    failed.map(|()| count)
}

/// Writes the record of a proof in the same way. Verifies nothing.
///
/// # Errors
/// When its record is none, or `out` fails.
pub fn proof_line(proof: &Proof, out: &mut dyn Write) -> Result<(), ShowError> {
    frame_line(&proof.frame, 1, out)
}

fn frame_line(frame: &[u8], number: u64, out: &mut dyn Write) -> Result<(), ShowError> {
    let header = Header::parse(frame).map_err(|_| ShowError::NoRecord(number))?;
    let payload = header.payload_of(frame).map_err(|_| ShowError::NoRecord(number))?;
    let place = Place { seq: header.seq, epoch: header.epoch, batch: header.batch, chain: Digest::of(frame) };
    place.line(payload, out).map_err(ShowError::Print)
}

/// What stands before the payload in a line.
struct Place {
    seq: u64,
    epoch: u64,
    batch: u64,
    chain: Digest,
}

impl Place {
    /// The payload is `{"at":…}`: the line is that object with the place put before it.
    fn line(&self, payload: &[u8], out: &mut dyn Write) -> io::Result<()> {
        let Self { seq, epoch, batch, chain } = self;
        write!(out, "{{\"seq\":{seq},\"epoch\":{epoch},\"batch\":{batch},\"chain\":\"{chain}\",")?;
        out.write_all(payload.get(1..).unwrap_or_default())?;
        out.write_all(b"\n")
    }
}

/// Writes one record as one line of JSON.
///
/// # Errors
/// When `out` fails.
pub fn line(entry: &Entry, out: &mut dyn Write) -> io::Result<()> {
    let Entry { record, chain, batch, .. } = entry;
    let mut payload = Vec::new();
    wire::encode(record.at, record.uptime_ms, &record.event, &mut payload)?;
    Place { seq: record.seq, epoch: record.epoch, batch: *batch, chain: *chain }.line(&payload, out)
}
