//! What is carried from host to host: a bundle or a proof in a file, by which keys it is trusted, and the run that a bundle holds.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Error, Result, bail};
use clap::Args;

use crate::audit::{self, Trust, WitnessLevel, proof, trust};
use crate::log::Verifier;
use crate::model::RunId;
use crate::plan::Plan;
use crate::run::{Event, Record, State};

/// What whoever verifies brings along.
#[derive(Args, Debug)]
pub struct TrustArgs {
    /// Of a bundle or proof: the public key of the installation, from the change ticket; a text or a file
    #[arg(long, value_name = "KEY")]
    key: Vec<String>,
    /// Of a bundle or proof: the public key of a witness; a text or a file
    #[arg(long, value_name = "KEY")]
    witness: Vec<String>,
    /// Of a bundle or proof: a file with the lines of a checkpoint that was pasted into a ticket
    #[arg(long, value_name = "FILE")]
    pasted: Vec<PathBuf>,
    /// Of a bundle or proof: the folder of a store with checkpoints
    #[arg(long, value_name = "FOLDER")]
    store: Vec<PathBuf>,
    /// Of a bundle or proof: how far beyond its host the proof has to reach
    #[arg(long, value_name = "LEVEL", default_value = "L0", value_parser = level)]
    require: WitnessLevel,
}

impl TrustArgs {
    /// Reads what they name.
    ///
    /// # Errors
    /// When a file cannot be read, or is not what it should be.
    pub fn read(&self) -> Result<Trust> {
        let read = |file: &Path| fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()));
        let key = |text: &String| {
            let key = if Path::new(text).is_file() { read(Path::new(text))? } else { text.clone() };
            Verifier::parse(&key).with_context(|| format!("`{}` is no public key", key.trim()))
        };
        let pasted =
            |file: &PathBuf| trust::pasted(&read(file)?).with_context(|| format!("{} holds no checkpoint", file.display()));
        let mut stored = Vec::new();
        for folder in &self.store {
            stored.extend(trust::stored(folder).with_context(|| format!("the store {} cannot be read", folder.display()))?);
        }
        Ok(Trust {
            keys: self.key.iter().map(key).collect::<Result<_>>()?,
            witnesses: self.witness.iter().map(key).collect::<Result<_>>()?,
            pasted: self.pasted.iter().map(pasted).collect::<Result<_>>()?,
            stored,
            required: self.require,
        })
    }
}

fn level(text: &str) -> Result<WitnessLevel, String> {
    WitnessLevel::parse(text).ok_or_else(|| "a level is L0, L1, L2 or L3".to_owned())
}

/// What a file holds that is named where a run could be.
pub enum File {
    /// A run with its proofs.
    Bundle(BufReader<fs::File>),
    /// One record with its proof.
    Proof(String),
}

/// The file, where one is named and no run.
///
/// # Errors
/// When it cannot be read.
pub fn file_at(text: &str) -> Result<Option<File>> {
    if !Path::new(text).is_file() {
        return Ok(None);
    }
    let unreadable = || format!("{text} cannot be read");
    let mut file = BufReader::with_capacity(1 << 20, fs::File::open(text).with_context(unreadable)?);
    if !proof::is_proof(file.fill_buf().with_context(unreadable)?) {
        return Ok(Some(File::Bundle(file)));
    }
    let mut proof = Vec::new();
    file.take(proof::LONGEST).read_to_end(&mut proof).with_context(unreadable)?;
    // What is no text is no proof, and the verification says so.
    Ok(Some(File::Proof(String::from_utf8_lossy(&proof).into_owned())))
}

/// The run that a bundle holds, as far as it can be told.
#[derive(Debug)]
pub struct Carried {
    /// The run.
    pub run: RunId,
    /// The state after the last record that can be told, and the records; else why there is none.
    pub read: Result<(State, Vec<Record>), String>,
    /// Why they end before the last one, where they do.
    pub cut: Option<String>,
    /// The numbers of the records that are withheld.
    pub withheld: Vec<u64>,
}

/// The run of the bundle at this path, and the file from its beginning; none where no file is named.
///
/// # Errors
/// When the file cannot be read, or is no bundle.
pub fn carried(text: &str) -> Result<Option<(Carried, BufReader<fs::File>)>> {
    let mut file = match file_at(text)? {
        None => return Ok(None),
        Some(File::Proof(_)) => bail!("{text} is the proof of one record; a run is in a bundle (`pointsman audit bundle`)"),
        Some(File::Bundle(file)) => file,
    };
    let found = audit::unpack(&mut file).with_context(|| format!("{text} is neither a run nor a bundle of one"))?;
    file.rewind().with_context(|| format!("{text} cannot be read again"))?;
    let (mut cut, withheld, run) = (found.cut, found.withheld, RunId::new(&found.run));
    let read = told(found.plan, found.records, &mut cut);
    Ok(Some((Carried { run, read, cut, withheld }, file)))
}

/// Folds the records as far as they follow from each other.
fn told(plan: Option<Vec<u8>>, records: Vec<Record>, cut: &mut Option<String>) -> Result<(State, Vec<Record>), String> {
    let Some(Event::RunStarted { plan: expected, .. }) = records.first().map(|record| &record.event) else {
        return Err("the first record is withheld, or no record of a run".to_owned());
    };
    let plan = plan.ok_or("the plan is withheld, and without it the records say too little")?;
    let plan = Arc::new(Plan::from_stored(plan, *expected).map_err(|error| format!("{:#}", Error::from(error)))?);
    let mut state = State::new(plan.clone());
    let mut taken: Vec<Record> = Vec::with_capacity(records.len());
    for record in records {
        if let Err(error) = state.apply(&record) {
            *cut = Some(error.to_string());
            // A state that refused a record is not to be used any more: the one before it is made again.
            state = State::new(plan);
            taken.iter().try_for_each(|record| state.apply(record)).map_err(|error| error.to_string())?;
            break;
        }
        taken.push(record);
    }
    Ok((state, taken))
}
