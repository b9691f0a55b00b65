//! What the journal needs from a disk, as a trait: the real files and the faulty disk in memory implement it.
//!
//! Nothing written is durable before `sync` returned; `create`, `keep` and `rebuild` are durable and whole when they return.

use std::io;

/// A file that can be read at any place.
pub trait ReadAt {
    /// The length of the file, in bytes.
    fn size(&self) -> io::Result<u64>;

    /// Reads up to `buffer.len()` bytes at `offset`; 0 only at or past the end.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
}

/// The journal file of one run, and what stands around it.
pub trait Storage: ReadAt + Send {
    /// Makes the journal with these first bytes: a new file, synced, renamed into place, the folder synced. Fails when one exists.
    fn create(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Writes all of `bytes` at `offset`. After an error any part of them may have been written.
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Cuts the file at `len`.
    fn truncate(&mut self, len: u64) -> io::Result<()>;

    /// Makes everything written to the file durable. Never called again after it failed.
    fn sync(&mut self) -> io::Result<()>;

    /// Makes the name of the file in its folder durable.
    fn sync_folder(&mut self) -> io::Result<()>;

    /// Keeps a copy of the bytes from `from` to the end under `name`; gives the name that a record can mention.
    fn keep(&mut self, name: &str, from: u64) -> io::Result<String>;

    /// Copies the first `upto` bytes into a new file that takes the place of the journal; the old file is kept under `name`.
    fn rebuild(&mut self, name: &str, upto: u64) -> io::Result<String>;

    /// Writes down that the executor of `epoch` holds the run now.
    fn claim(&mut self, epoch: u64) -> io::Result<()>;

    /// The epoch of whoever holds the run now.
    fn holder(&mut self) -> io::Result<u64>;
}

/// Reads exactly `buffer.len()` bytes at `offset`.
///
/// # Errors
/// `UnexpectedEof` when the file ends before, else what the read said.
pub fn read_exact_at(file: &(impl ReadAt + ?Sized), mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !buffer.is_empty() {
        match file.read_at(buffer, offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => {
                buffer = &mut buffer[read..];
                offset += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
