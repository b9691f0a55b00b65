//! Who may decide: persons are recognised here by how they authenticated, never by a name they type.

pub mod recognise;

pub use recognise::{Claim, Unrecognised, recognise};
