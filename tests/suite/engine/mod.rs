//! The live engine: real journal, real socket, real clock; the hands are a test's own.

mod follow;
pub mod hands;
mod journal_failure;
mod orders;
mod people;
mod runs;
mod syncs;
