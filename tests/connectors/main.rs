//! The hands, each against the real thing: SQLite files that another connection writes to, child processes, an HTTP server.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

#[path = "../servers/mod.rs"]
mod servers;

mod bench;
mod command;
mod contract;
mod freeze;
mod haproxy;
mod http;
#[cfg(feature = "mysql")]
mod mysql_allow;
#[cfg(feature = "mysql")]
mod mysql_events;
#[cfg(feature = "mysql")]
mod mysql_freeze;
#[cfg(feature = "mysql")]
mod mysql_itself;
#[cfg(feature = "mysql")]
mod mysql_pair;
#[cfg(feature = "mysql")]
mod mysql_privileges;
#[cfg(feature = "mysql")]
mod mysql_replica;
#[cfg(feature = "mysql")]
mod mysql_rows;
#[cfg(feature = "mysql")]
mod mysql_sessions;
#[cfg(feature = "mysql")]
mod mysql_tables;
#[cfg(feature = "mysql")]
mod mysql_tls;
mod nginx;
mod nginx_host;
mod pgbouncer;
mod postgres_freeze;
mod postgres_replication;
mod postgres_rows;
mod postgres_server;
mod postgres_standby;
mod postgres_tables;
mod postgres_tls;
mod postgres_way_back;
mod postgres_way_back_account;
mod rabbitmq;
mod redis;
mod server;
mod ssh;
mod switch_file;
mod tables;
mod waiting;
mod witness;
