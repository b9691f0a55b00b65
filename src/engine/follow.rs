//! Follows a run that another process drives, by the tail of its journal: without its lock, and without costing it anything.
//!
//! A live journal is read behind the back of its writer, so three things happen that a closed one does not know: its last
//! bytes are the middle of a write (they are read again later), another executor takes the run over, and what was never
//! acknowledged is cut or copied away. After each takeover the records that were given are held against the file again.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::load::begin;
use super::{EngineError, Home, is_live};
use crate::journal::head::{Head, Position};
use crate::journal::recovery::{Corruption, read_heads};
use crate::journal::{ReadError, Reader};
use crate::model::RunId;
use crate::run::{Phase, Record, State};

/// How often an end that the head contradicts is looked at before it counts as damage: the head may be a moment younger.
const DOUBTS: u32 = 3;

/// A run that is followed. [`Self::poll`] never waits: whoever calls it says how often, and about four times a second is
/// as often as anything changes for a person.
#[derive(Debug)]
pub struct Follow {
    home: Home,
    run: RunId,
    tail: Tail,
    state: State,
    doubts: u32,
}

impl Follow {
    /// Begins to follow a run; the records that are there come with the first [`Self::poll`].
    ///
    /// # Errors
    /// When the run has no record yet, or its files cannot be read or do not belong together.
    pub fn open(home: &Home, run: &RunId) -> Result<Self, EngineError> {
        let (_, state, _) = begin(home, run)?;
        let tail = Tail::open(&home.folder(run).journal())?;
        Ok(Self { home: home.clone(), run: run.clone(), tail, state, doubts: 0 })
    }

    /// The run.
    pub const fn run_id(&self) -> &RunId {
        &self.run
    }

    /// The fold of every record that [`Self::poll`] gave.
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// Whether the run is over. A person may still take it up again.
    pub const fn is_ended(&self) -> bool {
        matches!(self.state.phase(), Phase::Ended(_))
    }

    /// Whether an executor drives the run now.
    pub fn is_driven(&self) -> bool {
        is_live(&self.home, &self.run)
    }

    /// The records that came since the last call, folded; often none.
    ///
    /// They go on after the ones before, unless the first has the number 1 again: then records that were never acknowledged
    /// are gone with the executor that wrote them, and everything begins anew.
    ///
    /// # Errors
    /// When an acknowledged record is damaged or gone, or a record cannot follow the ones before it. It is no use to ask again.
    pub fn poll(&mut self) -> Result<Vec<Record>, EngineError> {
        if self.tail.is_replaced(&self.path())? {
            self.verify()?;
        }
        let records = self.read()?;
        if !records.is_empty() {
            self.doubts = 0;
            return Ok(records);
        }
        // Nothing came. Where the head knows of more, the bytes at our place are another story than the one that was read.
        if self.tail.head()?.acked.seq <= self.tail.place().seq {
            self.doubts = 0;
            return Ok(records);
        }
        let doubts = self.doubts + 1;
        if doubts > DOUBTS {
            return Err(EngineError::Read(ReadError::Corrupt(self.tail.loss()?)));
        }
        self.verify()?;
        self.doubts = doubts;
        self.read()
    }

    fn path(&self) -> std::path::PathBuf {
        self.home.folder(&self.run).journal()
    }

    fn read(&mut self) -> Result<Vec<Record>, EngineError> {
        let mut records = Vec::new();
        while let Some(record) = self.tail.next()? {
            self.state.apply(&record).map_err(EngineError::Fold)?;
            records.push(record);
        }
        Ok(records)
    }

    /// Reads the file again up to where we are. Where it tells another story, everything begins anew.
    fn verify(&mut self) -> Result<(), EngineError> {
        let mut tail = Tail::open(&self.path())?;
        let reached = self.tail.place();
        while tail.place().seq < reached.seq && tail.next()?.is_some() {}
        if tail.place() == reached {
            self.tail = tail;
        } else {
            *self = Self::open(&self.home, &self.run)?;
        }
        Ok(())
    }
}

/// The end of one journal file.
#[derive(Debug)]
struct Tail {
    reader: Reader,
    /// For the heads, which the reader looks at only once.
    file: File,
    /// Which file it is: a repair may put another one under its name.
    file_id: (u64, u64),
}

impl Tail {
    fn open(path: &Path) -> Result<Self, EngineError> {
        let read = |error: std::io::Error| EngineError::Read(error.into());
        let file = File::open(path).map_err(read)?;
        let meta = file.metadata().map_err(read)?;
        let reader = Reader::over(file.try_clone().map_err(read)?).map_err(EngineError::Read)?;
        Ok(Self { reader, file, file_id: (meta.dev(), meta.ino()) })
    }

    const fn place(&self) -> Position {
        self.reader.place()
    }

    fn next(&mut self) -> Result<Option<Record>, EngineError> {
        Ok(self.reader.next().transpose().map_err(EngineError::Read)?.map(|entry| entry.record))
    }

    /// The newest head as it stands in the file now.
    fn head(&self) -> Result<Head, EngineError> {
        let heads = read_heads(&self.file).map_err(|error| EngineError::Read(error.into()))?;
        Ok(heads.newest().unwrap_or_else(|| self.reader.head()).clone())
    }

    /// Whether another executor opened the journal since, or another file stands in its place.
    fn is_replaced(&self, path: &Path) -> Result<bool, EngineError> {
        let now = fs::metadata(path).map_err(|error| EngineError::Read(error.into()))?;
        Ok((now.dev(), now.ino()) != self.file_id || self.head()?.epoch != self.reader.head().epoch)
    }

    /// What is wrong when the head knows of more than can be read.
    fn loss(&self) -> Result<Corruption, EngineError> {
        let Position { seq: last, offset, .. } = self.place();
        Ok(Corruption::Shortened { acked: self.head()?.acked.seq, last, offset })
    }
}
