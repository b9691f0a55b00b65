//! What a bundle holds of its run: the plan and the records, for whoever wants to read it as they read a run of this host.

use std::io::BufRead;

use super::bundle::{BundleError, Part, read};
use crate::journal::frame::Header;
use crate::journal::wire;
use crate::run::Record;

/// A run as it stands in a bundle.
#[derive(Clone, Debug, Default)]
pub struct Unpacked {
    /// The run, as the bundle names it.
    pub run: String,
    /// The stored plan, unless it is withheld.
    pub plan: Option<Vec<u8>>,
    /// The records, up to the first one that is not shown or cannot be read.
    pub records: Vec<Record>,
    /// The numbers of the records that are withheld.
    pub withheld: Vec<u64>,
    /// How many records the bundle speaks of.
    pub count: u64,
    /// Why the records end before the last one, where they do.
    pub cut: Option<String>,
}

/// Reads a bundle. Verifies nothing: that is what [`super::verify_bundle`] does.
///
/// # Errors
/// When the file is no bundle.
pub fn unpack(file: &mut dyn BufRead) -> Result<Unpacked, BundleError> {
    let mut found = Unpacked::default();
    read(file, &mut |part| found.take(part))?;
    Ok(found)
}

impl Unpacked {
    fn take(&mut self, part: Part) {
        match part {
            Part::Run(run) => self.run = run,
            Part::Plan(plan) => self.plan = Some(plan),
            Part::Frame(_, frame) => {
                self.count += 1;
                if self.cut.is_some() {
                    return;
                }
                match record(&frame) {
                    Ok(record) => self.records.push(record),
                    Err(why) => self.cut = Some(format!("record {} cannot be read: {why}", self.count)),
                }
            }
            Part::Withheld(..) => {
                self.count += 1;
                self.withheld.push(self.count);
                // What stood there may have changed everything that follows.
                self.cut.get_or_insert_with(|| format!("record {} is withheld", self.count));
            }
            Part::Key(_) | Part::Rotations(_) | Part::Other(_) | Part::Earlier(..) | Part::Checkpoint(_) => {}
        }
    }
}

fn record(frame: &[u8]) -> Result<Record, String> {
    let header = Header::parse(frame).map_err(|flaw| flaw.to_string())?;
    let payload = header.payload_of(frame).map_err(|flaw| flaw.to_string())?;
    let content = wire::decode(payload).map_err(|error| error.to_string())?;
    let wire::Content { at, uptime_ms, event } = content;
    Ok(Record { seq: header.seq, epoch: header.epoch, at, uptime_ms, event })
}
