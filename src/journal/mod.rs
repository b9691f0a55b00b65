//! Bytes on disk: frame, chain, head, writer, reader, recovery, lock.
//!
//! A journal is one file: two head slots, then frames, each holding the hash of the one before it. `docs/journal.md` shows it
//! byte by byte. Only [`wire`] knows the names inside a payload; nothing here knows what an event means.

pub mod files;
pub mod folder;
pub mod frame;
pub mod head;
pub mod lock;
pub mod memory;
pub mod opening;
pub mod reader;
pub mod recovery;
pub mod salvage;
pub mod storage;
pub mod stream;
pub mod wire;
pub mod writer;

pub use files::Files;
pub use folder::RunFolder;
pub use frame::Nonce;
pub use lock::{Holder, LockError, RunLock};
pub use opening::{OpenError, Opened, Repaired, open};
pub use reader::{Entry, ReadError, Reader, Records};
pub use recovery::{Corruption, Examination, Verdict, examine};
pub use salvage::{Salvaged, salvage};
pub use storage::{ReadAt, Storage};
pub use writer::{JournalError, Writer};
