//! Hosts over SSH: programs, files, units, cron tables, processes, network rules.

mod address;
mod check;
mod exec;
mod host;
mod host_key;
mod order;
mod session;
mod shell;

pub use check::SshCheck;

/// Adds the actions of this connector.
pub(super) fn register(registry: &mut super::Registry) {
    registry.add(SshCheck);
}
