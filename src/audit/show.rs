//! The records of a run as JSON lines, so that `pointsman audit show --json | jq` is a natural habit.

use std::io::{self, Write};

use crate::journal::{Entry, ReadError, Reader, RunFolder, wire};
use crate::model::Value;

/// Why a journal could not be shown.
#[derive(Debug, thiserror::Error)]
pub enum ShowError {
    /// A record cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
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

/// Writes one record as one line of JSON.
///
/// # Errors
/// When `out` fails.
pub fn line(entry: &Entry, out: &mut dyn Write) -> io::Result<()> {
    let Entry { record, chain, batch, .. } = entry;
    let mut payload = Vec::new();
    wire::encode(record.at, record.uptime_ms, &record.event, &mut payload)?;
    // The payload is `{"at":…}`: the line is that object with the place put before it.
    let (epoch, seq, chain) = (record.epoch, record.seq, Value::String(chain.to_string()));
    write!(out, "{{\"seq\":{seq},\"epoch\":{epoch},\"batch\":{batch},\"chain\":{chain},")?;
    out.write_all(&payload[1..])?;
    out.write_all(b"\n")
}
