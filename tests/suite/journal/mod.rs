//! The journal and the audit over it.

mod audit;
mod compat;
mod crashes;
mod damage;
mod files;
pub mod ledger;
pub mod sample;
mod table;
mod writing;
