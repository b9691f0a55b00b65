//! The console: pages and an API over the same records as the command line.
//!
//! It drives no run and decides nothing: it reads journals as `status` does, and gives orders as `approve` does.

pub mod access;
pub mod api;
pub mod assets;
pub mod console;
pub mod guard;
pub mod hub;
pub mod oidc;
pub mod problem;
pub mod rate;
pub mod reread;
pub mod routes;
pub mod server;
pub mod session;
pub mod tape;
pub mod ticket;
pub mod users;

pub use access::{Access, May, Visitor, Who};
pub use console::{Console, Settings};
pub use oidc::{HAS_OIDC, SignOn};
pub use problem::Problem;
pub use reread::Reread;
pub use routes::{Route, app, routes};
pub use server::{Door, serve};
pub use users::Users;
