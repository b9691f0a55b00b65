//! Which actions exist, as data: their parameters, outputs, nature, undo, probe and effects on facts.
//!
//! The checks, the JSON Schema, the documentation and the dry run all read this one list. Nothing here can touch a
//! system: the hands are in `connectors`.

pub mod action;
pub mod facts;
pub mod parameter;
pub mod registry;

mod builtin;
mod command;
mod files;
mod haproxy;
mod http;
mod mysql;
mod mysql_replica;
mod mysql_rows;
mod mysql_sessions;
mod network;
mod nginx;
mod pgbouncer;
mod postgres;
mod postgres_replication;
mod postgres_server;
mod postgres_subscription;
mod rabbitmq;
mod ramp;
mod redis;
mod rows;
mod sessions;
mod sqlite;
mod ssh;
mod waiting;

pub use action::{ActionSpec, Nature, Repeat, TargetRule, UndoSpec};
pub use facts::FactEffect;
pub use parameter::{OutputSpec, ParamSpec, ParamType, Presence};
pub use registry::{ConnectorSpec, action, actions, connector, connectors};
