//! The web console in a real browser: whole nights from its pages, and whether everybody can use them.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod browser;
mod nights;
mod pages;
mod provider;
mod replay;
mod report;
mod shop;
mod signed;
mod taken_up;

#[path = "../servers/mod.rs"]
mod servers;
