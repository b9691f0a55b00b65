//! The hands, each against the real thing: SQLite files that another connection writes to, child processes, an HTTP server.

mod bench;
mod command;
mod contract;
mod freeze;
mod http;
mod server;
mod switch_file;
mod tables;
mod waiting;
