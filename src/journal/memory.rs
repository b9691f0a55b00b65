//! A disk in memory that fails on request: the page cache, the platter below it, and what a crash leaves of both.
//!
//! For tests and for the simulated world of rehearsals. It is as unkind as a real one: a sync that failed drops pages and
//! marks them clean, a crash keeps any subset of the sectors that were not synced, torn in the middle, with zeros or old
//! garbage in the holes. Operations are counted, so that a test can fail each one of them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::storage::{ReadAt, Storage};

const PAGE: usize = 4096;
const SECTOR: usize = 512;

/// A handle on a disk; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Memory(Arc<Mutex<Disk>>);

/// Something that goes wrong at an operation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Fault {
    /// The power fails in the middle of the operation. Nothing works until [`Memory::restart`].
    Crash,
    /// The process dies in the middle of the operation; the page cache lives on. Nothing works until [`Memory::restart`].
    Kill,
    /// The operation fails with an input/output error. A sync loses a random part of what it was to write.
    Error,
    /// A write runs out of space after this many bytes.
    NoSpace(usize),
}

/// What happens to the unsynced bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Loss {
    /// The machine lost power: any subset of them is gone.
    Power,
    /// Only the process died: the page cache still has them.
    Nothing,
}

#[derive(Debug, Default)]
struct Disk {
    exists: bool,
    /// What is on the platter.
    durable: Vec<u8>,
    /// What reading shows: the page cache.
    seen: Vec<u8>,
    /// Pages that a sync will write.
    dirty: BTreeSet<usize>,
    kept: BTreeMap<String, Vec<u8>>,
    holder: u64,
    operations: u64,
    syncs: u64,
    planned: BTreeMap<u64, Fault>,
    fired: Vec<(u64, Fault)>,
    down: Option<Loss>,
    chance: Chance,
}

/// A small seeded generator (SplitMix64).
#[derive(Debug, Default)]
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % (bound.max(1) as u64)).unwrap_or(0)
    }
}

impl Memory {
    /// An empty disk whose losses follow `seed`.
    pub fn new(seed: u64) -> Self {
        let memory = Self::default();
        memory.disk().chance = Chance(seed);
        memory
    }

    /// A disk that holds these bytes as its journal, all durable.
    pub fn holding(bytes: Vec<u8>) -> Self {
        let memory = Self::default();
        {
            let mut disk = memory.disk();
            disk.exists = true;
            disk.seen.clone_from(&bytes);
            disk.durable = bytes;
        }
        memory
    }

    /// Plans `fault` for the operation with this number (from 0, counted over the life of the disk).
    pub fn fail_at(&self, operation: u64, fault: Fault) {
        self.disk().planned.insert(operation, fault);
    }

    /// How many operations that change or sync something were asked for so far.
    pub fn operations(&self) -> u64 {
        self.disk().operations
    }

    /// How many syncs of the journal succeeded so far.
    pub fn syncs(&self) -> u64 {
        self.disk().syncs
    }

    /// The faults that really happened, with the numbers of their operations.
    pub fn fired(&self) -> Vec<(u64, Fault)> {
        self.disk().fired.clone()
    }

    /// What reading the journal shows now.
    pub fn bytes(&self) -> Vec<u8> {
        self.disk().seen.clone()
    }

    /// The files that repairs kept.
    pub fn kept(&self) -> BTreeMap<String, Vec<u8>> {
        self.disk().kept.clone()
    }

    /// Whether a crash or a kill ended the machine or the process.
    pub fn is_down(&self) -> bool {
        self.disk().down.is_some()
    }

    /// Ends the machine or the process now, between two operations.
    pub fn stop(&self, loss: Loss) {
        self.disk().down = Some(loss);
    }

    /// Starts again after a crash, a kill or a stop: what was unsynced is lost as it was said, and the disk works.
    pub fn restart(&self) {
        let mut disk = self.disk();
        match disk.down.take() {
            Some(Loss::Power) => disk.lose_power(),
            Some(Loss::Nothing) | None => {}
        }
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Disk {
    /// Counts an operation and says which fault it meets.
    fn begin(&mut self) -> io::Result<Option<Fault>> {
        self.check_up()?;
        let number = self.operations;
        self.operations += 1;
        let fault = self.planned.remove(&number);
        if let Some(fault) = fault {
            self.fired.push((number, fault));
        }
        Ok(fault)
    }

    fn check_up(&self) -> io::Result<()> {
        if self.down.is_some() { Err(io::Error::new(io::ErrorKind::BrokenPipe, "the machine is down")) } else { Ok(()) }
    }

    /// Begins an operation that happens whole or not at all.
    fn begin_whole(&mut self) -> io::Result<()> {
        match self.begin()? {
            None => Ok(()),
            Some(fault) => {
                self.down_by(fault);
                Err(fault.error())
            }
        }
    }

    const fn down_by(&mut self, fault: Fault) {
        match fault {
            Fault::Crash => self.down = Some(Loss::Power),
            Fault::Kill => self.down = Some(Loss::Nothing),
            Fault::Error | Fault::NoSpace(_) => {}
        }
    }

    fn put(&mut self, bytes: &[u8], offset: usize) {
        if bytes.is_empty() {
            return;
        }
        let end = offset + bytes.len();
        if self.seen.len() < end {
            self.seen.resize(end, 0);
        }
        self.seen[offset..end].copy_from_slice(bytes);
        self.dirty.extend(offset / PAGE..=(end - 1) / PAGE);
    }

    fn flush(&mut self, page: usize) {
        let start = page * PAGE;
        let end = (start + PAGE).min(self.seen.len());
        if start >= end {
            return;
        }
        if self.durable.len() < end {
            self.durable.resize(end, 0);
        }
        self.durable[start..end].copy_from_slice(&self.seen[start..end]);
    }

    /// A sync that fails writes some pages, loses the others, and calls all of them clean.
    fn lose_sync(&mut self) {
        for page in std::mem::take(&mut self.dirty) {
            if self.chance.below(2) == 0 {
                self.flush(page);
            }
        }
    }

    /// What the platter holds after the power failed: of each sector that was not synced the old, the new, or both halves.
    fn lose_power(&mut self) {
        let mut left = std::mem::take(&mut self.durable);
        // The length is metadata: it arrives with some of the bytes or before them.
        let len = match self.chance.below(3) {
            0 => left.len(),
            1 => self.seen.len(),
            _ => {
                let (low, high) = (left.len().min(self.seen.len()), left.len().max(self.seen.len()));
                low + self.chance.below(high - low + 1)
            }
        };
        let garbage = self.chance.below(4) == 0;
        let before = left.len();
        left.resize(len, 0);
        if garbage {
            for byte in left.iter_mut().skip(before) {
                *byte = self.chance.next().to_le_bytes()[0];
            }
        }
        for page in std::mem::take(&mut self.dirty) {
            for sector in 0..PAGE / SECTOR {
                let start = page * PAGE + sector * SECTOR;
                let whole = (start + SECTOR).min(self.seen.len()).min(len);
                let end = match self.chance.below(5) {
                    0 | 1 => start,
                    2 => start + self.chance.below(SECTOR),
                    _ => start + SECTOR,
                }
                .min(whole);
                if start < end {
                    left[start..end].copy_from_slice(&self.seen[start..end]);
                }
            }
        }
        self.seen.clone_from(&left);
        self.durable = left;
    }
}

impl Fault {
    fn error(self) -> io::Error {
        match self {
            Self::Crash | Self::Kill => io::Error::new(io::ErrorKind::BrokenPipe, "the machine is down"),
            Self::Error => io::Error::other("input/output error"),
            Self::NoSpace(_) => io::Error::new(io::ErrorKind::StorageFull, "no space left on device"),
        }
    }
}

impl ReadAt for Memory {
    fn size(&self) -> io::Result<u64> {
        let disk = self.disk();
        disk.check_up()?;
        if disk.exists { Ok(disk.seen.len() as u64) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let disk = self.disk();
        disk.check_up()?;
        if !disk.exists {
            return Err(io::ErrorKind::NotFound.into());
        }
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(disk.seen.len());
        let len = buffer.len().min(disk.seen.len() - start);
        buffer[..len].copy_from_slice(&disk.seen[start..start + len]);
        Ok(len)
    }
}

impl Storage for Memory {
    fn create(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut disk = self.disk();
        disk.begin_whole()?;
        if disk.exists {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        disk.exists = true;
        disk.seen = bytes.to_vec();
        disk.durable = bytes.to_vec();
        Ok(())
    }

    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut disk = self.disk();
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        let Some(fault) = disk.begin()? else {
            disk.put(bytes, offset);
            return Ok(());
        };
        let part = match fault {
            Fault::NoSpace(part) => part.min(bytes.len()),
            Fault::Crash | Fault::Kill | Fault::Error => disk.chance.below(bytes.len() + 1),
        };
        disk.put(&bytes[..part], offset);
        disk.down_by(fault);
        Err(fault.error())
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        let mut disk = self.disk();
        disk.begin_whole()?;
        disk.seen.truncate(usize::try_from(len).map_err(io::Error::other)?);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut disk = self.disk();
        if let Some(fault) = disk.begin()? {
            match fault {
                Fault::Crash | Fault::Kill => {}
                Fault::Error | Fault::NoSpace(_) => disk.lose_sync(),
            }
            disk.down_by(fault);
            return Err(fault.error());
        }
        for page in std::mem::take(&mut disk.dirty) {
            disk.flush(page);
        }
        let len = disk.seen.len();
        disk.durable.resize(len, 0);
        disk.syncs += 1;
        Ok(())
    }

    fn sync_folder(&mut self) -> io::Result<()> {
        self.disk().begin_whole()
    }

    fn keep(&mut self, name: &str, from: u64) -> io::Result<String> {
        let mut disk = self.disk();
        disk.begin_whole()?;
        let start = usize::try_from(from).unwrap_or(usize::MAX).min(disk.seen.len());
        let copy = disk.seen[start..].to_vec();
        let name = format!("kept/{name}");
        disk.kept.insert(name.clone(), copy);
        Ok(name)
    }

    fn rebuild(&mut self, name: &str, upto: u64) -> io::Result<String> {
        let mut disk = self.disk();
        disk.begin_whole()?;
        let name = format!("kept/{name}");
        let old = disk.seen.clone();
        disk.kept.entry(name.clone()).or_insert(old);
        disk.seen.truncate(usize::try_from(upto).map_err(io::Error::other)?);
        disk.durable = disk.seen.clone();
        disk.dirty.clear();
        Ok(name)
    }

    fn claim(&mut self, epoch: u64) -> io::Result<()> {
        let mut disk = self.disk();
        disk.check_up()?;
        disk.holder = epoch;
        Ok(())
    }

    fn holder(&mut self) -> io::Result<u64> {
        let disk = self.disk();
        disk.check_up()?;
        Ok(disk.holder)
    }
}
