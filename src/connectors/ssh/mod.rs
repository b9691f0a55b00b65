//! Hosts over SSH: programs, files, units, cron tables, processes, network rules.

mod acl;
mod address;
mod attempt;
mod check;
mod command;
mod cron;
mod crontab;
mod exec;
mod file;
mod host;
mod host_key;
mod order;
mod process;
mod ruleset;
mod session;
mod shell;
mod systemd;
mod unit;

pub use acl::NetworkAcl;
pub use check::SshCheck;
pub use command::SshCommand;
pub use cron::CronLines;
pub use file::SshFile;
pub use process::ProcessStop;
pub use systemd::SystemdUnits;

pub(in crate::connectors) use host::{Host, Image as HostImage};
pub(in crate::connectors) use session::with_host;

/// Adds the actions of this connector.
pub(super) fn register(registry: &mut super::Registry) {
    registry.add(SshCommand);
    registry.add(SshCheck);
    registry.add(SshFile);
    registry.add(SystemdUnits::Stop);
    registry.add(SystemdUnits::Start);
    registry.add(SystemdUnits::Mask);
    registry.add(CronLines::Disable);
    registry.add(CronLines::Enable);
    registry.add(ProcessStop);
    registry.add(NetworkAcl);
}
