//! Whole nights on real servers, under load: what the clients were told is held against what the databases hold.
#![allow(dead_code, reason = "the benches share the load")]
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

#[path = "../servers/mod.rs"]
mod servers;

mod cache_and_queue;
mod executor;
mod load;
mod mischief;
mod mysql_to_cloud;
mod night;
mod postgres_major_upgrade;
mod read_ramp;
mod sandbox;
mod shop;
mod story;
