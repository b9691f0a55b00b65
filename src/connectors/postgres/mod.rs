//! PostgreSQL: freeze writes by taking grants away, thaw exactly, allow writes; wait for a subscription, carry sequences over.

mod allow;
mod backend;
mod barrier;
mod bypass;
mod canary;
mod carry_sequences;
mod conninfo;
mod create_publication;
mod create_subscription;
mod delete;
mod drop_subscription;
mod ends;
mod figure;
mod filter;
mod freeze;
mod grant;
mod kill_sessions;
mod link;
mod loops;
mod lsn;
mod name;
mod place;
mod promote;
mod proof;
mod query;
mod saved;
mod scope;
mod session;
mod stop_subscription;
mod store;
mod subscription;
mod wait_subscription;

pub use carry_sequences::CarrySequences;
pub use create_publication::CreatePublication;
pub use create_subscription::CreateSubscription;
pub use delete::Delete;
pub use drop_subscription::DropSubscription;
pub use kill_sessions::KillSessions;
pub(super) use place::{FINGERPRINT, fingerprint, host_and_port};
pub use promote::Promote;
pub use query::Query;
pub use stop_subscription::StopSubscription;
pub(super) use store::open_store;
pub use wait_subscription::WaitSubscription;

pub use allow::AllowWrites;
pub use freeze::FreezeWrites;

use super::Registry;

/// Adds the actions of this connector.
pub(super) fn register(registry: &mut Registry) {
    registry.add(WaitSubscription);
    registry.add(CarrySequences);
    registry.add(Query);
    registry.add(Promote);
    registry.add(KillSessions);
    registry.add(Delete);
    registry.add(CreatePublication);
    registry.add(CreateSubscription);
    registry.add(DropSubscription);
    registry.add(StopSubscription);
    registry.add(FreezeWrites);
    registry.add(AllowWrites);
}
