//! Frames one after another through a buffer: a journal of any size is read in constant memory.

use std::io;

use super::frame::{Flaw, HEADER, Header, Nonce};
use super::head::Position;
use super::storage::ReadAt;
use crate::model::Digest;

const BUFFER: usize = 64 * 1024;

/// What the next frame has to follow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cursor {
    /// The place after the last frame.
    pub position: Position,
    /// The epoch of the last frame; 0 before the first.
    pub epoch: u64,
    /// The batch of the last frame; 0 before the first.
    pub batch: u64,
}

impl Cursor {
    /// Before the first frame.
    pub const START: Self = Self { position: Position::START, epoch: 0, batch: 0 };

    /// Whether a well-formed frame is the one that comes next in the run `nonce`.
    fn admits(&self, header: &Header, nonce: Nonce) -> Result<(), Flaw> {
        if header.nonce != nonce {
            return Err(Flaw::ForeignRun);
        }
        if header.seq != self.position.seq + 1 {
            return Err(Flaw::Sequence);
        }
        if header.prev != self.position.chain {
            return Err(Flaw::Chain);
        }
        if header.epoch < self.epoch || header.epoch == 0 {
            return Err(Flaw::Epoch);
        }
        if header.batch != header.seq && (header.batch != self.batch || header.epoch != self.epoch) {
            return Err(Flaw::Batch);
        }
        Ok(())
    }
}

/// What stands at the cursor.
#[derive(Debug)]
pub enum Step<'b> {
    /// The next frame; the cursor stands after it now.
    Frame {
        /// Its header.
        header: Header,
        /// Its payload.
        payload: &'b [u8],
        /// All of its bytes.
        frame: &'b [u8],
        /// Its SHA-256.
        hash: Digest,
    },
    /// The file ends here, between frames.
    End,
    /// Something else stands here; the cursor did not move.
    Flaw(Flaw),
}

/// The frames of a file from a cursor on.
#[derive(Debug)]
pub struct Frames {
    nonce: Nonce,
    cursor: Cursor,
    buffer: Vec<u8>,
    /// Where `buffer` begins in the file.
    buffered_at: u64,
}

impl Frames {
    /// The frames of the run `nonce` from `cursor` on.
    pub const fn new(nonce: Nonce, cursor: Cursor) -> Self {
        Self { nonce, cursor, buffer: Vec::new(), buffered_at: 0 }
    }

    /// The place after the last frame that was read.
    pub const fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// Reads the next frame. After `End` or `Flaw` it can be called again: the file may have grown.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn next(&mut self, file: &(impl ReadAt + ?Sized)) -> io::Result<Step<'_>> {
        let available = self.fill(file, HEADER)?;
        if available == 0 {
            return Ok(Step::End);
        }
        let header = match Header::parse(self.ahead()).and_then(|header| self.cursor.admits(&header, self.nonce).map(|()| header))
        {
            Ok(header) => header,
            Err(flaw) => return Ok(Step::Flaw(self.forget(flaw))),
        };
        let len = header.frame_len();
        self.fill(file, len)?;
        if let Err(flaw) = header.payload_of(self.ahead()) {
            return Ok(Step::Flaw(self.forget(flaw)));
        }
        let start = self.start();
        let frame = &self.buffer[start..start + len];
        let hash = Digest::of(frame);
        let offset = self.cursor.position.offset + len as u64;
        self.cursor =
            Cursor { position: Position { seq: header.seq, offset, chain: hash }, epoch: header.epoch, batch: header.batch };
        let payload = &frame[HEADER..HEADER + header.len as usize];
        Ok(Step::Frame { header, payload, frame, hash })
    }

    /// What was buffered may be the middle of a write: the next call reads it again.
    fn forget(&mut self, flaw: Flaw) -> Flaw {
        self.buffer.clear();
        flaw
    }

    fn start(&self) -> usize {
        usize::try_from(self.cursor.position.offset - self.buffered_at).expect("invariant: the buffer holds the cursor")
    }

    fn ahead(&self) -> &[u8] {
        &self.buffer[self.start()..]
    }

    /// Makes at least `wanted` bytes after the cursor available, or as many as there are; gives how many.
    fn fill(&mut self, file: &(impl ReadAt + ?Sized), wanted: usize) -> io::Result<usize> {
        let offset = self.cursor.position.offset;
        let held = self.buffered_at + self.buffer.len() as u64;
        if offset < self.buffered_at || offset >= held {
            self.buffer.clear();
            self.buffered_at = offset;
        } else if held - offset < wanted as u64 {
            let start = self.start();
            self.buffer.drain(..start);
            self.buffered_at = offset;
        }
        while self.ahead().len() < wanted {
            let filled = self.buffer.len();
            self.buffer.resize(filled + BUFFER.max(wanted), 0);
            let read = loop {
                match file.read_at(&mut self.buffer[filled..], self.buffered_at + filled as u64) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    other => break other,
                }
            };
            let read = read.inspect_err(|_| self.buffer.truncate(filled))?;
            self.buffer.truncate(filled + read);
            if read == 0 {
                break;
            }
        }
        Ok(self.ahead().len())
    }
}
