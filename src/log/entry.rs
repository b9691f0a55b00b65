//! One entry of the log as it lies on disk: the hash of a frame, and where that frame stands.
//!
//! Sixty-eight bytes of fixed place, so that the entry of any index can be read by itself, each with its own checksum, so that
//! what a crash tore is seen.

use crate::journal::Nonce;
use crate::model::Digest;

/// The bytes of an entry.
pub const ENTRY: usize = 68;

/// One entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The leaf hash of the frame.
    pub leaf: Digest,
    /// The run, or the diary of the installation.
    pub nonce: Nonce,
    /// The number of the record in its journal.
    pub seq: u64,
    /// Where its frame begins in its journal.
    pub offset: u64,
}

impl Entry {
    /// The bytes.
    pub fn to_bytes(self) -> [u8; ENTRY] {
        let mut bytes = [0; ENTRY];
        bytes[..32].copy_from_slice(self.leaf.as_bytes());
        bytes[32..48].copy_from_slice(self.nonce.as_bytes());
        bytes[48..56].copy_from_slice(&self.seq.to_le_bytes());
        bytes[56..64].copy_from_slice(&self.offset.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..64]);
        bytes[64..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads an entry; `None` when it is torn or damaged.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (bytes, crc) = bytes.first_chunk::<ENTRY>()?.split_at(64);
        if crc32c::crc32c(bytes).to_le_bytes() != crc {
            return None;
        }
        Some(Self {
            leaf: Digest::from_bytes(*bytes.first_chunk()?),
            nonce: Nonce::from_bytes(*bytes[32..].first_chunk()?),
            seq: u64::from_le_bytes(*bytes[48..].first_chunk()?),
            offset: u64::from_le_bytes(*bytes[56..].first_chunk()?),
        })
    }
}

/// The whole entries at the beginning of some bytes; the first one that is torn or damaged ends them.
pub fn entries(bytes: &[u8]) -> impl Iterator<Item = Entry> {
    bytes.chunks_exact(ENTRY).map_while(Entry::from_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes_and_refuses_each_flipped_bit() {
        let entry = Entry { leaf: Digest::of(b"leaf"), nonce: Nonce::from_bytes([3; 16]), seq: 7, offset: 12_288 };
        let bytes = entry.to_bytes();
        assert_eq!(Entry::from_bytes(&bytes), Some(entry));
        for bit in 0..ENTRY * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Entry::from_bytes(&flipped), None, "bit {bit}");
        }
        assert_eq!(Entry::from_bytes(&[0; ENTRY]), None, "a hole is no entry");
        assert_eq!(entries(&[&bytes[..], &bytes, &bytes[1..]].concat()).count(), 2);
    }
}
