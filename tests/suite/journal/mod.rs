//! The journal and the audit over it.

mod crashes;
mod sample;
mod writing;
