//! The log of an installation: one Merkle tree over the stored bytes of every frame of every run, and signed checkpoints of it.
//!
//! The journals are the source: the log follows them, at the moments at which a checkpoint is made, and takes up after a crash
//! what it lacks. The formats are those of RFC 6962 and C2SP, so that other people's programs can verify them.
//! `docs/audit.md` says what this proves and what it does not.

pub mod asked;
pub mod checkpoint;
pub mod courier;
pub mod diary;
pub mod entry;
pub mod error;
pub mod folder;
pub mod following;
pub mod http;
pub mod key;
pub mod note;
pub mod outside;
pub mod rotation;
pub mod store;
#[cfg(feature = "tls")]
mod tls;
#[cfg(not(feature = "tls"))]
#[path = "without_tls.rs"]
mod tls;
pub mod token;
pub mod tree;
pub mod witness;

pub use asked::{Asked, Trusted};
pub use checkpoint::Checkpoint;
pub use courier::Courier;
pub use error::LogError;
pub use folder::LogFolder;
pub use key::{Found, KeyError, Signer, Use, Verifier};
pub use note::{Note, NoteError};
pub use outside::Outside;
pub use store::{Log, Signed};
pub use tree::Tree;
pub use witness::Witness;

pub use crate::model::WitnessLevel;
