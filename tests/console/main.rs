//! The web console in a real browser: whole nights from its pages, and whether everybody can use them.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod browser;
mod nights;
mod pages;
mod shop;
mod signed;

#[path = "../servers/mod.rs"]
mod servers;
