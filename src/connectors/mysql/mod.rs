//! MySQL and MariaDB: one connector, the dialects told apart by the server.

mod account;
mod allow;
mod barrier;
mod bound;
mod bypass;
mod canary;
mod cut;
mod delete;
mod event;
mod events;
mod figure;
mod filter;
mod following;
mod freeze;
mod gift;
mod grant;
mod grant_tables;
mod grants;
mod gtid;
mod kill_sessions;
mod link;
mod name;
mod order;
mod promote;
mod query;
mod replica;
mod replicate_from;
mod restore;
mod selection;
mod session;
mod statement_error;
mod stop_replica;
mod store;
mod variable;
mod wait_replica;

pub use allow::AllowWrites;
pub use delete::Delete;
pub use events::Events;
pub use freeze::FreezeWrites;
pub use kill_sessions::KillSessions;
pub use promote::Promote;
pub use query::Query;
pub use replicate_from::ReplicateFrom;
pub use stop_replica::StopReplica;
pub(super) use store::open_store;
pub use wait_replica::WaitReplica;

use super::{Registry, count_of, own_target};

/// Adds the actions of this connector.
pub(super) fn register(registry: &mut Registry) {
    registry.add(FreezeWrites);
    registry.add(AllowWrites);
    registry.add(KillSessions);
    registry.add(Events::Disable);
    registry.add(Events::Enable);
    registry.add(WaitReplica);
    registry.add(StopReplica);
    registry.add(Promote);
    registry.add(ReplicateFrom);
    registry.add(Query);
    registry.add(Delete);
}

/// What a session sends first when a step must not reach the replicas.
fn unlogged(binlog: bool) -> Vec<String> {
    if binlog { Vec::new() } else { vec!["SET SESSION sql_log_bin = 0".to_owned()] }
}
