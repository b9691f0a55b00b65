//! The head: how far the journal is acknowledged, in two slots that are written in turn.
//!
//! The slots stand in different 4 KiB blocks at the start of the file, so one torn write leaves the other. Each write
//! goes to the slot that is not the newest durable one; the newest valid slot wins. A third block holds the poison mark: it
//! is empty until a write or a sync fails.

use super::frame::{Nonce, array_at, u32_at, u64_at};
use crate::model::{Digest, Timestamp};

/// The bytes of a slot: one block.
pub const SLOT: usize = 4096;
/// Where the poison mark stands.
pub const MARK_START: u64 = 2 * SLOT as u64;
/// Where the first frame stands.
pub const FRAMES_START: u64 = 3 * SLOT as u64;
/// The version of the format that this code writes.
pub const VERSION: u32 = 1;

const MAGIC: [u8; 8] = *b"\xffPMHED\x01\n";
const BOOT: usize = 40;

/// What one slot says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Head {
    /// Counts the writes of the head; the slot is its parity.
    pub generation: u64,
    /// The run.
    pub nonce: Nonce,
    /// The newest epoch that opened the journal.
    pub epoch: u64,
    /// How far the records are acknowledged.
    pub acked: Position,
    /// The clocks of the last acknowledged record, and the boot of the executor.
    pub clocks: Clocks,
    /// Where the journal came from.
    pub origin: Origin,
}

/// A place between two frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Position {
    /// The number of the record that ends here; 0 before the first.
    pub seq: u64,
    /// The offset in the file.
    pub offset: u64,
    /// The SHA-256 of the frame that ends here; zero before the first.
    pub chain: Digest,
}

impl Position {
    /// Before the first record.
    pub const START: Self = Self { seq: 0, offset: FRAMES_START, chain: Digest::ZERO };
}

/// Both clocks, and the boot in which the monotonic one counts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Clocks {
    /// The wall clock.
    pub at: Timestamp,
    /// The monotonic clock, in milliseconds.
    pub uptime_ms: u64,
    /// The boot id; at most 40 bytes of it are kept.
    pub boot: String,
}

/// Where the records before a head came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// An executor wrote them.
    Executor,
    /// Salvage copied the first of them from a damaged journal; acknowledged records were lost. This never goes away.
    Salvage,
}

impl Head {
    /// Where this head stands in the file.
    pub const fn offset(&self) -> u64 {
        (self.generation % 2) * SLOT as u64
    }

    /// The bytes of the slot. The checksum covers the whole block, so that no flipped bit in it goes unnoticed.
    pub fn to_bytes(&self) -> [u8; SLOT] {
        let mut slot = [0; SLOT];
        slot[..8].copy_from_slice(&MAGIC);
        slot[12..16].copy_from_slice(&VERSION.to_le_bytes());
        slot[16..24].copy_from_slice(&self.generation.to_le_bytes());
        slot[24..40].copy_from_slice(self.nonce.as_bytes());
        slot[40..48].copy_from_slice(&self.epoch.to_le_bytes());
        slot[48..56].copy_from_slice(&self.acked.seq.to_le_bytes());
        slot[56..64].copy_from_slice(&self.acked.offset.to_le_bytes());
        slot[64..96].copy_from_slice(self.acked.chain.as_bytes());
        slot[96..104].copy_from_slice(&self.clocks.at.as_millis().to_le_bytes());
        slot[104..112].copy_from_slice(&self.clocks.uptime_ms.to_le_bytes());
        let text = &self.clocks.boot;
        let boot = (0..=text.len().min(BOOT)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        slot[112..112 + boot].copy_from_slice(&text.as_bytes()[..boot]);
        let origin: u32 = match self.origin {
            Origin::Executor => 1,
            Origin::Salvage => 2,
        };
        slot[152..156].copy_from_slice(&origin.to_le_bytes());
        let crc = crc32c::crc32c(&slot[12..]);
        slot[8..12].copy_from_slice(&crc.to_le_bytes());
        slot
    }

    /// Reads a slot; `None` when it is torn, damaged, of another version, or not where its generation belongs.
    pub fn from_bytes(slot: &[u8; SLOT], index: usize) -> Option<Self> {
        if slot[..8] != MAGIC || crc32c::crc32c(&slot[12..]) != u32_at(slot, 8) || u32_at(slot, 12) != VERSION {
            return None;
        }
        let boot = &slot[112..112 + BOOT];
        let boot = &boot[..boot.iter().position(|byte| *byte == 0).unwrap_or(BOOT)];
        let origin = match u32_at(slot, 152) {
            1 => Origin::Executor,
            2 => Origin::Salvage,
            _ => return None,
        };
        let head = Self {
            generation: u64_at(slot, 16),
            nonce: Nonce::from_bytes(array_at(slot, 24)),
            epoch: u64_at(slot, 40),
            acked: Position { seq: u64_at(slot, 48), offset: u64_at(slot, 56), chain: Digest::from_bytes(array_at(slot, 64)) },
            clocks: Clocks {
                at: Timestamp::from_millis(i64::from_le_bytes(array_at(slot, 96))),
                uptime_ms: u64_at(slot, 104),
                boot: std::str::from_utf8(boot).ok()?.to_owned(),
            },
            origin,
        };
        (head.generation % 2 == index as u64).then_some(head)
    }
}

/// The blocks before the first frame, where they could be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Heads {
    /// The two slots.
    pub slots: [Option<Head>; 2],
    /// Whether a write or a sync of this file failed.
    pub mark: Mark,
}

/// The poison mark. It travels through the page cache, where the doubt is: after a failed sync memory may show bytes that
/// the disk does not have. Either the next start finds the mark in that memory and copies the file, or the memory is gone
/// and the file shows what the disk really has. So the mark needs no sync and no checksum: whatever stands there is a mark.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mark {
    /// Nothing failed.
    None,
    /// A write or a sync failed.
    Poisoned,
}

impl Mark {
    /// The block that says this.
    pub fn to_bytes(self) -> [u8; SLOT] {
        match self {
            Self::None => [0; SLOT],
            Self::Poisoned => *b"poisoned".repeat(SLOT / 8).first_chunk().expect("invariant: the text fills the block"),
        }
    }
}

impl Heads {
    /// Reads the blocks before the first frame.
    pub fn from_bytes(bytes: &[u8; 3 * SLOT]) -> Self {
        let slot = |index: usize| Head::from_bytes(&array_at(bytes, index * SLOT), index);
        let mark = if bytes[2 * SLOT..] == Mark::None.to_bytes() { Mark::None } else { Mark::Poisoned };
        Self { slots: [slot(0), slot(1)], mark }
    }

    /// The newest valid slot.
    pub fn newest(&self) -> Option<&Head> {
        self.slots.iter().flatten().max_by_key(|head| head.generation)
    }

    /// The other slot, when both are valid.
    pub fn older(&self) -> Option<&Head> {
        let [Some(a), Some(b)] = &self.slots else { return None };
        Some(if a.generation < b.generation { a } else { b })
    }
}

/// The blocks before the first frame of a new file: `head` in both slots, its generation 0 and 1.
pub fn first_blocks(head: &Head) -> Vec<u8> {
    let slot = |generation| Head { generation, ..head.clone() }.to_bytes();
    [slot(0), slot(1), Mark::None.to_bytes()].concat()
}
