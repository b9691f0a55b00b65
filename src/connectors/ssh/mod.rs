//! Hosts over SSH: programs, files, units, cron tables, processes, network rules.

mod address;
mod attempt;
mod check;
mod command;
mod exec;
mod host;
mod host_key;
mod order;
mod session;
mod shell;

pub use check::SshCheck;
pub use command::SshCommand;

/// Adds the actions of this connector.
pub(super) fn register(registry: &mut super::Registry) {
    registry.add(SshCommand);
    registry.add(SshCheck);
}
