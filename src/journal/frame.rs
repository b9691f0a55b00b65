//! One record as bytes: a header with its own checksum, the payload, a trailer.
//!
//! A length is trusted only after the checksum of the header that holds it. The magic opens with a byte that no UTF-8 text
//! contains, so no payload can look like the start of a frame.

use crate::model::Digest;

/// The largest payload, in bytes.
pub const MAX_PAYLOAD: usize = 1 << 20;
/// The bytes before the payload.
pub const HEADER: usize = 92;
/// The bytes after the payload.
pub const TRAILER: usize = 8;
/// The largest frame, in bytes.
pub const MAX_FRAME: usize = HEADER + MAX_PAYLOAD + TRAILER;

/// How a frame opens.
pub const MAGIC: [u8; 8] = *b"\xffPMFRM\x01\n";
/// How a frame ends.
pub const END_MAGIC: [u8; 4] = *b"PME\xfe";

/// 16 random bytes drawn once per run: a frame of another run of the same runbook does not carry them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Nonce([u8; 16]);

impl Nonce {
    /// Wraps bytes that are a nonce already.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Draws a nonce from the operating system.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn random() -> std::io::Result<Self> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|error| std::io::Error::other(error.to_string()))?;
        Ok(Self(bytes))
    }

    /// The 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// The header of a frame, its checksum already verified.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// The bytes of the payload.
    pub len: u32,
    /// The number of the record, from 1.
    pub seq: u64,
    /// The number of the first record of the batch that this one was synced with.
    pub batch: u64,
    /// The epoch of the executor that wrote it.
    pub epoch: u64,
    /// The run.
    pub nonce: Nonce,
    /// The SHA-256 of the whole previous frame; zero in the first.
    pub prev: Digest,
    /// The CRC-32C of the payload.
    pub payload_crc: u32,
}

/// Why bytes are not the next frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Flaw {
    /// The file ends inside the frame.
    #[error("the file ends inside a record")]
    Short,
    /// The opening magic is not there.
    #[error("no record begins here")]
    Magic,
    /// The header does not match its checksum.
    #[error("the header of a record does not match its checksum")]
    HeaderChecksum,
    /// The length is more than a payload may have.
    #[error("the length of a record is out of bounds")]
    Length,
    /// The payload does not match its checksum.
    #[error("the content of a record does not match its checksum")]
    PayloadChecksum,
    /// The trailer does not repeat the length and end the frame.
    #[error("the end of a record is damaged")]
    Trailer,
    /// The record belongs to another run.
    #[error("a record belongs to another run")]
    ForeignRun,
    /// The record's number is not the next.
    #[error("a record stands out of sequence")]
    Sequence,
    /// The record does not carry the hash of the one before it.
    #[error("a record does not follow from the one before it")]
    Chain,
    /// The epoch is lower than that of the record before.
    #[error("the epoch of a record is lower than the one before it")]
    Epoch,
    /// The batch is neither that of the record before nor a new one.
    #[error("the batch of a record does not fit the one before it")]
    Batch,
}

impl Header {
    /// Reads a header and trusts nothing in it before its checksum.
    ///
    /// # Errors
    /// `Short`, `Magic`, `HeaderChecksum` or `Length`.
    pub fn parse(bytes: &[u8]) -> Result<Self, Flaw> {
        let Some(bytes) = bytes.first_chunk::<HEADER>() else { return Err(Flaw::Short) };
        if bytes[..8] != MAGIC {
            return Err(Flaw::Magic);
        }
        if crc32c::crc32c(&bytes[12..]) != u32_at(bytes, 8) {
            return Err(Flaw::HeaderChecksum);
        }
        let len = u32_at(bytes, 12);
        if len as usize > MAX_PAYLOAD {
            return Err(Flaw::Length);
        }
        Ok(Self {
            len,
            seq: u64_at(bytes, 16),
            batch: u64_at(bytes, 24),
            epoch: u64_at(bytes, 32),
            nonce: Nonce(array_at(bytes, 40)),
            prev: Digest::from_bytes(array_at(bytes, 56)),
            payload_crc: u32_at(bytes, 88),
        })
    }

    /// The bytes of the whole frame.
    pub const fn frame_len(&self) -> usize {
        HEADER + self.len as usize + TRAILER
    }

    /// Checks payload and trailer of a frame whose header this is, and gives the payload.
    ///
    /// # Errors
    /// `Short`, `PayloadChecksum` or `Trailer`.
    pub fn payload_of<'b>(&self, frame: &'b [u8]) -> Result<&'b [u8], Flaw> {
        let end = HEADER + self.len as usize;
        let Some(frame) = frame.get(..end + TRAILER) else { return Err(Flaw::Short) };
        let payload = &frame[HEADER..end];
        if crc32c::crc32c(payload) != self.payload_crc {
            return Err(Flaw::PayloadChecksum);
        }
        if u32_at(frame, end) != self.len || frame[end + 4..] != END_MAGIC {
            return Err(Flaw::Trailer);
        }
        Ok(payload)
    }
}

/// What a new frame says about itself; length and checksums follow from the payload.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The number of the record.
    pub seq: u64,
    /// The number of the first record of its batch.
    pub batch: u64,
    /// The epoch of the writer.
    pub epoch: u64,
    /// The run.
    pub nonce: Nonce,
    /// The SHA-256 of the whole previous frame.
    pub prev: Digest,
}

/// Opens a frame at the end of `out`: the caller appends the payload and then calls [`seal`] with the position given here.
pub fn begin(out: &mut Vec<u8>) -> usize {
    let start = out.len();
    out.resize(start + HEADER, 0);
    start
}

/// Completes the frame that begins at `start` and ends at the end of `out`; gives its SHA-256.
pub fn seal(out: &mut Vec<u8>, start: usize, place: Place) -> Digest {
    let payload = &out[start + HEADER..];
    let len = u32::try_from(payload.len()).expect("invariant: the writer bounds a payload before it seals the frame");
    let payload_crc = crc32c::crc32c(payload);
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(&END_MAGIC);
    let header = &mut out[start..start + HEADER];
    header[..8].copy_from_slice(&MAGIC);
    header[12..16].copy_from_slice(&len.to_le_bytes());
    header[16..24].copy_from_slice(&place.seq.to_le_bytes());
    header[24..32].copy_from_slice(&place.batch.to_le_bytes());
    header[32..40].copy_from_slice(&place.epoch.to_le_bytes());
    header[40..56].copy_from_slice(place.nonce.as_bytes());
    header[56..88].copy_from_slice(place.prev.as_bytes());
    header[88..92].copy_from_slice(&payload_crc.to_le_bytes());
    let header_crc = crc32c::crc32c(&header[12..]);
    header[8..12].copy_from_slice(&header_crc.to_le_bytes());
    Digest::of(&out[start..])
}

/// Four bytes, little-endian, from a slice known to hold them.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, at))
}

/// Eight bytes, little-endian, from a slice known to hold them.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, at))
}

/// `N` bytes from a slice known to hold them.
pub(super) fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes_and_refuses_each_flipped_bit() {
        let place = Place { seq: 7, batch: 6, epoch: 2, nonce: Nonce([9; 16]), prev: Digest::of(b"before") };
        let mut bytes = Vec::new();
        let start = begin(&mut bytes);
        bytes.extend_from_slice(b"{\"a\":1}");
        let hash = seal(&mut bytes, start, place);
        assert_eq!(hash, Digest::of(&bytes));
        let header = Header::parse(&bytes).expect("a header");
        assert_eq!((header.seq, header.batch, header.epoch, header.prev), (7, 6, 2, place.prev));
        assert_eq!(header.payload_of(&bytes), Ok(&b"{\"a\":1}"[..]));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let read = Header::parse(&flipped).and_then(|header| header.payload_of(&flipped).map(|_| header));
            assert!(read.is_err(), "bit {bit} was not noticed");
        }
    }
}
