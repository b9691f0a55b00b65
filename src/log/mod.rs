//! The log of an installation: one Merkle tree over the stored bytes of every frame of every run, and signed checkpoints of it.
//!
//! The journals are the source: the log follows them, at the moments at which a checkpoint is made, and takes up after a crash
//! what it lacks. The formats are those of RFC 6962 and C2SP, so that other people's programs can verify them.
//! `docs/audit.md` says what this proves and what it does not.

pub mod checkpoint;
pub mod courier;
pub mod diary;
pub mod entry;
pub mod error;
pub mod folder;
pub mod following;
pub mod http;
pub mod key;
pub mod level;
pub mod note;
pub mod outside;
pub mod rotation;
pub mod store;
pub mod tree;
pub mod witness;

pub use checkpoint::Checkpoint;
pub use courier::Courier;
pub use error::LogError;
pub use folder::LogFolder;
pub use key::{Found, KeyError, Signer, Use, Verifier};
pub use level::WitnessLevel;
pub use note::{Note, NoteError};
pub use outside::{Asked, Outside};
pub use store::{Log, Signed};
pub use tree::Tree;
pub use witness::Witness;
