//! The same connector against a real MySQL: its own grants, switches, positions and words for replication.

mod freeze;
mod replication;
mod rows;

use crate::bench::Bench;
use crate::mysql_freeze::{PASSWORD, SHOP, bench};
use crate::servers::mysql::MySql;
use crate::servers::newer::not_brought;

/// The statements of the document for MySQL: Pointsman's own account.
const POINTSMAN: &str = include_str!("../../../docs/connectors/mysql-8-grants.sql");

/// Whether there is no MySQL here.
fn left_out() -> bool {
    not_brought("sid", "MySQL")
}

/// The shop, and the accounts in it.
async fn shop() -> MySql {
    let server = MySql::start().await;
    server.run(SHOP).await;
    server.run(&POINTSMAN.replace("<password>", PASSWORD)).await;
    server
}

/// A bench with the server as the target `old`.
fn bench_of(server: &MySql) -> Bench {
    bench(server, server.port)
}
