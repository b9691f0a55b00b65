//! The one list of actions and of connectors. A name that stands twice is a bug, found at first use.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::{
    ActionSpec, ParamSpec, builtin, command, files, haproxy, http, mysql, mysql_replica, mysql_rows, mysql_sessions, nginx,
    pgbouncer, postgres, postgres_replication, postgres_server, postgres_subscription, rabbitmq, redis, sqlite, ssh,
};

/// What a target of one connector is configured with.
#[derive(Debug)]
pub struct ConnectorSpec {
    /// The word after `connector:`.
    pub name: &'static str,
    /// One sentence for a person.
    pub summary: &'static str,
    /// The other keys of the target.
    pub settings: &'static [ParamSpec],
}

/// Every action, in the order of the documentation.
pub fn actions() -> impl Iterator<Item = &'static ActionSpec> {
    [
        command::ACTIONS,
        http::ACTIONS,
        sqlite::ACTIONS,
        mysql::ACTIONS,
        mysql_replica::ACTIONS,
        mysql_rows::ACTIONS,
        mysql_sessions::ACTIONS,
        postgres::ACTIONS,
        postgres_replication::ACTIONS,
        postgres_server::ACTIONS,
        postgres_subscription::ACTIONS,
        redis::ACTIONS,
        rabbitmq::ACTIONS,
        haproxy::ACTIONS,
        nginx::ACTIONS,
        pgbouncer::ACTIONS,
        ssh::ACTIONS,
        files::ACTIONS,
        builtin::ACTIONS,
    ]
    .into_iter()
    .flatten()
}

/// Every connector that has targets.
pub fn connectors() -> impl Iterator<Item = &'static ConnectorSpec> {
    [
        http::CONNECTORS,
        sqlite::CONNECTORS,
        mysql::CONNECTORS,
        postgres::CONNECTORS,
        redis::CONNECTORS,
        rabbitmq::CONNECTORS,
        haproxy::CONNECTORS,
        nginx::CONNECTORS,
        pgbouncer::CONNECTORS,
        ssh::CONNECTORS,
        files::CONNECTORS,
    ]
    .into_iter()
    .flatten()
}

/// The action of this name.
pub fn action(name: &str) -> Option<&'static ActionSpec> {
    static INDEX: OnceLock<HashMap<&'static str, &'static ActionSpec>> = OnceLock::new();
    INDEX
        .get_or_init(|| {
            let mut index = HashMap::new();
            for spec in actions() {
                assert!(index.insert(spec.name, spec).is_none(), "invariant: the action {} is registered once", spec.name);
            }
            index
        })
        .get(name)
        .copied()
}

/// The connector of this name.
pub fn connector(name: &str) -> Option<&'static ConnectorSpec> {
    connectors().find(|spec| spec.name == name)
}
